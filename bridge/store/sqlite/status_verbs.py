"""The verbs of a SQLite store that are about the bridge itself: `bridge.store.status_protocol.StatusStore`.

And those about the web console's sessions and drafts, `bridge.store.console_protocol.ConsoleStore`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.core.model import Routed
from bridge.store.sqlite.admin import find_rows, recent_outcomes, release
from bridge.store.sqlite.db.reader import ReaderPool
from bridge.store.sqlite.db.writer import WriterThread
from bridge.store.sqlite.tables import (
    actions,
    console,
    coverage,
    destinations,
    doubles,
    heartbeats,
    mapping_drafts,
    quarters,
    recall_waits,
    refusals,
)
from bridge.store.status_views import (
    ActionTaken,
    FoundRows,
    MappingDraft,
    OutcomeCounts,
    OutcomeTotals,
    ProcessHeartbeat,
    QuarterCount,
    RefusedRequests,
    StatusDetails,
)
from bridge.store.views import FoundDuplicates


class SqliteStatusVerbs:
    """What `SqliteStore` has of that promise; the threads are its own."""

    _writer: WriterThread
    _reader: ReaderPool

    async def add_refused(self, refused: Sequence[RefusedRequests]) -> None:
        """Add refused requests to those that are known."""
        await self._writer.run_write(lambda db: refusals.add_refused(db, refused))

    async def record_heartbeat(self, heartbeat: ProcessHeartbeat) -> int:
        """Write the sign of life of one process. A file is one node's."""
        await self._writer.run_write(lambda db: heartbeats.write_heartbeat(db, heartbeat))
        return 1

    async def record_check(self, destination: str, *, failed: str | None, now: datetime) -> None:
        """Write that a destination was asked without an event."""
        await self._writer.run_write(lambda db: destinations.record_check(db, destination, failed=failed, now=now))

    async def pause_destination(self, destination: str, *, reason: str, probe_at: datetime, now: datetime) -> None:
        """Pause a destination, or move the probe of one that is paused."""
        await self._writer.run_write(
            lambda db: destinations.pause_destination(db, destination, reason=reason, probe_at=probe_at, now=now)
        )

    async def resume_destination(self, destination: str, *, now: datetime, works: bool = False) -> bool:
        """Make the probe of a paused destination due now."""
        return await self._writer.run_write(
            lambda db: destinations.resume_destination(db, destination, now=now, works=works)
        )

    async def record_action(self, action: ActionTaken) -> None:
        """Write what a person did."""
        await self._writer.run_write(lambda db: actions.insert_action(db, action))

    async def complete_privacy_request(self, public_id: str, *, who: str, now: datetime) -> ActionTaken | None:
        """Mark a privacy request as done."""
        return await self._writer.run_write(
            lambda db: actions.complete_privacy_request(db, public_id, who=who, now=now)
        )

    async def actions_on(self, subject: str) -> tuple[ActionTaken, ...]:
        """What people did to one thing."""
        return await self._reader.run_query(lambda db: actions.actions_on(db, subject))

    async def newest_actions(self, *, most: int) -> tuple[ActionTaken, ...]:
        """What people did last."""
        return await self._reader.run_query(lambda db: actions.newest_actions(db, most=most))

    async def find_duplicates(self, ids: Sequence[str]) -> FoundDuplicates:
        """The duplicates that have these ids, and the events that were told."""
        return await self._reader.run_query(lambda db: release.find_duplicates(db, ids))

    async def release_duplicates(self, chosen: Sequence[Routed], *, who: str, now: datetime) -> tuple[str, ...]:
        """Tell duplicates as conversions of their own."""
        return await self._writer.run_write(lambda db: release.release_duplicates(db, chosen, who=who, now=now))

    async def console_secret(self) -> bytes:
        """What sessions of the web console are signed with."""
        known = await self._reader.run_query(console.read_secret)
        return await self._writer.run_write(console.make_secret) if known is None else known

    async def add_login_code(self, digest: bytes, *, key: bytes, until: datetime, now: datetime) -> None:
        """Keep a code that logs in once."""
        await self._writer.run_write(lambda db: console.add_login_code(db, digest, key=key, until=until, now=now))

    async def take_login_code(self, digest: bytes, *, now: datetime) -> bytes | None:
        """The digest of the key that a code stands for, once."""
        return await self._writer.run_write(lambda db: console.take_login_code(db, digest, now=now))

    async def keep_draft(self, draft: MappingDraft) -> None:
        """Keep a person's draft of a mapping."""
        await self._writer.run_write(lambda db: mapping_drafts.keep_draft(db, draft))

    async def drop_draft(self, mapping: str, *, who: str) -> bool:
        """Delete a person's draft of a mapping."""
        return await self._writer.run_write(lambda db: mapping_drafts.drop_draft(db, mapping, who=who))

    async def read_drafts(self) -> tuple[MappingDraft, ...]:
        """The drafts that people work on."""
        return await self._reader.run_query(mapping_drafts.read_drafts)

    async def status_details(self) -> StatusDetails:
        """Returns what `status` shows beside counts and summary."""
        return await self._reader.run_query(_read_details)

    async def read_outcomes(self, *, since: datetime) -> OutcomeCounts:
        """What became of deliveries, and which match keys events have."""
        return await self._reader.run_query(lambda db: coverage.read_outcomes(db, since=since))

    async def read_totals(self) -> OutcomeTotals:
        """All that was ever counted of the same."""
        return await self._reader.run_query(coverage.read_totals)

    async def read_quarters(self, *, since: datetime) -> tuple[QuarterCount, ...]:
        """What was decided, by the quarter hour."""
        return await self._reader.run_query(lambda db: quarters.read_quarters(db, since=since))

    async def find_rows(self, words: Sequence[str]) -> FoundRows:
        """The webhooks and events that have one of these texts."""
        return await self._reader.run_query(lambda db: find_rows.find_rows(db, words))


def _read_details(db: sqlite3.Connection) -> StatusDetails:
    return StatusDetails(
        refused=refusals.read_refused(db),
        processes=heartbeats.read_heartbeats(db),
        privacy_requests=actions.open_privacy_requests(db),
        recent=recent_outcomes.read_recent(db),
        checks=destinations.read_checks(db),
        waiting=recall_waits.read_waiting(db),
        doubted=doubles.newest_doubted(db),
    )
