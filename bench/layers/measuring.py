"""One measurement of one layer: starts the processes, gives the orders, ends them."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any, NamedTuple

import workers
from columns import Column
from cpu_per_operation import Server

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


def _setting(column: Column, server: Server) -> workers.Setting:
    # A prefix of its own: nothing is left over from another measurement.
    return workers.Setting(column.layer, server.port, f"bench-{uuid.uuid4().hex[:8]}")


def measure_round_trips(column: Column, server: Server, seconds: float) -> dict[str, float]:
    setting = _setting(column, server)
    with Worker(column.name, workers.round_trips, setting) as worker:
        worker.answer()
        before = server.cpu_seconds()
        trips: workers.RoundTrips = worker.ask(seconds, seconds)
        cpu = server.cpu_seconds() - before
    return {
        "trip": trips.median * MICROSECONDS,
        "trip_cpu": cpu / trips.count * MICROSECONDS,
    }


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
        before = server.cpu_seconds()
        flood: workers.Flood = sender.ask((workers.Flood, seconds), seconds)
        cpu = server.cpu_seconds() - before
        arrived = _reports(receivers)
    delivered = sum(each.messages for each in arrived)
    took = max(each.last for each in arrived) - flood.begin
    return {
        "send": paced.median_send * MICROSECONDS,
        "reach": paced.median_reach * MICROSECONDS,
        "rate": delivered / took,
        "delivered": delivered / (flood.sent * group.channels),
        "send_cpu": cpu / flood.sent * MICROSECONDS,
        "receiver_cpu": sum(each.cpu for each in arrived) / delivered * MICROSECONDS,
    }


def _reports(receivers: list[Worker]) -> list[workers.Arrived]:
    return [receiver.ask("report") for receiver in receivers]
