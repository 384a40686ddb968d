"""Only what a chat without a database needs. The broker is CHANNEL_LAYERS, nothing else."""

import os
import secrets

SECRET_KEY = secrets.token_urlsafe()  # nothing here outlives the process
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "chat.urls"
ASGI_APPLICATION = "chat.asgi.application"
INSTALLED_APPS = ["channels"]

BACKENDS = {
    "chorale": "channels_chorale.ChoraleChannelLayer",
    "redis": "channels_redis.core.RedisChannelLayer",
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": BACKENDS[os.environ.get("CHANNEL_LAYER", "chorale")],
        "CONFIG": {"hosts": [os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")]},
    },
}
