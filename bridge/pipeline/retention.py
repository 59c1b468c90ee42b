"""The loop that deletes what was kept long enough: once an hour, in small steps.

The settings say how long each thing is kept, the store what a step deletes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from bridge.core import log
from bridge.core.errors import StoreUnavailable
from bridge.core.heartbeat import Heartbeat
from bridge.store.protocol import RetentionPolicy, Store

EVERY = 3600.0
"""Seconds from one sweep's end to the next one's start."""
AGAIN = 60.0
"""Seconds from a sweep that failed to the next one's start."""
REST = 0.05
"""Seconds between two steps, so that other writers get their turn."""
STEP = 200
"""Rows that one step reads."""


class PurgeLoop:
    """The loop. `run` continues until `stop`; `heartbeat` has when a step last succeeded."""

    def __init__(
        self,
        *,
        store: Store,
        keeping: RetentionPolicy,
        clock: Callable[[], datetime],
        rest: float = REST,
        every: float = EVERY,
    ) -> None:
        self._store = store
        self._keeping = keeping
        self._clock = clock
        self._rest = rest
        self._every = every
        self._seldom = log.RateLimitedLog()
        self._stopping = asyncio.Event()
        self.heartbeat = Heartbeat()

    def stop(self) -> None:
        """Take no further step; `run` returns when the one under way is done."""
        self._stopping.set()

    async def run(self) -> None:
        """Sweep at the start and every hour; no error ends the loop."""
        while not self._stopping.is_set():
            pause = min(AGAIN, self._every)
            try:
                await self.purge_once()
                pause = self._every
            except StoreUnavailable as error:
                self._seldom.warn("purge.waits", now=self._clock(), why=str(error))
                self.heartbeat.record_failure()
            except Exception as error:  # noqa: BLE001  a fault of ours must not stop the loop
                self._seldom.warn("purge.fault", now=self._clock(), error=type(error).__name__)
                self.heartbeat.record_failure()
            await self._wait_or_stop(pause)

    async def purge_once(self) -> int:
        """One sweep, or its steps before the stop; returns how many rows were deleted."""
        taken = 0
        while not self._stopping.is_set():
            step = await self._store.purge(self._keeping, now=self._clock(), limit=STEP)
            self.heartbeat.record_success()
            taken += step.taken
            if not step.more:
                break
            await self._wait_or_stop(self._rest)
        if taken:
            log.log_line("purge.done", rows=taken)
        return taken

    async def _wait_or_stop(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
