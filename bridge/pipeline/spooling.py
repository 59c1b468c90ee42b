"""Keeps webhooks in the database, and in the spool while the database is away; sends them on when it is back.

Only what has been refused, or not answered for a moment, goes to the spool: never a webhook that the database took.
One that it takes later all the same is in both, and is known by the ledger when the spool is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from bridge.core import log
from bridge.core.errors import StoreUnavailable
from bridge.core.model import Webhook
from bridge.store.spool import SpooledWebhooks, WebhookSpool, count_spooled

SPOOL_AFTER = timedelta(seconds=2)
"""How long the database has for a webhook that the spool can keep: a provider waits five seconds for its answer."""
EVERY = 1.0
"""Seconds between two looks whether the database is back, and whether there is something to send."""


T = TypeVar("T")


class WebhookStore(Protocol):
    """What it needs of a store."""

    async def keep(self, webhooks: Sequence[Webhook]) -> None:
        """Keep the webhooks of one request. Raises StoreUnavailable."""
        ...

    async def probe(self, *, now: datetime) -> None:
        """Make a small durable write. Raises StoreUnavailable."""
        ...


class SpoolingKeeper:
    """Keeps the webhooks of one process; sends what is in the spool, also that of other processes, while `running`.

    `away` is why the database is not asked now, None while it is. `notify` is called when webhooks were sent.
    """

    def __init__(  # noqa: PLR0913  by name
        self,
        store: WebhookStore,
        spool: WebhookSpool,
        *,
        clock: Callable[[], datetime],
        notify: Callable[[], None],
        patience: timedelta = SPOOL_AFTER,
        every: float = EVERY,
    ) -> None:
        self._store = store
        self._spool = spool
        self._clock = clock
        self._notify = notify
        self._patience = patience.total_seconds()
        self._every = every
        self._seldom = log.RateLimitedLog()
        self._kept = 0
        self.away: str | None = None

    async def keep(self, webhooks: Sequence[Webhook]) -> None:
        """Keep the webhooks of one request, durably. Raises StoreUnavailable where the spool takes none, either."""
        if self.away is None:
            why = await self._keep_in_store(webhooks)
            if why is None:
                return
            self._begin_spooling(why)
        await self._spool.keep(webhooks)
        self._kept += len(webhooks)

    async def _keep_in_store(self, webhooks: Sequence[Webhook]) -> str | None:
        """Returns None when the database has them, else why it has not, as far as is known here."""
        try:
            async with asyncio.timeout(self._patience):
                await self._store.keep(webhooks)
        except StoreUnavailable as error:
            return str(error)
        except TimeoutError:
            return f"the database did not answer within {self._patience:g} s"
        return None

    async def probe_spool(self) -> None:
        """Make a small durable write in the spool. Raises StoreUnavailable."""
        await self._spool.probe()

    async def count_spooled(self) -> SpooledWebhooks:
        """What waits in the spool, of all processes that share it. Raises StoreUnavailable."""
        return await _run_in_thread(partial(count_spooled, self._spool.folder))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look for the database, and send; at the end, close the spool. What was not sent is at the next start."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._spool.close()

    async def _run(self) -> None:
        while True:
            try:
                if self.away is not None:
                    await self._store.probe(now=self._clock())
                    self._end_spooling()
                await self._send_spooled()
            except StoreUnavailable as error:
                if self.away is None:
                    self._begin_spooling(str(error))
            except Exception as error:  # noqa: BLE001  what is in the spool stays there, and is tried again
                self._seldom.warn("spool.stuck", now=self._clock(), why=f"{type(error).__name__}: report it")
            await asyncio.sleep(self._every)

    async def _send_spooled(self) -> None:
        """Send what is in the spool, oldest first, unless another process does."""
        if not await _run_in_thread(self._spool.has_files):
            return
        with self._spool.sending() as is_mine:
            sent = await self._send_all() if is_mine else 0
        if sent:
            log.log_line("spool.sent", webhooks=sent, folder=str(self._spool.folder))

    async def _send_all(self) -> int:
        sent = 0
        while (found := await _run_in_thread(self._spool.read_unsent)).stretches:
            if found.webhooks:
                await self._store.keep(found.webhooks)
                self._notify()
            await _run_in_thread(partial(self._spool.mark_sent, found))
            sent += len(found.webhooks)
        await _run_in_thread(partial(self._spool.mark_sent, found))  # files that were being written to until now
        return sent

    def _begin_spooling(self, why: str) -> None:
        if self.away is None:
            self.away = why
            self._kept = 0
            log.log_warning(
                "spool.begun", why=why, folder=str(self._spool.folder),
                then="webhooks are answered 200 when they are on this machine's disk, until the database is back",
            )  # fmt: skip

    def _end_spooling(self) -> None:
        self.away = None
        log.log_line("spool.ended", kept=self._kept, then="the database takes webhooks again")


async def _run_in_thread(run: Callable[[], T]) -> T:
    """Run what blocks in a thread. It has ended when this ends, also where this is cancelled."""
    running = asyncio.ensure_future(asyncio.to_thread(run))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
