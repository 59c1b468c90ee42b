"""Lets the other tasks of a process run while one loop has much to do."""

from __future__ import annotations

import asyncio
from time import perf_counter

SLICE = 0.002
"""Seconds of work in one go."""


class FairYield:
    """The turns of one loop."""

    def __init__(self) -> None:
        self._began = perf_counter()

    def begin_pass(self) -> None:
        """A pass begins: what was done before it was something else."""
        self._began = perf_counter()

    async def yield_if_due(self) -> None:
        """Continue; after a slice of work, let other tasks run first."""
        if perf_counter() - self._began < SLICE:
            return
        await asyncio.sleep(0)
        self._began = perf_counter()
