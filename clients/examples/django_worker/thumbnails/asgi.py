"""What comes on the channel "thumbnails" goes to its consumer. `runworker` serves it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thumbnails.settings")

import django  # noqa: E402

django.setup()

from channels.routing import ChannelNameRouter, ProtocolTypeRouter  # noqa: E402

from thumbnails.consumers import ThumbnailConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {"channel": ChannelNameRouter({"thumbnails": ThumbnailConsumer.as_asgi()})}
)
