"""The store in one SQLite file: every verb one job of the writer's thread, every question one of the readers'.

Only what comes in is first written to the inbox, a folder of files beside it, and sorted in afterwards. Durable when a verb has returned: a write-ahead log, flushed at each commit. Several processes may share the file.
A clock that is set back by more than a minute moves every lease and wait with it; by one that is far ahead nothing ages
(`clocks.py`). Instants are kept to the millisecond.
Not concerned with SQL: the statements stand in the files beside this one, by theme.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.core.errors import StoreUnavailable, StoreUnusable
from bridge.core.model import Accepted, Attempt, Event, Kept, Routed, Settled, Webhook
from bridge.store.protocol import (
    BOUNDS,
    KEEPING,
    OVERDUE,
    Batch,
    Bounds,
    Claimed,
    Completed,
    DeliveryDetail,
    DeliveryRow,
    EventDetail,
    EventRow,
    Filter,
    Glance,
    Idempotency,
    Keeping,
    Outcome,
    Overdue,
    Pacing,
    Standing,
    Swept,
    Tally,
    WebhookDetail,
    WebhookRow,
    Would,
)
from bridge.store.sqlite import file_modes
from bridge.store.sqlite.admin import overdue, queries, retention, retry_replay, rewrite, summary
from bridge.store.sqlite.db import errors, open_file
from bridge.store.sqlite.db.callbacks import Then
from bridge.store.sqlite.db.clock_skew import Clocks
from bridge.store.sqlite.db.columns import instant
from bridge.store.sqlite.db.disk_space import Room
from bridge.store.sqlite.db.reader import Reader
from bridge.store.sqlite.db.writer import Writer
from bridge.store.sqlite.ingest import apply, codec, log_reader
from bridge.store.sqlite.ingest.group_commit import Arrivals
from bridge.store.sqlite.ingest.log_reader import Unsorted
from bridge.store.sqlite.ingest.log_writer import Journal, folder_of
from bridge.store.sqlite.tables import (
    attempts,
    destinations,
    ledger,
    recall_waits,
)
from bridge.store.sqlite.tables import (
    deliveries as outbox,
)
from bridge.store.sqlite.tables import (
    events as making,
)
from bridge.store.sqlite.tables import (
    webhooks as inbox,
)

__all__ = ["SqliteStore"]

LEDGER_WINDOW = KEEPING.ledger
"""How long a conversion's claim makes the same one a duplicate."""
NANOSECONDS = 1_000_000
"""In a millisecond."""


