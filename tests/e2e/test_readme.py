"""What README.md says of options and commands, beside what the server says."""

import re

import pytest

from support.server import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
UNITS = {"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
# Given by the test's own server, or written in words.
NOT_AS_BY_DEFAULT = {"port", "bind", "threads", "dir"}
# Of Redis since 7.2.
NEWER = {
    "hide-user-data-from-log",
    "locale-collate",
    "max-new-connections-per-cycle",
    "max-new-tls-connections-per-cycle",
    "set-max-listpack-entries",
    "set-max-listpack-value",
}

pytestmark = pytest.mark.chorale_only


def section(title):
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def option_rows():
    """(names, defaults) of each row of the table of options."""
    for line in section("Options").splitlines():
        if line.startswith("| `"):
            names, defaults, _ = line.strip("|").split(" | ")
            yield re.findall(r"`([a-z-]+)`", names), defaults.strip().strip("`")


def plain(value):
    """A value as CONFIG GET writes it."""
    if value == "none":
        return ""
    return re.sub(r"\b(\d+)(kb|mb|gb)\b", lambda m: str(int(m[1]) * UNITS[m[2]]), value)


def commands(client):
    """The names of all commands, subcommands as "acl log"."""
    names = set()
    for row in client.ok("COMMAND"):
        names.add(row[0].decode())
        names.update(child[0].decode().replace("|", " ") for child in row[9])
    return names


def test_the_table_of_options_has_their_names_and_defaults(server):
    rows = list(option_rows())
    assert len(rows) > 25
    wrong = []
    with server.connect() as client:
        for names, defaults in rows:
            shown = {name: client.ok("CONFIG", "GET", name) for name in names}
            values = [value[1].decode() for value in shown.values() if value]
            if len(values) < len(names):
                wrong.append(f"{names}: unknown")
            elif defaults != "as in Redis" and names[0] not in NOT_AS_BY_DEFAULT:
                said = [plain(value) for value in defaults.split(", ")]
                if not all(value in values for value in said):
                    wrong.append(f"{names}: {defaults} is said, {values} is so")
    assert not wrong


def test_the_table_of_options_has_every_option_that_is_not_of_redis(server, redis_server):
    named = {name for names, _ in option_rows() for name in names}
    with server.connect() as ours, redis_server.connect() as theirs:
        options = [client.ok("CONFIG", "GET", "*")[::2] for client in (ours, theirs)]
    own = {name.decode() for name in set(options[0]) - set(options[1])}
    assert own - NEWER <= named


def test_every_command_of_redis_that_is_missing_is_named(server, redis_server):
    with server.connect() as ours, redis_server.connect() as theirs:
        missing = commands(theirs) - commands(ours)
    text = section("Not supported yet")
    named = {name.lower() for name in re.findall(r"`([A-Z][A-Z_ -]*)`", text)}
    # A container that is missing stands for its subcommands.
    containers = {name for name in missing if " " not in name}
    unnamed = {
        name
        for name in missing - named
        if name.split(" ")[0] not in containers & named
        and not name.startswith("cluster ")
        and name.removesuffix("_ro") not in named
    }
    assert not unnamed
    with server.connect() as client:
        for name in named & missing:
            assert "unknown" in client.command(*name.split(" ")).text
