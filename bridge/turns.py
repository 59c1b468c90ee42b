"""How a loop with much to do lets requests go first, though another process answers them.

Not concerned with what either does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

SLICE = 0.002
"""Seconds of work in one go."""
SHARE = 0.2
"""The part of the time that the work takes while requests press."""


class Turns:
    """The turns of one loop. `pressed` says whether requests come faster than they are answered at ease."""

    def __init__(self, pressed: Callable[[], bool]) -> None:
        self._pressed = pressed
        self._began = perf_counter()

    def begin(self) -> None:
        """A pass begins: what was done before it was something else."""
        self._began = perf_counter()

    async def taken(self) -> None:
        """Go on; after a slice of work others have their turn, and for long where requests press."""
        worked = perf_counter() - self._began
        if worked < SLICE:
            return
        await asyncio.sleep(worked * (1 / SHARE - 1) if self._pressed() else 0)
        self._began = perf_counter()
