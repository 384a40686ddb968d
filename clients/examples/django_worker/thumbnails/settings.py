"""Only what workers without a database need. The broker is CHANNEL_LAYERS, nothing else."""

import os
import secrets

SECRET_KEY = secrets.token_urlsafe()  # nothing here outlives the process
ASGI_APPLICATION = "thumbnails.asgi.application"
# In this order: thumbnails has a runworker of its own.
INSTALLED_APPS = ["thumbnails", "channels"]

BACKENDS = {
    "chorale": "channels_chorale.ChoraleChannelLayer",
    "redis": "channels_redis.core.RedisChannelLayer",
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": BACKENDS[os.environ.get("CHANNEL_LAYER", "chorale")],
        "CONFIG": {
            "hosts": [os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")],
            # So many jobs may wait; who sends another gets ChannelFull.
            "channel_capacity": {"thumbnails": 10},
        },
    },
}
