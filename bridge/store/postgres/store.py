"""The store on a PostgreSQL server, for one node of any number: each role has a connection and a thread of its own.

Webhooks are kept as parcels, one row for each group commit, and get rows of their own when it is known what they
became. A verb that has returned is committed. The SQL is in `tables/` and `admin/`, the schema in `migrations/`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import psycopg

from bridge.core.conversions import KnownConversion
from bridge.core.delivery import Attempt, DeliveryUpdate
from bridge.core.errors import StoreUnavailable
from bridge.core.mapping_text import MappingText
from bridge.core.model import Accepted, Event, Kept, Route, Routed, Webhook
from bridge.store.callbacks import AnswerCallback, Answers, call_in_loop
from bridge.store.codec.columns import to_ms, to_ms_up
from bridge.store.group_commit import GroupCommit, too_slow_error
from bridge.store.postgres.admin import overdue, queries, retention, retired_days, retry_replay, rewrite, walks
from bridge.store.postgres.admin.retention import SweepPlace
from bridge.store.postgres.db.link import DatabaseLink
from bridge.store.postgres.db.server_connection import ServerAddress
from bridge.store.postgres.db.server_url import connection_info, shown_url
from bridge.store.postgres.db.timeline_fence import TimelineFence
from bridge.store.postgres.follow_verbs import PostgresFollowVerbs
from bridge.store.postgres.list_verbs import PostgresListVerbs
from bridge.store.postgres.prepare import prepare_database
from bridge.store.postgres.status_verbs import PostgresStatusVerbs
from bridge.store.postgres.tables import (
    attempts,
    conversions,
    days,
    destinations,
    outbox,
    outcomes,
    parcels,
    webhooks,
)
from bridge.store.postgres.tables.batches import BatchClaims
from bridge.store.postgres.tables.parcels import TakenParcels
from bridge.store.postgres.tables.track_requests import CallerRequest, accept_requests
from bridge.store.postgres.token_verbs import PostgresTokenVerbs
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
)

T = TypeVar("T")
DAYS_EVERY = 600.0
"""Seconds after which a purge looks again whether there are partitions for the next days."""
CLOSING_GRACE = 5.0
"""Seconds after which a store that closes waits no longer for its server: as long as a caller waits for a verb."""
KEEPER_PATIENCE = timedelta(minutes=10)
"""How long a step of a purge may take: it waits for readers, and counts the rows of a day. Nobody waits for it."""


class PostgresStore(PostgresFollowVerbs, PostgresListVerbs, PostgresStatusVerbs, PostgresTokenVerbs):
    """What there is of a `bridge.store.protocol.Store` in the database at `url`; the promise says what each verb does.

    Opening makes the tables, or brings them to this version; raises StoreUnusable or StoreUnavailable. With
    `by_caller`, time is the callers': only tests have made-up time. `durable` refuses a server that may lose what it
    has committed. `fence` knows the newest primary that the other processes of the node have seen. With `is_prepared`,
    somebody has opened it before, and the server need not be reachable now.
    """

    def __init__(  # noqa: PLR0913  by name
        self,
        url: str,
        *,
        node: int = 0,
        ledger_window: timedelta = DEFAULT_RETENTION.ledger,
        bounds: AdmissionLimits = DEFAULT_LIMITS,
        by_caller: bool = False,
        durable: bool = True,
        fence: TimelineFence | None = None,
        is_prepared: bool = False,
    ) -> None:
        address = ServerAddress(
            connection_info(url), shown_url(url), bounds.max_wait, fence or TimelineFence(), by_caller=by_caller
        )
        try:
            prepare_database(address, durable=durable)
        except StoreUnavailable:
            if not is_prepared:
                raise
        self._node = node
        self._window = to_ms_up(ledger_window)
        self._ingest = DatabaseLink(address, "ingest")
        self._translate = DatabaseLink(address, "translate")
        self._deliver = DatabaseLink(address, "deliver")
        self._reader = DatabaseLink(address, "reader")
        self._keeper = DatabaseLink(replace(address, patience=KEEPER_PATIENCE), "keeper")
        self._purge_place = retention.BEGINNING
        self._make_days_at = 0.0
        self._by_caller = by_caller
        limits = {"limit": bounds.waiting, "patience": bounds.max_wait.total_seconds(), "waits_for": "the database"}
        self._webhooks: GroupCommit[Sequence[Webhook], None] = GroupCommit(self._write_group, **limits)  # type: ignore[arg-type]
        self._events: GroupCommit[CallerRequest, tuple[Accepted, ...]] = GroupCommit(self._accept_group, **limits)  # type: ignore[arg-type]
        self._patience = bounds.max_wait.total_seconds()
        self._overdue: Future[Any] | None = None
        self._batches = BatchClaims(node)
        self._without_due: set[str] = set()
        """Destinations of which the last claim found nothing: a look is enough until something is due."""

    async def keep(self, webhooks: Sequence[Webhook]) -> None:
        """Keep the webhooks of one request."""
        await self._webhooks.submit(webhooks)

    def _write_group(self, requests: Sequence[Sequence[Webhook]], since: float, then: AnswerCallback[None]) -> None:
        del since  # whoever waits too long is told so by the group commit itself

        def write(db: psycopg.Connection[Any]) -> list[None]:
            parcels.insert_parcel(db, requests, node=self._node)
            return [None] * len(requests)

        self._answer_in_time(lambda: self._ingest.submit_statement(write), then)

    async def claim_batch(self, *, now: datetime, limit: int, lease: timedelta) -> Batch:
        """Returns the webhooks of parcels, or claims rows that are due; if there are both, by turns."""
        if self._batches.look_is_enough():
            at = self._time_of(now)
            if not await self._translate.look(lambda db: webhooks.may_have_work(db, at=at)):
                return Batch(())
        return await self._translate.write(
            lambda one: self._batches.claim(one, limit=limit, lease=lease), now=now, pipelined=True
        )

    def _time_of(self, now: datetime) -> int | None:
        """The time of a look: the server's where it is None."""
        return to_ms(now) if self._by_caller else None

    async def read_ahead(self, batch: Batch, *, now: datetime, limit: int, lease: timedelta) -> Batch:
        """Take the next parcels, if the batch is of parcels."""
        if not isinstance(batch.mark, TakenParcels):
            return Batch(())
        taken = await self._translate.write(
            lambda one: self._batches.take_parcels(one, limit=limit, lease=lease), now=now, pipelined=True
        )
        return taken or Batch(())

    async def complete_batch(
        self, batch: Batch, outcomes_: Sequence[Outcome], *, now: datetime
    ) -> tuple[Completed, ...] | None:
        """Write what the webhooks of a batch became."""
        match batch.mark:
            case TakenParcels() as taken:
                return await self._translate.write(
                    lambda one: outcomes.apply_outcomes(one, taken, outcomes_, window=self._window),
                    now=now,
                    pipelined=True,
                )
            case _:
                return await self._translate.write(
                    lambda one: outcomes.complete_webhooks(one, outcomes_, window=self._window), now=now, pipelined=True
                )

    async def split_batch(self, batch: Batch, *, now: datetime) -> tuple[Kept, ...]:
        """Give webhooks of parcels rows of their own; make claimed rows due again."""
        match batch.mark:
            case TakenParcels() as taken:
                self._batches.give_turn()
                return await self._translate.write(
                    lambda one: outcomes.split_parcels(one, taken, batch.webhooks), now=now
                )
            case _:
                numbers = [one.number for one in batch.webhooks]
                await self._translate.write(lambda one: webhooks.release_claims(one, numbers), now=now)
                return ()

    async def recall_events(self, keys: Sequence[bytes]) -> dict[bytes, Sequence[KnownConversion]]:
        """What is known under conversion keys."""
        return await self._reader.read(lambda db: conversions.recall_conversions(db, keys))

    async def accept_events(
        self, events: Sequence[Routed], *, now: datetime, idempotency: Idempotency | None = None
    ) -> tuple[Accepted, ...]:
        """Keep a request's events."""
        return await self._events.submit(CallerRequest(events, now, idempotency))

    def _accept_group(
        self, asked: Sequence[CallerRequest], since: float, then: AnswerCallback[tuple[Accepted, ...]]
    ) -> None:
        del since
        now = max(one.now for one in asked)
        self._answer_in_time(
            lambda: self._ingest.submit(lambda one: accept_requests(one, asked, since=one.at - self._window), now=now),
            then,
        )

    def _answer_in_time(self, submit: Callable[[], Future[list[T]]], then: AnswerCallback[T]) -> None:
        """Write a group, and call `then` in the event loop with the answers, or with the error for all callers.

        A database that does not answer within the callers' patience is an error. What it keeps after all is known when
        it comes again. Until then nothing else is given to it, so that no groups pile up in memory.
        """
        loop = asyncio.get_running_loop()
        if self._overdue is not None and not self._overdue.done():
            loop.call_soon(then, too_slow_error("the database"))
            return
        future = submit()

        is_answered = False

        def answer(answers: Answers[T]) -> None:
            nonlocal is_answered
            timer.cancel()
            if not is_answered:
                is_answered = True
                then(answers)

        def give_up() -> None:
            self._overdue = future
            answer(too_slow_error("the database"))

        timer = loop.call_later(self._patience, give_up)

        def ended(done: Future[list[T]]) -> None:
            error = done.exception()
            call_in_loop(loop, answer, done.result() if error is None else _as_exception(error))

        future.add_done_callback(ended)

    async def claim_deliveries(self, destination: str, *, now: datetime, pacing: Pacing) -> ClaimedDeliveries | None:
        """Claim due deliveries of a destination."""
        if destination in self._without_due:
            at = self._time_of(now)
            if not await self._deliver.look(lambda db: outbox.may_have_due(db, destination, at=at)):
                return None
            self._without_due.discard(destination)
        claimed = await self._deliver.write(
            lambda one: outbox.claim_deliveries(one, destination, now=now, pacing=pacing, node=self._node),
            now=now,
            pipelined=True,
        )
        if claimed is None:
            self._without_due.add(destination)
        return claimed

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
        return await self._deliver.write(
            lambda one: attempts.record_attempt(one, claimed, attempt, settled, destination_state),
            now=now,
            pipelined=True,
        )

    async def destination_state(self, destination: str, *, now: datetime) -> DestinationState:
        """The state of a destination."""
        return await self._deliver.write(lambda one: destinations.read_state(one, destination), now=now)

    async def next_due(self, destination: str | None, *, now: datetime) -> datetime | None:
        """When something is due next, as far as time and pauses go: senders and spacing are the caller's own."""
        name = destination if destination in self._without_due else None
        if name is not None and not await self._deliver.look(lambda db: outbox.has_pending(db, name)):
            return None
        return await self._deliver.write(lambda one: outbox.next_due(one, destination), now=now)

    async def retry(self, which: RowFilter, *, now: datetime, below: int | None, limit: int) -> ChangeStep:
        """Make dead or waiting deliveries due now."""
        return await self._deliver.write(
            lambda one: retry_replay.retry_deliveries(one, which, below=below, limit=limit), now=now
        )

    async def replay(self, which: RowFilter, *, now: datetime, below: int | None, limit: int) -> ChangeStep:
        """Make webhooks received again."""
        return await self._translate.write(
            lambda one: retry_replay.replay_webhooks(one, which, below=below, limit=limit), now=now
        )

    async def would_retry(self, which: RowFilter, *, now: datetime, newest: int) -> DryRun:
        """Returns what a retry would change."""
        return await self._reader.write(lambda one: retry_replay.would_retry(one, which, newest=newest), now=now)

    async def would_replay(self, which: RowFilter, *, newest: int) -> DryRun:
        """Returns what a replay would change."""
        return await self._reader.read(lambda db: retry_replay.would_replay(db, which, newest=newest))

    async def rewrite_events(
        self, number: int, events: Sequence[Routed], *, now: datetime, mapping: MappingText | None = None
    ) -> int:
        """Write a webhook's events over and send them again."""
        return await self._translate.write(
            lambda one: rewrite.rewrite_events(one, number, events, since=one.at - self._window, mapping=mapping),
            now=now,
        )

    async def events_without_delivery(self, destination: str, *, after: int, limit: int) -> tuple[Event, ...]:
        """Originals that a destination has no delivery of."""
        return await self._reader.look(
            lambda db: walks.events_without_delivery(db, destination, after=after, limit=limit)
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
        return await self._deliver.write(lambda one: walks.create_deliveries(one, routes), now=now)

    async def purge(self, keeping: RetentionPolicy, *, now: datetime, limit: int) -> PurgeStep:
        """Delete one step's rows of what was kept long enough; or retire a whole day of them."""
        place = self._purge_place
        if time.monotonic() >= self._make_days_at:
            await self._reader.write(days.make_days_ahead)  # the keeper may wait for a reader
            self._make_days_at = time.monotonic() + DAYS_EVERY
        if place.after == 0 and not self._by_caller and (taken := await self._retire_day(keeping, place)) is not None:
            return PurgeStep(taken, more=True, kind=place.table)
        step, self._purge_place = await self._keeper.write(
            lambda one: retention.purge_step(one, keeping, place=place, limit=limit), now=now
        )
        return step

    async def _retire_day(self, keeping: RetentionPolicy, place: SweepPlace) -> int | None:
        kept_for = keeping.bodies if place.table == "bodies" else keeping.events
        return await self._keeper.look(lambda db: retired_days.retire_next(db, place.table, kept_for=kept_for))

    async def iter_webhooks(
        self, sources: Sequence[str], *, since: datetime | None, after: int, limit: int
    ) -> tuple[Webhook, ...]:
        """The next kept webhooks in full."""
        return await self._reader.look(
            lambda db: walks.next_webhooks(db, sources, since=since, after=after, limit=limit)
        )

    async def state_counts(self) -> StateCounts:
        """Returns the counts."""
        return await self._reader.read(queries.count_states)

    async def overdue_work(self, *, now: datetime) -> OverdueWork:
        """Returns what is due and unclaimed for longer than OVERDUE."""
        return await self._reader.write(
            lambda one: overdue.find_overdue(one, before=one.at - to_ms_up(OVERDUE)), now=now
        )

    async def probe(self, *, now: datetime) -> None:
        """Take a small durable write, in the queue of those that come in."""
        await self._webhooks.submit(())
        await self._ingest.write(parcels.probe_commit, now=now)

    async def close(self) -> None:
        """Finish the work under way and close the store; what takes longer than CLOSING_GRACE ends with an error."""
        await self._webhooks.wait_until_idle()
        await self._events.wait_until_idle()
        links = (self._ingest, self._translate, self._deliver, self._reader, self._keeper)
        await asyncio.gather(*(link.close(grace=CLOSING_GRACE) for link in links))


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else StoreUnavailable(f"it was ended ({type(error).__name__})")
