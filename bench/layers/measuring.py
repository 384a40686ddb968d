"""One measurement of one layer: starts the processes, gives the orders, ends them."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any, NamedTuple

import alone
import workers
from columns import Column

from servers import Server

# Seconds for a process to be set up, and for an answer beyond the time that it was given.
PATIENCE = 60.0
STOP_SECONDS = 5.0
MICROSECONDS = 1e6

_spawn = multiprocessing.get_context("spawn")


class Group(NamedTuple):
    """Channels in one group, spread evenly over processes."""

    channels: int
    processes: int


class Worker:
    """A process of workers.py; ended by its id."""

    def __init__(
        self, name: str, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any
    ) -> None:
        self._name = name
        self._control, remote = _spawn.Pipe()
        self._process = _spawn.Process(
            target=workers.serve, args=(remote, work, *arguments), daemon=True
        )
        self._process.start()
        remote.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._control.close()

    def order(self, order: Any) -> None:
        self._control.send(order)

    def answer(self, seconds: float = 0.0) -> Any:
        """Raises RuntimeError with what went wrong in the process, or if it says nothing."""
        try:
            if not self._control.poll(seconds + PATIENCE):
                raise RuntimeError(f"{self._name} does not answer")
            answer = self._control.recv()
        except EOFError:
            raise RuntimeError(f"{self._name} has ended") from None
        if isinstance(answer, Exception):
            raise RuntimeError(f"{self._name}: {answer}")
        return answer

    def ask(self, order: Any, seconds: float = 0.0) -> Any:
        self.order(order)
        return self.answer(seconds)


class _Cpu:
    """The CPU time of the server since it was asked for last, if the layer has a server."""

    def __init__(self, server: Server | None) -> None:
        self._server = server
        self._last = server.cpu_seconds() if server else 0.0

    def per(self, key: str, count: int) -> dict[str, float]:
        """Microseconds under that name, or nothing."""
        if not self._server:
            return {}
        last, self._last = self._last, self._server.cpu_seconds()
        return {key: (self._last - last) / count * MICROSECONDS}


def _setting(column: Column, server: Server | None) -> workers.Setting:
    # A prefix of its own: nothing is left over from another measurement.
    port = server.port if server else None
    return workers.Setting(column.layer, port, f"bench-{uuid.uuid4().hex[:8]}")


def measure_round_trips(column: Column, server: Server | None, seconds: float) -> dict[str, float]:
    setting = _setting(column, server)
    with Worker(column.name, workers.round_trips, setting) as worker:
        worker.answer()
        cpu = _Cpu(server)
        trips: workers.RoundTrips = worker.ask(seconds, seconds)
        return {"trip": trips.median * MICROSECONDS, **cpu.per("trip_cpu", trips.count)}


def measure_alone(
    column: Column, server: Server | None, channels: int, seconds: float
) -> dict[str, float]:
    """As measure_group, with all channels and the sender in one process."""
    setting = _setting(column, server)
    with Worker(column.name, alone.members_and_sender, setting, channels) as worker:
        worker.answer()
        paced: workers.Paced = worker.ask((workers.Paced, seconds / 2), seconds)
        cpu = _Cpu(server)
        flooded: alone.Flooded = worker.ask((workers.Flood, seconds), seconds)
        cost = cpu.per("send_cpu", flooded.flood.sent)
    return cost | _group_figures(paced, flooded.flood, [flooded.arrived], channels)


def measure_group(column: Column, server: Server, group: Group, seconds: float) -> dict[str, float]:
    """Half of the time one message after the other, then as many as the window allows."""
    setting = _setting(column, server)
    share, rest = divmod(group.channels, group.processes)
    assert rest == 0
    acknowledged, acknowledge = _spawn.Pipe(duplex=False)
    with ExitStack() as stack:
        stack.enter_context(acknowledged)
        stack.enter_context(acknowledge)
        receivers = [
            stack.enter_context(
                Worker(f"{column.name}, receiver", workers.receive, setting, i, share, acknowledge)
            )
            for i in range(group.processes)
        ]
        for receiver in receivers:
            receiver.answer()
        sender = stack.enter_context(
            Worker(f"{column.name}, sender", workers.send, setting, group.processes, acknowledged)
        )
        sender.answer()
        paced: workers.Paced = sender.ask((workers.Paced, seconds / 2), seconds)

        _reports(receivers)
        cpu = _Cpu(server)
        flood: workers.Flood = sender.ask((workers.Flood, seconds), seconds)
        cost = cpu.per("send_cpu", flood.sent)
        arrived = _reports(receivers)
    return cost | _group_figures(paced, flood, arrived, group.channels)


def _group_figures(
    paced: workers.Paced, flood: workers.Flood, arrived: list[workers.Arrived], channels: int
) -> dict[str, float]:
    delivered = sum(each.messages for each in arrived)
    took = max(each.last for each in arrived) - flood.begin
    return {
        "send": paced.median_send * MICROSECONDS,
        "reach": paced.median_reach * MICROSECONDS,
        "rate": delivered / took,
        "delivered": delivered / (flood.sent * channels),
        "receiver_cpu": sum(each.cpu for each in arrived) / delivered * MICROSECONDS,
    }


def _reports(receivers: list[Worker]) -> list[workers.Arrived]:
    return [receiver.ask("report") for receiver in receivers]
