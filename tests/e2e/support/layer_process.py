"""A process of an application: consumers on a channels_chorale layer, and nothing else.

    python -m support.layer_process CONFIG-AS-JSON GROUP COUNT

Makes COUNT channels, adds them to GROUP, and receives from each. Writes one JSON object per line:
{"event": "ready", "channels": [...]} when they are members; "reconnected", "disconnected" and "gap"
as the layer's callbacks say so; and to each line of input {"event": "report", "received": {channel:
[number, ...]}}. Ends with its input.
"""

import asyncio
import collections
import json
import sys
from pathlib import Path
from typing import Any

from support.waiting import scaled


async def main(config: dict[str, Any], group: str, count: int) -> None:
    from channels_chorale import ChoraleChannelLayer

    received: dict[str, list[int]] = collections.defaultdict(list)
    layer = ChoraleChannelLayer(
        **config,
        on_disconnect=lambda _host: write("disconnected"),
        on_reconnect=lambda _host: write("reconnected"),
        on_gap=lambda _host: write("gap"),
    )

    async def consume(channel: str) -> None:
        while True:
            received[channel].append((await layer.receive(channel))["number"])

    channels = [await layer.new_channel() for _ in range(count)]
    await asyncio.gather(*(layer.group_add(group, channel) for channel in channels))
    consumers = [asyncio.create_task(consume(channel)) for channel in channels]
    write("ready", channels=channels)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.readline():
        dead = [repr(task.exception()) for task in consumers if task.done()]
        write("report", received=received, dead=dead)


def write(event: str, **more: Any) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


class LayerProcess:
    """The parent's side. Events are read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._events: list[dict[str, Any]] = []
        self._more = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self.channels: list[str] = []

    @classmethod
    async def start(cls, config: dict[str, Any], group: str, count: int) -> "LayerProcess":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "support.layer_process",
            json.dumps(config),
            group,
            str(count),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            limit=1 << 24,
        )
        started = cls(process)
        started.channels = (await started.event("ready"))["channels"]
        return started

    async def _read(self) -> None:
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            self._events.append(json.loads(line))
            self._more.set()

    def count(self, name: str) -> int:
        """How often that has happened so far."""
        return sum(event["event"] == name for event in self._events)

    async def event(self, name: str, number: int = 1, deadline: float = 30) -> dict[str, Any]:
        """The event of that name with that number, counted from 1."""

        async def found() -> dict[str, Any]:
            while True:
                matching = [event for event in self._events if event["event"] == name]
                if len(matching) >= number:
                    return matching[number - 1]
                self._more.clear()
                await self._more.wait()

        return await asyncio.wait_for(found(), scaled(deadline))

    async def report(self) -> dict[str, list[int]]:
        """What each channel has received so far; no consumer has died."""
        assert self._process.stdin
        self._process.stdin.write(b"report\n")
        report = await self.event("report", self.count("report") + 1)
        assert report["dead"] == []
        return report["received"]

    async def kill(self) -> None:
        """As kill -9 does; also at the end of a test."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
