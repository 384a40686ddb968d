"""Waiting for an event with a deadline, instead of sleeping and hoping."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# A sanitizer's build, known by its preset's name in the binary's path, is so many times slower.
SLOWER = {"asan": 5.0, "tsan": 10.0}
PRESET = Path(os.environ.get("CHORALE_SERVER", "build/release/bin/chorale-server")).parts[-3:-2]
SCALE = SLOWER.get("".join(PRESET), 1.0)
POLL_SECONDS = 0.01


def scaled(seconds: float) -> float:
    return seconds * SCALE


def wait_until(predicate: Callable[[], T], deadline: float = 10.0, what: str = "") -> T:
    """Returns the predicate's first true value; fails after `deadline` (scaled) seconds."""
    end = time.monotonic() + scaled(deadline)
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {scaled(deadline):g} s: {what or predicate}")
        time.sleep(POLL_SECONDS)


async def wait_until_async(predicate: Callable[[], T], deadline: float = 10.0, what: str = "") -> T:
    """wait_until() for a coroutine: the event loop keeps running meanwhile."""
    end = time.monotonic() + scaled(deadline)
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {scaled(deadline):g} s: {what or predicate}")
        await asyncio.sleep(POLL_SECONDS)
