"""HTTP goes to Django, WebSockets to the chat's consumer."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chat.settings")

from django.core.asgi import get_asgi_application  # noqa: E402

django = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import re_path  # noqa: E402

from chat.consumers import ChatConsumer  # noqa: E402

sockets = URLRouter([re_path(r"^ws/(?P<room>[a-zA-Z0-9_-]{1,50})/$", ChatConsumer.as_asgi())])

application = ProtocolTypeRouter(
    {"http": django, "websocket": AllowedHostsOriginValidator(sockets)}
)
