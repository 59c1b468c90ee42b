"""How a loop with much to do takes turns with the requests of the same process: they go first.

Not concerned with what either does.
"""

from __future__ import annotations

import asyncio
from time import perf_counter

SLICE = 0.001
"""Seconds of work in one go."""
SHARE = 0.2
"""The part of the time that the work may take while requests have more to do than it."""


class Turns:
    """The turns of one loop; begin one for each pass."""

    def __init__(self) -> None:
        self._began = perf_counter()

    async def taken(self) -> None:
        """Go on, or, after a slice of work, when the others have had their turn: a long one when they had much to do."""
        worked = perf_counter() - self._began
        if worked < SLICE:
            return
        turn = perf_counter()
        await asyncio.sleep(0)
        others = perf_counter() - turn
        if others > worked:
            await asyncio.sleep(worked * (1 / SHARE - 1))
        self._began = perf_counter()
