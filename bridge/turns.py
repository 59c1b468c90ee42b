"""How a loop with much to do takes turns with the requests of the same process: they go first.

Not concerned with what either does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

SLICE = 0.0005
"""Seconds of work in one go."""
SHARE = 0.2
"""The part of the time that the work may take while requests wait for their answers."""
LOOK = 0.001
"""Seconds between two looks at whether requests still wait."""


class Waiting:
    """Counts the requests that wait for their answers now; one waits within its `with`."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self) -> int:
        """How many."""
        return self._count

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1


class Turns:
    """The turns of one loop. `waiting` says how many requests wait for their answers now."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._waiting = waiting
        self._began = perf_counter()

    def begin(self) -> None:
        """A pass begins: what was done before it was something else."""
        self._began = perf_counter()

    async def taken(self) -> None:
        """Go on; after a slice of work, once no request waits, or they have had their part of the time."""
        worked = perf_counter() - self._began
        if worked < SLICE:
            return
        await asyncio.sleep(0)
        until = self._began + worked / SHARE
        while self._waiting() and perf_counter() < until:  # noqa: ASYNC110  an event would cost every request
            await asyncio.sleep(LOOK)
        self._began = perf_counter()
