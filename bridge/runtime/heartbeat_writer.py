"""Writes the sign of life of a process into the store, so that `status` can say whether `serve` runs."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime

from bridge import __version__
from bridge.app import RESTS
from bridge.core.errors import StoreUnavailable
from bridge.core.heartbeat import Heartbeat, oldest_success
from bridge.http.readiness import STALLED
from bridge.status.processes import BEAT_EVERY
from bridge.store.status_protocol import StatusStore
from bridge.store.status_views import ProcessHeartbeat

_NONE: Mapping[str, Sequence[Heartbeat]] = {}


@dataclass(frozen=True, slots=True)
class HeartbeatWriter:
    """Writes for one process of a node; `loops` are the heartbeats of its loops, `settings` what it serves."""

    store: StatusStore
    process: str
    role: str
    clock: Callable[[], datetime]
    settings: str
    node_id: str = ""
    on_nodes: Callable[[int], None] = lambda _: None
    """Told with each sign of life how many nodes answer requests."""
    loops: Callable[[], Mapping[str, Sequence[Heartbeat]]] = lambda: _NONE

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write at once, then every few seconds; at the end, that the process was stopped."""
        first = make_heartbeat(self.process, self.role, now=self.clock(), settings=self.settings, node_id=self.node_id)
        task = asyncio.create_task(self._write_until_cancelled(first))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._write_one(replace(first, at=self.clock(), stopped=True))

    async def _write_until_cancelled(self, first: ProcessHeartbeat) -> None:
        began = time.monotonic()
        while True:
            trouble = "; ".join(self._stalled_loops(began))
            await self._write_one(replace(first, at=self.clock(), trouble=trouble))
            await asyncio.sleep(BEAT_EVERY.total_seconds())

    def _stalled_loops(self, began: float) -> Iterator[str]:
        for name, each in self.loops().items():
            silent = time.monotonic() - oldest_success(each, otherwise=began)
            if silent > STALLED.total_seconds() + RESTS.get(name, 0.0):
                yield f"its loop {name} has had no success for {silent:.0f} s"

    async def _write_one(self, heartbeat: ProcessHeartbeat) -> None:
        with suppress(StoreUnavailable):  # the loops say so, and a sign that is missing says it, too
            self.on_nodes(await self.store.record_heartbeat(heartbeat))


def make_heartbeat(  # noqa: PLR0913  what a sign of life says, by name
    process: str, role: str, *, now: datetime, settings: str = "", trouble: str = "", node_id: str = ""
) -> ProcessHeartbeat:
    """The sign of life of this process, on this machine."""
    return ProcessHeartbeat(
        socket.gethostname(), process, role, os.getpid(), now, now,
        trouble=trouble, settings=settings, version=__version__, node_id=node_id,
    )  # fmt: skip
