"""Where the brokers are, and which of them is the home of a name."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

DEFAULT_URL = "redis://localhost:6379"
DEFAULT_PORT = 6379


@dataclass(frozen=True)
class Host:
    """One broker: TCP, TLS over TCP, or a Unix socket.

    `database` keeps projects apart that share a broker, as it does on Redis: it is part of the
    layer's name.
    """

    host: str = "localhost"
    port: int = DEFAULT_PORT
    path: str | None = None  # of a Unix socket, in the place of host and port
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What it is called, without credentials: the same in every process."""
        name = self.path or f"{self.host}:{self.port}"
        return f"{name}/{self.database}" if self.database else name


def parse_hosts(hosts: Sequence[Any] | None) -> list[Host]:
    """The value of CONFIG's "hosts", in every form that channels_redis takes.

    A list of URLs (`redis://[user][:password]@host:port/database`, `rediss://` for TLS,
    `unix://[user][:password]@/path?db=0`), of (host, port) pairs, or of mappings with either an
    "address" or a "host" and a "port", and options of redis-py beside them. Raises ValueError for
    what it cannot follow, Sentinel among it.
    """
    if not hosts:
        return [_from_url(DEFAULT_URL, {})]
    if isinstance(hosts, (str, bytes)):
        raise ValueError("hosts must be a list, even if there is only one")
    found = [_parse(entry) for entry in hosts]
    if len({host.name for host in found}) < len(found):
        raise ValueError("hosts: a broker is named twice")
    return found


def _parse(entry: Any) -> Host:
    if isinstance(entry, Mapping):
        options = dict(entry)
        if "master_name" in options or "sentinels" in options:
            raise ValueError("hosts: Redis Sentinel is not supported; name the brokers themselves")
        if "address" in options:
            return _from_address(options.pop("address"), options)
        return _from_options(options)
    return _from_address(entry, {})


def _from_address(address: Any, options: dict[str, Any]) -> Host:
    if isinstance(address, bytes):
        address = address.decode()
    if isinstance(address, str):
        return _from_url(address, options)
    if isinstance(address, Sequence) and len(address) == 2:
        return _from_options({"host": address[0], "port": address[1], **options})
    raise ValueError(f"hosts: {address!r} is neither a URL nor a (host, port) pair")


def _from_url(url: str, options: dict[str, Any]) -> Host:
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError(f"hosts: {url!r} does not begin with redis://, rediss:// or unix://")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    found: dict[str, Any] = {**query, **options}
    if parts.username:
        found["username"] = unquote(parts.username)
    if parts.password:
        found["password"] = unquote(parts.password)
    path = unquote(parts.path)
    if parts.scheme == "unix":
        found["path"] = path
    else:
        found["host"] = parts.hostname or "localhost"
        found["port"] = parts.port or DEFAULT_PORT
        if path.strip("/"):
            found["db"] = path.strip("/")
    if parts.scheme == "rediss":
        found["ssl"] = True
    return _from_options(found)


def _from_options(options: dict[str, Any]) -> Host:
    tls = _tls(options) if _is_true(options.get("ssl", False)) else None
    try:
        return Host(
            host=str(options.get("host", "localhost")),
            port=int(options.get("port", DEFAULT_PORT)),
            path=options.get("path") or options.get("unix_socket_path"),
            username=options.get("username"),
            password=options.get("password"),
            database=int(options.get("db", 0)),
            tls=tls,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"hosts: {error}") from error


def _tls(options: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=options.get("ssl_ca_certs"),
        capath=options.get("ssl_ca_path"),
        cadata=options.get("ssl_ca_data"),
    )
    if options.get("ssl_certfile"):
        context.load_cert_chain(
            options["ssl_certfile"], options.get("ssl_keyfile"), options.get("ssl_password")
        )
    if str(options.get("ssl_cert_reqs", "required")) in ("none", "CERT_NONE", "None"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif not _is_true(options.get("ssl_check_hostname", True)):
        context.check_hostname = False
    return context


def _is_true(value: Any) -> bool:
    """An option's value; in a URL it is text."""
    if isinstance(value, str):
        return value.lower() not in ("", "0", "f", "false", "n", "no")
    return bool(value)


def home_of(name: str, hosts: Sequence[Host]) -> int:
    """The index of the host where a mailbox, a group or a general channel lives.

    Rendezvous hashing: every process finds the same home whatever the order of its hosts, and
    another host takes only its share of the names, from all others.
    """
    if len(hosts) == 1:
        return 0
    return max(range(len(hosts)), key=lambda index: _weight(name, hosts[index].name))


def _weight(name: str, host: str) -> bytes:
    return hashlib.blake2b(f"{name}\n{host}".encode(), digest_size=8).digest()
