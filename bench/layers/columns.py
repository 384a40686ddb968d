"""The channel layers that are compared: which class, on which server."""

from __future__ import annotations

from typing import Any, NamedTuple


class Column(NamedTuple):
    name: str
    layer: str  # core, pubsub, chorale or memory
    server: str | None  # redis or chorale; None: the layer lives in its process


CORE = Column("core", "core", "redis")
PUBSUB = Column("pubsub", "pubsub", "redis")
CHORALE = Column("chorale", "chorale", "chorale")
COLUMNS = [CORE, PUBSUB, CHORALE]
# channels_redis on Chorale, and the layer of channels itself, which reaches no other process.
MORE_COLUMNS = [
    Column("core@chorale", "core", "chorale"),
    Column("pubsub@chorale", "pubsub", "chorale"),
    Column("memory", "memory", None),
]


def make_layer(layer: str, port: int | None, prefix: str) -> Any:
    """A layer with the defaults of its package, but for the prefix. Belongs to the process."""
    if layer == "memory":
        from channels.layers import InMemoryChannelLayer

        return InMemoryChannelLayer()
    url = f"redis://127.0.0.1:{port}"
    if layer == "core":
        from channels_redis.core import RedisChannelLayer

        # The core layer waits with BZPOPMIN for 5 s; redis-py 8 by default gives a connection up
        # that is silent for 5 s, and the consumer ends with it. Against Redis the layer needs this
        # option. It also saves redis-py a timer for each reply.
        return RedisChannelLayer([{"address": url, "socket_timeout": None}], prefix=prefix)
    if layer == "pubsub":
        from channels_redis.pubsub import RedisPubSubChannelLayer

        return RedisPubSubChannelLayer(hosts=[url], prefix=prefix)
    from channels_chorale import ChoraleChannelLayer

    return ChoraleChannelLayer(hosts=[url], prefix=prefix)