class SqliteStore:
    """A `bridge.store.protocol.Store` in the file at `path`; the promise says what each verb does.

    Opening makes the file, or leads it up to this version; raises StoreUnusable or StoreUnavailable. The patience of
    `bounds` is also how long another process's lock is waited for. `clocks` says when a clock that is far ahead is believed.
    """

    def __init__(
        self,
        path: str,
        *,
        ledger_window: timedelta = LEDGER_WINDOW,
        bounds: Bounds = BOUNDS,
        clocks: Clocks | None = None,
    ) -> None:
        open_file.prepare(path)
        _see_that_the_log_is_known(path, bounds.patience)
        self._path = path
        self._window = ledger_window
        self._clocks = clocks or Clocks()
        self._room = Room(path, least=bounds.min_free)
        self._writer = Writer(path, limit=bounds.waiting, patience=bounds.patience, min_free=bounds.min_free)
        self._reader = Reader(path, patience=bounds.patience)
        patience = bounds.patience.total_seconds()
        self._journal = Journal(path, min_free=bounds.min_free)
        self._folder = folder_of(path)
        self._webhooks = Arrivals(self._write_down, limit=bounds.waiting, patience=patience)
        self._events = Arrivals(self._accept, limit=bounds.waiting, patience=patience)
        self._claimed_log = False

    async def keep(self, webhooks: Sequence[Webhook]) -> None:
        """Keep the webhooks of one request."""
        await self._webhooks.bring(webhooks)

    def _write_down(self, requests: Sequence[Sequence[Webhook]], since: float, then: Then[None]) -> None:
        """Packed one right after the other: the processor does that twice as fast as in between all else."""
        self._journal.ask([(len(webhooks), codec.parcel(webhooks)) for webhooks in requests], since, then)

    async def claim_batch(self, *, now: datetime, limit: int, lease: timedelta) -> Batch:
        """Webhooks of the ingest log, or rows that are due: by turns where there are both."""
        while True:
            unapplied, is_due, is_ripe = await self._reader.read(lambda db: self._look(db, now=now, limit=limit))
            if unapplied.webhooks and not (is_due and self._claimed_log):
                self._claimed_log = True
                return Batch(unapplied.webhooks, unapplied)
            self._claimed_log = False
            if is_due and (rows := await self._claim_rows(now=now, limit=limit, lease=lease)):
                return Batch(rows)
            if unapplied == log_reader.NOTHING:
                break
            if not unapplied.webhooks:  # a damaged part is kept apart, and an empty write is passed over
                await self._apply(unapplied, (), now=now)
        if is_ripe and not is_due:  # nobody waits for it
            with suppress(StoreUnavailable):
                await self._writer.write(ledger.enter)
        return Batch(())

    def _look(self, db: sqlite3.Connection, *, now: datetime, limit: int) -> tuple[Unsorted, bool, bool]:
        """The oldest webhooks of the ingest log; whether rows are due; whether the ledger's buffer should be flushed."""
        unapplied = log_reader.found(db, self._folder, limit=limit)
        if not unapplied.stretches or log_reader.is_long(db):
            log_reader.tidy(db, self._folder)
        is_due = inbox.is_due(db, now=now, aged=self._clocks.aged(db, now))
        return unapplied, is_due, not unapplied.stretches and ledger.is_ripe(db)

    async def _claim_rows(self, *, now: datetime, limit: int, lease: timedelta) -> tuple[Webhook, ...]:
        return await self._writer.write(
            lambda db: inbox.claim(db, now=now, aged=self._clocks.seen(db, now), limit=limit, lease=lease)
        )

    async def complete_batch(
        self, batch: Batch, outcomes: Sequence[Outcome], *, now: datetime
    ) -> tuple[Completed, ...] | None:
        """Write what the webhooks of a batch came to."""
        if isinstance(batch.mark, Unsorted):
            return await self._apply(batch.mark, outcomes, now=now)
        return await self._writer.write(lambda db: making.settle(db, outcomes, now=now, since=self._since(db, now)))

    async def _apply(
        self, unapplied: Unsorted, outcomes: Sequence[Outcome], *, now: datetime
    ) -> tuple[Completed, ...] | None:
        return await self._writer.write(
            lambda db: apply.place(db, self._folder, unapplied, outcomes, now=now, since=self._since(db, now))
        )

    async def split_batch(self, batch: Batch, *, now: datetime) -> tuple[Kept, ...]:
        """Give webhooks of the ingest log rows of their own; make claimed rows due again."""
        match batch.mark:
            case Unsorted() as unapplied:
                self._claimed_log = False
                return await self._writer.write(lambda db: apply.split(db, self._folder, unapplied))
            case _:
                numbers = [one.number for one in batch.webhooks]
                await self._writer.write(lambda db: inbox.release(db, numbers, now=now))
                return ()

    async def recall(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The events that hold claims."""
        return await self._reader.read(lambda db: recall_waits.recall(db, keys))

    async def accept(
        self, events: Sequence[Routed], *, now: datetime, idempotency: Idempotency | None = None
    ) -> tuple[Accepted, ...]:
        """Keep a request's events."""
        return await self._events.bring(making.Asked(events, now, idempotency))

    def _accept(self, asked: Sequence[making.Asked], since: float, then: Then[tuple[Accepted, ...]]) -> None:
        now = max(one.now for one in asked)
        self._writer.ask(
            lambda db: making.accept(db, asked, since=self._since(db, now)), then, callers=len(asked), since=since
        )

    def _since(self, db: sqlite3.Connection, now: datetime) -> datetime:
        """Since when what the ledger knows counts."""
        return self._clocks.aged(db, now) - self._window

    async def claim_deliveries(self, destination: str, *, now: datetime, pacing: Pacing) -> Claimed | None:
        """Claim due deliveries of a destination."""
        return await self._writer.write(
            lambda db: outbox.claim(db, destination, now=now, aged=self._clocks.seen(db, now), pacing=pacing)
        )

    async def record(
        self, token: int, attempt: Attempt, settled: Sequence[Settled], standing: Standing, *, now: datetime
    ) -> None:
        """Write how an attempt ended."""
        await self._writer.write(lambda db: attempts.record(db, token, attempt, settled, standing, now=now))

    async def standing(self, destination: str) -> Standing:
        """How a destination stands."""
        return await self._reader.read(lambda db: destinations.stands(db, destination))

    async def next_due(self, destination: str | None) -> datetime | None:
        """When something is due next, as far as time and pauses go: lanes and spacing are the caller's own."""
        return await self._reader.read(lambda db: outbox.next_due(db, destination))

    async def retry(self, which: Filter, *, now: datetime) -> int:
        """Make dead or waiting deliveries due now."""
        return await self._writer.write(lambda db: retry_replay.retry(db, which, now=now))

    async def replay(self, which: Filter, *, now: datetime) -> int:
        """Make webhooks received again."""
        return await self._writer.write(lambda db: retry_replay.replay(db, which, now=now))

    async def would_retry(self, which: Filter, *, now: datetime, newest: int) -> Would:
        """What a retry would change."""
        return await self._reader.read(lambda db: retry_replay.would_retry(db, which, now=now, newest=newest))

    async def would_replay(self, which: Filter, *, newest: int) -> Would:
        """What a replay would change."""
        return await self._reader.read(lambda db: retry_replay.would_replay(db, which, newest=newest))

    async def revise(self, number: int, events: Sequence[Routed], *, now: datetime) -> int:
        """Write a webhook's events over and send them again."""
        return await self._writer.write(
            lambda db: rewrite.revise(db, number, events, now=now, since=self._since(db, now))
        )

    async def ungiven(self, destination: str, *, after: int, limit: int) -> tuple[Event, ...]:
        """Originals that a destination has no delivery of."""
        return await self._reader.read(lambda db: retry_replay.ungiven(db, destination, after=after, limit=limit))

    async def give(self, destination: str, skips: Sequence[tuple[int, str | None]], *, now: datetime) -> int:
        """Make deliveries of kept events."""
        return await self._writer.write(lambda db: retry_replay.give(db, destination, skips, now=now))

    async def purge(self, keeping: Keeping, *, now: datetime, place: str | None, limit: int) -> Swept:
        """One step of taking away what was kept long enough; it goes on after what was just looked at.

        Where the clock is not believed, it takes nothing, and there is nothing to go on with.
        """
        return await self._writer.write(
            lambda db: (
                retention.purge(db, keeping, now=now, place=place, limit=limit)
                if self._clocks.seen(db, now) == now
                else Swept(0, None)
            )
        )

    async def webhooks(self, which: Filter) -> list[WebhookRow]:
        """Webhooks, newest first."""
        return await self._reader.read(lambda db: queries.webhooks(db, which))

    async def events(self, which: Filter) -> list[EventRow]:
        """Events, newest first."""
        return await self._reader.read(lambda db: queries.events(db, which))

    async def deliveries(self, which: Filter) -> list[DeliveryRow]:
        """Deliveries, newest first."""
        return await self._reader.read(lambda db: queries.deliveries(db, which))

    async def show(self, public_id: str) -> list[WebhookDetail | EventDetail | DeliveryDetail]:
        """What has that id."""
        return await self._reader.read(lambda db: queries.show(db, public_id))

    async def kept(
        self, sources: Sequence[str], *, since: datetime | None, after: int, limit: int
    ) -> tuple[Webhook, ...]:
        """The next kept webhooks in full."""
        return await self._reader.read(
            lambda db: queries.kept(db, sources, since=since, after=after, limit=limit),
        )

    async def tally(self) -> Tally:
        """The counts."""
        return await self._reader.read(self._tally)

    def _tally(self, db: sqlite3.Connection) -> Tally:
        count, since = log_reader.waiting(db, self._folder)
        tally = queries.tally(db)
        oldest = [at for at in (tally.oldest_received, since and instant(since // NANOSECONDS)) if at]
        return replace(tally, unsorted=count, oldest_received=min(oldest, default=None))

    async def glance(self, *, now: datetime) -> Glance:
        """What a status screen shows beside the counts."""
        lacking = self._room.lacking()
        found = await self._reader.read(
            lambda db: replace(summary.glance(db, now=now), exposed=file_modes.exposed(self._path))
        )
        return replace(found, no_room=None if lacking is None else str(lacking))

    async def overdue(self, *, now: datetime) -> Overdue:
        """What is due and unclaimed for over five minutes."""
        return await self._reader.read(lambda db: overdue.overdue(db, self._folder, before=now - OVERDUE))

    async def probe(self, *, now: datetime) -> None:
        """Take a small durable write in each of the two ways that something new comes in."""
        await self.keep(())
        await self._writer.write(lambda db: self._clocks.seen(db, now, always=True), urgent=True)

    async def close(self) -> None:
        """Finish what is under way and let the file go; once more does nothing."""
        await self._webhooks.last()
        await self._events.last()
        await asyncio.to_thread(self._closed)

    def _closed(self) -> None:
        self._journal.close()
        self._reader.close(lambda db: log_reader.tidy(db, self._folder))
        self._writer.close()


def _see_that_the_log_is_known(path: str, patience: timedelta) -> None:
    """Raises StoreUnusable where the ingest log holds webhooks that a newer version wrote."""
    try:
        with closing(open_file.connect(path, reading=True, busy=patience)) as db:
            newer = next(log_reader.newer(db, folder_of(path)), None)
    except sqlite3.Error as error:
        raise errors.told(error, path) from error
    if newer:
        raise StoreUnusable(
            f"the ingest log {folder_of(path)} holds webhooks in {newer} that a newer trackbridge wrote and that this one "
            "cannot read; they were left as they are: install that version again"
        )
