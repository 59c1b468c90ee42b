"""Whether this bridge can keep a webhook now, and what else is wrong.

Only a bridge that can keep no webhook is not ready: a load balancer that took it out for anything else would lose
webhooks that would have been safe. Everything else is a detail.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar, cast

from bridge.core.errors import StoreUnavailable
from bridge.core.source import MappingDefect
from bridge.store.protocol import OverdueWork, Store
from bridge.store.spool import SpooledWebhooks

FRESH = timedelta(seconds=5)
"""How long the result of a test write, or a count of overdue work, is used again."""
STALLED = timedelta(seconds=30)
"""How long a loop may have no round that succeeded, beyond its rest between two rounds."""
PATIENCE = timedelta(seconds=10)
"""How long the store may take for a write, or to count what is overdue, before it counts as not answering."""
SERVER_PATIENCE = timedelta(seconds=2.5)
"""The same for a store on a server: whoever asks has another node, and waits for an answer about three seconds."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Readiness:
    """`ready` is whether a webhook can be kept; `details` are sentences on what is wrong, most urgent first."""

    ready: bool
    details: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """`ready`, `degraded` or `not_ready`."""
        if not self.ready:
            return "not_ready"
        return "degraded" if self.details else "ready"


@dataclass(frozen=True, slots=True)
class LoopState:
    """One loop: seconds since a round last succeeded, None if its process does not run; whether that is too long."""

    name: str
    silent_for: float | None
    is_stalled: bool


class SpoolState(Protocol):
    """What keeps webhooks while the store's server is away."""

    @property
    def away(self) -> str | None:
        """Why the server is not asked now; None while it is."""
        ...

    async def probe_spool(self) -> None:
        """Make a small durable write in the spool. Raises StoreUnavailable."""
        ...

    async def count_spooled(self) -> SpooledWebhooks:
        """What waits in the spool. Raises StoreUnavailable where it cannot be read."""
        ...


class ReadinessCheck:
    """Checks readiness. `loops` gives when each loop last succeeded, None for one whose process does not run.

    Times are seconds of the monotonic clock. `rests` are the seconds that a loop rests between two rounds, if that
    is long; `stopping` is whether this process accepts nothing more; `defects` are the sources, by their names, whose
    mapping files have errors. With a `spool` that can be written to, webhooks can be kept without the store.
    """

    def __init__(  # noqa: PLR0913  all that the check depends on, by name
        self,
        *,
        store: Store,
        clock: Callable[[], datetime],
        loops: Callable[[], Mapping[str, float | None]],
        rests: Mapping[str, float],
        stopping: Callable[[], bool],
        defects: Callable[[], Sequence[tuple[str, MappingDefect]]] = tuple,
        patience: timedelta = PATIENCE,
        spool: SpoolState | None = None,
    ) -> None:
        self._spool = spool
        self._store = store
        self._clock = clock
        self._loops = loops
        self._rests = rests
        self._stopping = stopping
        self._defects = defects
        self._patience = patience.total_seconds()
        self._proven_at: float | None = None
        self._counted: tuple[float, OverdueWork] | None = None
        self._asked: dict[str, asyncio.Task[object]] = {}

    async def check_readiness(self) -> Readiness:
        """The readiness now."""
        if self._stopping():
            return Readiness(ready=False, details=("this process is shutting down",))
        refusal, overdue = await asyncio.gather(self._refusal_reason(), self._overdue_details())
        details, ready = ([refusal], False) if refusal else ([], True)
        if refusal and self._spool is not None:
            lack = await self._spool_lack(self._spool)
            details, ready = (
                ([refusal, lack], False) if lack else ([f"{refusal}; webhooks are kept in the spool"], True)
            )
        details += [_loop_detail(loop) for loop in self.loop_states() if loop.is_stalled]
        details += overdue
        details += [f"{source}: {defect}" for source, defect in self._defects()]
        return Readiness(ready=ready, details=tuple(details))

    def loop_states(self) -> list[LoopState]:
        """The state of each loop now."""
        now = time.monotonic()
        return [self._loop_state(name, None if at is None else now - at) for name, at in self._loops().items()]

    async def overdue_work(self) -> OverdueWork:
        """The overdue work, counted within the last seconds. Raises StoreUnavailable."""
        now = time.monotonic()
        if self._counted is None or now - self._counted[0] >= FRESH.total_seconds():
            self._counted = now, await self._store.overdue_work(now=self._clock())
        return self._counted[1]

    def _loop_state(self, name: str, silent_for: float | None) -> LoopState:
        most = STALLED.total_seconds() + self._rests.get(name, 0.0)
        return LoopState(name, silent_for, is_stalled=silent_for is None or silent_for > most)

    async def _refusal_reason(self) -> str | None:
        """Why no webhook can be kept; None if one can."""
        if self._spool is not None and self._spool.away is not None:
            return f"the store takes no write: {self._spool.away}"
        now = time.monotonic()
        if self._proven_at is not None and now - self._proven_at < FRESH.total_seconds():
            return None
        self._proven_at = None
        try:
            await self._ask_store("probe", lambda: self._store.probe(now=self._clock()))
        except StoreUnavailable as error:
            return f"the store takes no write: {error}"
        except TimeoutError:
            return f"the store takes no write: none was done within {self._patience:g} s"
        self._proven_at = now
        return None

    async def _spool_lack(self, spool: SpoolState) -> str | None:
        """Why no webhook can be kept in the spool; None if one can."""
        try:
            await self._ask_store("spool", spool.probe_spool)
        except StoreUnavailable as error:
            return f"the spool takes no write: {error}"
        except TimeoutError:
            return f"the spool takes no write: none was done within {self._patience:g} s"
        return None

    async def _overdue_details(self) -> list[str]:
        if self._spool is not None and self._spool.away is not None:
            return []
        try:
            overdue = await self._ask_store("overdue", self.overdue_work)
        except StoreUnavailable as error:
            return [f"overdue work cannot be counted: {error}"]
        except TimeoutError:
            return [f"overdue work cannot be counted: there was no answer within {self._patience:g} s"]
        details = [f"{overdue.webhooks} webhooks are overdue to be translated"] if overdue.webhooks else []
        return details + [
            f"{count} deliveries to {name} are overdue to be attempted" for name, count in overdue.deliveries.items()
        ]

    async def _ask_store(self, name: str, ask: Callable[[], Coroutine[object, object, T]]) -> T:
        """Returns what the store answers. Raises TimeoutError; the question stays asked then, and no second one is.

        Each one given up would wait in the store's queue, for as long as it hangs.
        """
        task = self._asked.get(name)
        if task is None or task.done():
            task = self._asked[name] = asyncio.create_task(ask())
            task.add_done_callback(_forget_error)
        async with asyncio.timeout(self._patience):
            return cast("T", await asyncio.shield(task))


def _forget_error(task: asyncio.Task[object]) -> None:
    """Whoever asked has had it, or has given up: asyncio would log it."""
    if not task.cancelled():
        task.exception()


def _loop_detail(loop: LoopState) -> str:
    if loop.silent_for is None:
        return f"{loop.name}: does not run; it is being started again"
    return f"{loop.name}: no round succeeded for {loop.silent_for:.0f} s"
