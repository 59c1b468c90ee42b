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
from bridge.store.protocol import PurgeStep, RetentionPolicy, Store

EVERY = 3600.0
"""Seconds from one sweep's end to the next one's start."""
AGAIN = 60.0
"""Seconds from a sweep that failed to the next one's start."""
REST = 0.05
"""Seconds between two steps, so that other writers get their turn."""
STEP = 200
"""Rows that one step reads."""
GRACE = 5.0
"""Seconds for which a step may go on after the stop: a server that hangs would never end it."""


class PurgeLoop:
    """The loop. `run` continues until `stop`; `heartbeat` has when a step last succeeded."""

    def __init__(  # noqa: PLR0913  what it depends on, by name
        self,
        *,
        store: Store,
        keeping: RetentionPolicy,
        clock: Callable[[], datetime],
        rest: float = REST,
        every: float = EVERY,
        grace: float = GRACE,
    ) -> None:
        self._store = store
        self._keeping = keeping
        self._clock = clock
        self._rest = rest
        self._every = every
        self._grace = grace
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
            step = await self._purge_step()
            if step is None:
                break
            self.heartbeat.record_success()
            taken += step.taken
            if not step.more:
                break
            await self._wait_or_stop(self._rest)
        if taken:
            log.log_line("purge.done", rows=taken)
        return taken

    async def _purge_step(self) -> PurgeStep | None:
        """One step; None where it has not ended soon after the stop: all that it deletes is deleted, or nothing."""
        step = asyncio.ensure_future(self._store.purge(self._keeping, now=self._clock(), limit=STEP))
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((step, stop), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((step,), timeout=self._grace)
            return step.result() if step.done() else None
        finally:
            stop.cancel()
            step.cancel()

    async def _wait_or_stop(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
