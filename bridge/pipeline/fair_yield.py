"""Lets the other tasks of a process run while one loop has much to do."""

from __future__ import annotations

import asyncio
from time import perf_counter

SLICE = 0.002
"""Seconds that a loop works before it yields."""


class FairYield:
    """Yields to other tasks for one loop."""

    def __init__(self) -> None:
        self._began = perf_counter()

    def begin_pass(self) -> None:
        """Begin a pass: the time before it does not count as work."""
        self._began = perf_counter()

    async def yield_if_due(self) -> None:
        """Let other tasks run, if the loop has worked for SLICE seconds."""
        if perf_counter() - self._began < SLICE:
            return
        await asyncio.sleep(0)
        self._began = perf_counter()
