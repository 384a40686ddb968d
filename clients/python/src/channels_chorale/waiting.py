"""A bounded wait that never swallows a cancellation; before Python 3.12 asyncio.wait_for does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def within(
    seconds: float, awaitable: asyncio.Future[Result] | Coroutine[Any, Any, Result]
) -> Result:
    """Its result. Raises TimeoutError, and cancels it, if it needs longer."""
    future = asyncio.ensure_future(awaitable)
    try:
        done, _ = await asyncio.wait({future}, timeout=max(0.0, seconds))
    finally:
        if not future.done():
            future.cancel()
            await asyncio.wait({future}, timeout=1.0)
    if not done:
        raise TimeoutError
    return future.result()
