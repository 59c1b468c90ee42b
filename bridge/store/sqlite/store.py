"""The store in one SQLite file: every verb is a job of the writer's thread, every query one of the readers'.

Only webhooks are written to the ingest log first, a folder of files beside the store, and applied afterwards. A verb
that has returned is durable: a write-ahead log, flushed at each commit. Several processes may share the file. A clock
that is set back by more than a minute moves every lease and wait with it; by a clock that is far ahead nothing ages
(`db/clock_skew.py`). Instants are kept to the millisecond. The SQL is in `tables/` and `admin/`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.core.conversions import KnownConversion
from bridge.core.delivery import Attempt, DeliveryUpdate
from bridge.core.errors import StoreUnavailable
from bridge.core.mapping_text import MappingText
from bridge.core.model import Accepted, Event, Ignored, Kept, Route, Routed, Webhook
from bridge.store.callbacks import AnswerCallback
from bridge.store.codec import packed_requests
from bridge.store.codec.columns import from_ms
from bridge.store.group_commit import GroupCommit
from bridge.store.protocol import (
    DEFAULT_LIMITS,
    DEFAULT_RETENTION,
    OVERDUE,
    AdmissionLimits,
    Batch,
    ChangeStep,
    ClaimedDeliveries,
    Completed,
    DestinationState,
    DryRun,
    Idempotency,
    Outcome,
    OverdueWork,
    Pacing,
    PurgeStep,
    RetentionPolicy,
    RowFilter,
    StateCounts,
    StatusSummary,
)
from bridge.store.sqlite import file_modes
from bridge.store.sqlite.admin import overdue, queries, remap, retention, retry_replay, rewrite, summary
from bridge.store.sqlite.db import moved_mark, open_file
from bridge.store.sqlite.db.clock_skew import ClockReadings
from bridge.store.sqlite.db.disk_space import DiskSpace
from bridge.store.sqlite.db.reader import ReaderPool
from bridge.store.sqlite.db.wal_guard import WalGuard
from bridge.store.sqlite.db.writer import WriterThread
from bridge.store.sqlite.follow_verbs import SqliteFollowVerbs
from bridge.store.sqlite.ingest import apply, log_reader
from bridge.store.sqlite.ingest.log_reader import UnappliedLog
from bridge.store.sqlite.ingest.log_writer import LogWriter, folder_of
from bridge.store.sqlite.ingest.oldest_unapplied import OldestUnapplied
from bridge.store.sqlite.list_verbs import SqliteListVerbs
from bridge.store.sqlite.status_verbs import SqliteStatusVerbs
from bridge.store.sqlite.tables import attempts, conversions, destinations, ledger
from bridge.store.sqlite.tables import deliveries as outbox
from bridge.store.sqlite.tables import webhooks as inbox
from bridge.store.sqlite.tables.outcomes import complete_webhooks
from bridge.store.sqlite.tables.track_requests import TrackRequest, accept_requests
from bridge.store.sqlite.token_verbs import SqliteTokenVerbs
from bridge.store.status_views import RemappedEvent

__all__ = [
    "SqliteStore",
]

LEDGER_WINDOW = DEFAULT_RETENTION.ledger
"""How long a known conversion makes the next event of it a duplicate."""
NS_PER_MS = 1_000_000


class SqliteStore(SqliteFollowVerbs, SqliteListVerbs, SqliteStatusVerbs, SqliteTokenVerbs):
    """A `bridge.store.protocol.Store` in the file at `path`; the promise says what each verb does.

    Opening creates the file, or migrates it to this version; raises StoreUnusable or StoreUnavailable. `max_wait` of
    `bounds` is also how long another process's lock is waited for. `clocks` says when a clock that is far ahead is
    believed.
    """

    def __init__(
        self,
        path: str,
        *,
        ledger_window: timedelta = LEDGER_WINDOW,
        bounds: AdmissionLimits = DEFAULT_LIMITS,
        clocks: ClockReadings | None = None,
    ) -> None:
        open_file.prepare_file(path)
        moved_mark.require_unmoved(path)
        log_reader.require_known_log(path, bounds.max_wait)
        self._path = path
        self._window = ledger_window
        self._clocks = clocks or ClockReadings()
        self._room = DiskSpace(path, least=bounds.min_free)
        self._guard = WalGuard(path, busy=bounds.max_wait)
        self._writer = WriterThread(
            path, self._guard, limit=bounds.waiting, patience=bounds.max_wait, min_free=bounds.min_free
        )
        self._reader = ReaderPool(path, self._guard, patience=bounds.max_wait)
        patience = bounds.max_wait.total_seconds()
        self._log_writer = LogWriter(path, min_free=bounds.min_free)
        self._folder = folder_of(path)
        self._oldest = OldestUnapplied()
        self._webhooks = GroupCommit(self._write_group, limit=bounds.waiting, patience=patience)
        self._events = GroupCommit(self._accept_group, limit=bounds.waiting, patience=patience)
        self._claimed_log = False
        self._purge_place = retention.BEGINNING

    async def keep(self, webhooks: Sequence[Webhook]) -> None:
        """Keep the webhooks of one request."""
        await self._webhooks.submit(webhooks)

    def _write_group(self, requests: Sequence[Sequence[Webhook]], since: float, then: AnswerCallback[None]) -> None:
        """Write a group. Packing its requests one right after another is twice as fast as packing each on arrival."""
        self._log_writer.write_group(
            [(len(webhooks), packed_requests.pack_request(webhooks)) for webhooks in requests], since, then
        )

    async def claim_batch(self, *, now: datetime, limit: int, lease: timedelta) -> Batch:
        """Returns webhooks of the ingest log, or claims rows that are due; if there are both, in turns."""
        while True:
            unapplied, is_due, should_flush, oldest = await self._reader.run_query(
                lambda db: self._look_for_work(db, now=now, limit=limit)
            )
            if unapplied.webhooks and not (is_due and self._claimed_log):
                self._claimed_log = True
                return Batch(unapplied.webhooks, unapplied)
            self._claimed_log = False
            if is_due and (batch := await self._claim_rows(now=now, limit=limit, lease=lease, oldest=oldest)).webhooks:
                return batch
            if unapplied == log_reader.NOTHING:
                break
            if not unapplied.webhooks:  # a damaged part is kept apart, and an empty write is passed over
                await self._apply_log(unapplied, (), now=now)
        if should_flush and not is_due:  # nothing else waits for the writer
            with suppress(StoreUnavailable):
                await self._writer.run_write(ledger.flush_step)
        return Batch(())

    async def read_ahead(self, batch: Batch, *, now: datetime, limit: int, lease: timedelta) -> Batch:  # noqa: ARG002  nothing is exclusive
        """The webhooks of the ingest log that follow those of a batch; none where rows are due, whose turn it is."""
        if not isinstance(mark := batch.mark, UnappliedLog):
            return Batch(())
        following, is_due, *_ = await self._reader.run_query(
            lambda db: self._look_for_work(db, now=now, limit=limit, after=mark)
        )
        return Batch(()) if is_due else Batch(following.webhooks, following)

    def _look_for_work(
        self, db: sqlite3.Connection, *, now: datetime, limit: int, after: UnappliedLog = log_reader.NOTHING
    ) -> tuple[UnappliedLog, bool, bool, datetime | None]:
        """Returns the first webhooks of the log, whether rows are due or the ledger is, and the log's oldest time."""
        unapplied = log_reader.read_unapplied(db, self._folder, limit=limit, after=after)
        if not unapplied.stretches or log_reader.is_long(db):
            log_reader.delete_applied_files(db, self._folder)
        trusted_now, oldest = self._clocks.trusted_time(db, now), after.oldest_received or unapplied.oldest_received
        if oldest and inbox.is_wait_over(db, now=now, trusted_now=trusted_now, oldest_unapplied=oldest):
            oldest = self._oldest.find_oldest(db, self._folder)
        is_due = inbox.is_due(db, now=now, trusted_now=trusted_now, oldest_unapplied=oldest)
        return unapplied, is_due, not unapplied.stretches and ledger.should_flush(db), oldest

    async def _claim_rows(self, *, now: datetime, limit: int, lease: timedelta, oldest: datetime | None) -> Batch:
        def claim(db: sqlite3.Connection) -> Batch:
            rows, looked_until = inbox.claim_webhooks(
                db,
                now=now,
                trusted_now=self._clocks.record_reading(db, now),
                limit=limit,
                lease=lease,
                oldest_unapplied=oldest,
            )
            known = conversions.find_awaited(db, [one.number for one in rows])
            return Batch(rows, known=known, looked_until=looked_until)

        return await self._writer.run_write(claim)

    async def complete_batch(
        self, batch: Batch, outcomes: Sequence[Outcome], *, now: datetime
    ) -> tuple[Completed, ...] | None:
        """Write what the webhooks of a batch became."""
        if isinstance(batch.mark, UnappliedLog):
            return await self._apply_log(batch.mark, outcomes, now=now)
        return await self._writer.run_write(
            lambda db: complete_webhooks(db, outcomes, now=now, since=self._ledger_since(db, now))
        )

    async def _apply_log(
        self, unapplied: UnappliedLog, outcomes: Sequence[Outcome], *, now: datetime
    ) -> tuple[Completed, ...] | None:
        return await self._writer.run_write(
            lambda db: apply.apply_outcomes(
                db, self._folder, unapplied, outcomes, now=now, since=self._ledger_since(db, now)
            )
        )

    async def split_batch(self, batch: Batch, *, now: datetime) -> tuple[Kept, ...]:
        """Give webhooks of the ingest log rows of their own; make claimed rows due again."""
        match batch.mark:
            case UnappliedLog() as unapplied:
                self._claimed_log = False
                return await self._writer.run_write(lambda db: apply.split_log(db, self._folder, unapplied))
            case _:
                numbers = [one.number for one in batch.webhooks]
                await self._writer.run_write(lambda db: inbox.release_claims(db, numbers, now=now))
                return ()

    async def recall_events(self, keys: Sequence[bytes]) -> dict[bytes, Sequence[KnownConversion]]:
        """What is known under conversion keys."""
        return await self._reader.run_query(lambda db: conversions.find_conversions(db, keys))

    async def accept_events(
        self, events: Sequence[Routed], *, now: datetime, idempotency: Idempotency | None = None
    ) -> tuple[Accepted, ...]:
        """Keep a request's events."""
        return await self._events.submit(TrackRequest(events, now, idempotency))

    def _accept_group(
        self, asked: Sequence[TrackRequest], since: float, then: AnswerCallback[tuple[Accepted, ...]]
    ) -> None:
        now = max(one.now for one in asked)
        self._writer.enqueue_write(
            lambda db: accept_requests(db, asked, since=self._ledger_since(db, now)),
            then,
            callers=len(asked),
            since=since,
        )

    def _ledger_since(self, db: sqlite3.Connection, now: datetime) -> datetime:
        """Returns the time since when ledger entries count. Records `now`, so that it is seen if it proves ahead."""
        return self._clocks.record_reading(db, now) - self._window

    async def claim_deliveries(self, destination: str, *, now: datetime, pacing: Pacing) -> ClaimedDeliveries | None:
        """Claim due deliveries of a destination."""
        return await self._writer.run_write(
            lambda db: outbox.claim_deliveries(
                db, destination, now=now, trusted_now=self._clocks.record_reading(db, now), pacing=pacing
            )
        )

    async def record_attempt(
        self,
        claimed: ClaimedDeliveries,
        attempt: Attempt,
        settled: Sequence[DeliveryUpdate],
        destination_state: DestinationState,
        *,
        now: datetime,
    ) -> bool:
        """Write how an attempt ended."""

        def record(db: sqlite3.Connection) -> bool:
            self._clocks.record_reading(db, now)
            return attempts.record_attempt(db, claimed, attempt, settled, destination_state, now=now)

        return await self._writer.run_write(record)

    async def destination_state(self, destination: str, *, now: datetime) -> DestinationState:  # noqa: ARG002  it has no clock of its own
        """The state of a destination."""
        return await self._reader.run_query(lambda db: destinations.read_state(db, destination))

    async def next_due(self, destination: str | None, *, now: datetime) -> datetime | None:  # noqa: ARG002  the same
        """When something is due next, as far as time and pauses go: senders and spacing are the caller's own."""
        return await self._reader.run_query(lambda db: outbox.next_due(db, destination))

    async def retry(self, which: RowFilter, *, now: datetime, below: int | None, limit: int) -> ChangeStep:
        """Make dead or waiting deliveries due now."""
        return await self._writer.run_write(
            lambda db: retry_replay.retry_deliveries(db, which, now=now, below=below, limit=limit)
        )

    async def replay(self, which: RowFilter, *, now: datetime, below: int | None, limit: int) -> ChangeStep:
        """Make webhooks received again."""
        return await self._writer.run_write(
            lambda db: retry_replay.replay_webhooks(db, which, now=now, below=below, limit=limit)
        )

    async def would_retry(self, which: RowFilter, *, now: datetime, newest: int) -> DryRun:
        """Returns what a retry would change."""
        return await self._reader.run_query(lambda db: retry_replay.would_retry(db, which, now=now, newest=newest))

    async def would_replay(self, which: RowFilter, *, newest: int) -> DryRun:
        """Returns what a replay would change."""
        return await self._reader.run_query(lambda db: retry_replay.would_replay(db, which, newest=newest))

    async def rewrite_events(
        self, number: int, events: Sequence[Routed], *, now: datetime, mapping: MappingText | None = None
    ) -> int:
        """Write a webhook's events over and send them again."""
        return await self._writer.run_write(
            lambda db: rewrite.rewrite_events(
                db, number, events, now=now, since=self._ledger_since(db, now), mapping=mapping
            )
        )

    async def remap_events(
        self, webhook: int, events: Sequence[Routed], *, now: datetime, ignored: Ignored | None = None
    ) -> tuple[RemappedEvent, ...]:
        """Give a webhook's events the keys that its mapping makes now."""
        return await self._writer.run_write(
            lambda db: remap.remap_events(
                db, webhook, events, now=now, since=self._ledger_since(db, now), ignored=ignored
            )
        )

    async def events_without_delivery(self, destination: str, *, after: int, limit: int) -> tuple[Event, ...]:
        """Originals that a destination has no delivery of."""
        return await self._reader.run_query(
            lambda db: retry_replay.events_without_delivery(db, destination, after=after, limit=limit)
        )

    async def create_deliveries(
        self,
        destination: str,
        skips: Sequence[tuple[int, str | None]],
        *,
        now: datetime,
        follows: Mapping[int, tuple[bytes, ...]] | None = None,
    ) -> int:
        """Make deliveries of kept events."""
        routes = [(number, Route(destination, skip, (follows or {}).get(number, ()))) for number, skip in skips]
        return await self._writer.run_write(lambda db: retry_replay.create_deliveries(db, routes, now=now))

    async def purge(self, keeping: RetentionPolicy, *, now: datetime, limit: int) -> PurgeStep:
        """Delete one step's rows of what was kept long enough.

        If the clock is not believed, nothing is deleted, and the sweep ends.
        """
        place = self._purge_place
        step, self._purge_place = await self._writer.run_write(
            lambda db: (
                retention.purge_step(db, keeping, now=now, place=place, limit=limit)
                if self._clocks.record_reading(db, now) == now
                else (PurgeStep(0, more=False), retention.BEGINNING)
            )
        )
        return step

    async def iter_webhooks(
        self, sources: Sequence[str], *, since: datetime | None, after: int, limit: int
    ) -> tuple[Webhook, ...]:
        """The next kept webhooks in full."""
        return await self._reader.run_query(
            lambda db: queries.next_webhooks(db, sources, since=since, after=after, limit=limit),
        )

    async def state_counts(self) -> StateCounts:
        """The counts."""
        return await self._reader.run_query(self._count_states)

    def _count_states(self, db: sqlite3.Connection) -> StateCounts:
        count, since = log_reader.count_unapplied(db, self._folder)
        counts = queries.count_states(db)
        oldest = [at for at in (counts.oldest_received, since and from_ms(since // NS_PER_MS)) if at]
        return replace(counts, unapplied=count, oldest_received=min(oldest, default=None))

    async def status_summary(self, *, now: datetime) -> StatusSummary:
        """Returns what a status screen shows beside the counts."""
        lacking = self._room.lack_of_space()
        found = await self._reader.run_query(
            lambda db: replace(
                summary.read_summary(db, now=now),
                unread=tuple(log_reader.unread_files(db, self._folder)),
                exposed=file_modes.exposed_files(self._path),
            )
        )
        return replace(found, no_room=None if lacking is None else str(lacking))

    async def overdue_work(self, *, now: datetime) -> OverdueWork:
        """Returns what is due and unclaimed for over five minutes."""
        return await self._reader.run_query(lambda db: overdue.find_overdue(db, self._folder, before=now - OVERDUE))

    async def probe(self, *, now: datetime) -> None:
        """Make a small durable write in the ingest log and in the SQLite file."""
        await self.keep(())
        await self._writer.run_write(lambda db: self._clocks.record_reading(db, now, always=True), urgent=True)

    async def close(self) -> None:
        """Finish the work under way and close the files; closing again does nothing."""
        await self._webhooks.wait_until_idle()
        await self._events.wait_until_idle()
        await asyncio.to_thread(self._close_threads)

    def _close_threads(self) -> None:
        self._log_writer.close_log()
        self._reader.close_all(lambda db: log_reader.delete_applied_files(db, self._folder))
        self._writer.close_thread()
        self._guard.close()
