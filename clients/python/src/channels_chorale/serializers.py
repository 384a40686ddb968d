"""Messages as bytes: MessagePack, JSON or a format of the project's own, encrypted if wanted."""

from __future__ import annotations

import abc
import base64
import hashlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import msgpack

# A message may be so many seconds older than its expiry before it is taken for a forgery: the
# clocks of the hosts differ.
CLOCK_TOLERANCE = 10


class SerializerDoesNotExist(KeyError):
    """CONFIG's "serializer_format" names no format that is registered."""


class BaseMessageSerializer(abc.ABC):
    """What a format has to say: `as_bytes` and `from_bytes`. Encryption is added here.

    `symmetric_encryption_keys` are as channels_redis understands them: the first one encrypts, all
    of them decrypt. A message older than `expiry` seconds is not decrypted any more.
    `random_prefix_length` is what channels_redis needs to tell equal messages apart; here they are.
    """

    def __init__(
        self,
        symmetric_encryption_keys: Sequence[str | bytes] | None = None,
        random_prefix_length: int = 0,
        expiry: float | None = None,
    ) -> None:
        self._ttl = None if expiry is None else int(expiry) + CLOCK_TOLERANCE
        self._crypter = _crypter(symmetric_encryption_keys) if symmetric_encryption_keys else None

    @abc.abstractmethod
    def as_bytes(self, message: Any) -> bytes: ...

    @abc.abstractmethod
    def from_bytes(self, message: bytes) -> Any: ...

    def serialize(self, message: Any) -> bytes:
        body = self.as_bytes(message)
        return self._crypter.encrypt(body) if self._crypter else body

    def deserialize(self, message: bytes) -> Any:
        if self._crypter:
            message = self._crypter.decrypt(message, self._ttl)
        return self.from_bytes(message)


def _crypter(keys: Sequence[str | bytes]) -> Any:
    if isinstance(keys, (str, bytes)):
        raise ValueError("symmetric_encryption_keys must be a list of possible keys")
    try:
        from cryptography.fernet import Fernet, MultiFernet
    except ImportError as error:
        raise ValueError("symmetric_encryption_keys need the package 'cryptography'") from error

    def fernet(key: str | bytes) -> Any:
        digest = hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()
        return Fernet(base64.urlsafe_b64encode(digest))

    return MultiFernet([fernet(key) for key in keys])


class JSONSerializer(BaseMessageSerializer):
    def as_bytes(self, message: Any) -> bytes:
        return json.dumps(message).encode()

    def from_bytes(self, message: bytes) -> Any:
        return json.loads(message)


class MsgPackSerializer(BaseMessageSerializer):
    as_bytes = staticmethod(msgpack.packb)
    from_bytes = staticmethod(msgpack.unpackb)


class SerializersRegistry:
    """The formats that "serializer_format" can name."""

    def __init__(self) -> None:
        self._registry: dict[str, type] = {}

    def register_serializer(self, format: str, serializer_class: type) -> None:
        """Adds a format: a class with `serialize` and `deserialize`.

        It is made with the keyword arguments `symmetric_encryption_keys`, `random_prefix_length`
        and `expiry`. Raises TypeError for anything else.
        """
        if not (
            isinstance(serializer_class, type)
            and hasattr(serializer_class, "serialize")
            and hasattr(serializer_class, "deserialize")
        ):
            raise TypeError(f"{serializer_class!r} is no class with serialize and deserialize")
        self._registry[format] = serializer_class

    def get_serializer(self, format: str, **options: Any) -> Any:
        """A new serializer of that format; SerializerDoesNotExist if there is none.

        A format that the project has registered with channels_redis is found as well, so that
        another BACKEND is all that a migration changes.
        """
        if format in self._registry:
            return self._registry[format](**options)
        peer = sys.modules.get("channels_redis.serializers")
        if peer is not None:
            try:
                return peer.registry.get_serializer(format, **options)
            except KeyError:
                pass
        raise SerializerDoesNotExist(format)


registry = SerializersRegistry()
registry.register_serializer("json", JSONSerializer)
registry.register_serializer("msgpack", MsgPackSerializer)
