"""Sends jobs as fast as it can, and reports who did them."""

import asyncio
import sys
import time
from collections import Counter
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.core.management.base import BaseCommand, CommandError, CommandParser

from thumbnails.sending import send_when_there_is_room

CHANNEL = "thumbnails"
# Seconds without any result, after which those that are missing are given up.
PATIENCE = 30.0
RESULTS_PER_LINE = 10


class Command(BaseCommand):
    help = "Sends jobs to the workers, faster than they do them, and reports who did them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--jobs", type=int, default=60)

    def handle(self, *_: Any, jobs: int, **__: Any) -> None:
        try:
            complete = asyncio.run(Producer(jobs).run())
        except ChannelFull:
            raise CommandError("the channel stays full: does any worker run?") from None
        sys.exit(0 if complete else 1)


class Producer:
    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.layer = get_channel_layer()
        self.sent = 0
        self.full = 0  # times that the channel was
        self.done: Counter[int] = Counter()  # times that each job was done
        self.workers: Counter[str] = Counter()  # jobs that each worker has done
        self.line: list[str] = []

    async def run(self) -> bool:
        """Whether each job was done."""
        print(f"{self.jobs} jobs through {type(self.layer).__name__}. Who did which:", flush=True)
        start = time.monotonic()
        reply_to = await self.layer.new_channel()
        await asyncio.gather(self.send_jobs(reply_to), self.take_results(reply_to))
        return self.report(time.monotonic() - start)

    async def send_jobs(self, reply_to: str) -> None:
        for number in range(1, self.jobs + 1):
            job = {"type": "thumbnail.make", "number": number, "reply_to": reply_to}
            await send_when_there_is_room(self.layer, CHANNEL, job, self.note_full)
            self.sent += 1

    def note_full(self, pause: float) -> None:
        if self.full == 0:
            text = f"job {self.sent + 1} is refused, and sent again in {pause * 1000:.0f} ms"
            print(f"  The channel is full: {text}.", flush=True)
        self.full += 1

    async def take_results(self, reply_to: str) -> None:
        while len(self.done) < self.jobs:
            try:
                result = await asyncio.wait_for(self.layer.receive(reply_to), PATIENCE)
            except TimeoutError:
                return
            self.note_result(result["worker"], result["number"])

    def note_result(self, worker: str, number: int) -> None:
        self.done[number] += 1
        self.workers[worker] += 1
        self.line.append(f"{worker}{number}".ljust(5))
        if len(self.line) == RESULTS_PER_LINE:
            self.show_line()

    def show_line(self) -> None:
        print(f"  {''.join(self.line)} sent {self.sent}, full {self.full} times", flush=True)
        self.line = []

    def report(self, seconds: float) -> bool:
        if self.line:
            self.show_line()
        again = self.done.total() - len(self.done)
        missing = self.jobs - len(self.done)
        shares = ", ".join(
            f"{worker} did {count}" for worker, count in sorted(self.workers.items())
        )
        print(f"{len(self.done)} jobs done in {seconds:.1f} s: {shares}.", flush=True)
        print(
            f"Done twice: {again}, missing: {missing}; channel full: {self.full} times.", flush=True
        )
        return missing == 0
