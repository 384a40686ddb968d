"""python -m channels_chorale check redis://...: is the broker there, and what is it?"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

from channels_chorale.errors import ConnectionLost, ServerError
from channels_chorale.hosts import DEFAULT_URL, Host, parse_hosts
from channels_chorale.policy import layer_name
from channels_chorale.wire import Wire

ROUND_TRIPS = 100


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m channels_chorale", description="Tools of the channel layer."
    )
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser(
        "check",
        help="tells whether a broker is reachable, its version, the layer's policy and the "
        "round-trip time",
    )
    check.add_argument("hosts", nargs="*", default=[DEFAULT_URL], help="as in CONFIG's hosts")
    check.add_argument("--prefix", default="asgi", help="CONFIG's prefix (default: asgi)")
    arguments = parser.parse_args()
    try:
        hosts = parse_hosts(arguments.hosts)
    except ValueError as error:
        parser.error(str(error))
    results = [check_host(host, layer_name(arguments.prefix, hosts[0].database)) for host in hosts]
    return 0 if all(results) else 1


def check_host(host: Host, layer: str) -> bool:
    """Prints what there is to know of a broker; whether all is well."""
    wire = Wire(host)
    try:
        server = _info(wire.execute(["INFO", "server"], patience=0))
        if "chorale_version" not in server:
            _line("broker", f"{host.name} is Redis {server.get('redis_version')}, not Chorale:")
            _line("", "channels_redis works with it; channels_chorale needs a Chorale broker")
            return False
        _line("broker", f"{host.name} is reachable")
        _line("version", f"Chorale {server['chorale_version']}, {_uptime(server)}")
        _print_layer(wire, layer)
        _line("round trip", _round_trip(wire))
    except (ConnectionLost, ServerError) as error:
        _line("broker", f"{host.name} cannot be used: {error}")
        return False
    finally:
        wire.close()
    return True


def _print_layer(wire: Wire, layer: str) -> None:
    policy = wire.execute(["LAYER.GET", layer])
    if policy is None:
        _line("layer", f"{layer}: no process has used it yet")
        return
    words = [f"{name.decode().lower()} {_value(value)}" for name, value in policy.items()]
    _line("layer", f"{layer}: {', '.join(words)}")
    stats = wire.execute(["LAYER.STATS", layer])
    _line(
        "",
        f"processes {stats[b'mailboxes_open']}, groups {stats[b'groups']}, "
        f"members {stats[b'mailbox_members']}, messages waiting "
        f"{stats[b'channel_messages'] + stats[b'mailbox_messages']}, "
        f"refused {stats[b'full'] + stats[b'group_full']}, expired {stats[b'expired']}",
    )


def _value(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode().lower()
    if isinstance(value, dict):
        return " ".join(f"{key.decode()}={each}" for key, each in value.items()) or "none"
    if isinstance(value, list):
        return " ".join(_value(each) for each in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _round_trip(wire: Wire) -> str:
    times = []
    for _ in range(ROUND_TRIPS):
        start = time.perf_counter()
        wire.execute(["PING"])
        times.append((time.perf_counter() - start) * 1000)
    return (
        f"{statistics.median(times):.3f} ms (median of {ROUND_TRIPS}; "
        f"{min(times):.3f} to {max(times):.3f})"
    )


def _info(text: Any) -> dict[str, str]:
    lines = str(text, "utf-8").splitlines() if isinstance(text, bytes) else str(text).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _uptime(server: dict[str, str]) -> str:
    minutes = int(server["uptime_in_seconds"]) // 60
    return f"up for {minutes // 1440} d {minutes // 60 % 24} h {minutes % 60} min"


def _line(name: str, text: str) -> None:
    print(f"{name:<12}{text}")


if __name__ == "__main__":
    sys.exit(main())
