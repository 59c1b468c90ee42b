"""The verbs of a PostgreSQL store that are about the bridge itself, and about the web console's sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.core.model import Ignored, Routed
from bridge.store.postgres.admin import details, duplicates, find_rows, release, remap, summary
from bridge.store.postgres.db.link import DatabaseLink
from bridge.store.postgres.tables import (
    actions,
    console,
    coverage,
    destinations,
    heartbeats,
    mapping_drafts,
    quarters,
    refusals,
)
from bridge.store.protocol import StatusSummary
from bridge.store.status_views import (
    ActionTaken,
    FoundRows,
    MappingDraft,
    OutcomeCounts,
    OutcomeTotals,
    ProcessHeartbeat,
    QuarterCount,
    RefusedRequests,
    RemappedEvent,
    StatusDetails,
)
from bridge.store.views import FoundDuplicates


class PostgresStatusVerbs:
    """What `PostgresStore` has of them; the connections are its own."""

    _deliver: DatabaseLink
    _reader: DatabaseLink
    _translate: DatabaseLink
    _window: int
    _by_caller: bool

    async def add_refused(self, refused: Sequence[RefusedRequests]) -> None:
        """Add refused requests to those that are known."""
        await self._reader.write(lambda one: refusals.add_refused(one, refused))

    async def record_heartbeat(self, heartbeat: ProcessHeartbeat) -> int:
        """Write the sign of life of one process; returns how many nodes answer requests."""
        return await self._reader.write(lambda one: heartbeats.write_heartbeat(one, heartbeat), now=heartbeat.at)

    async def record_check(self, destination: str, *, failed: str | None, now: datetime) -> None:
        """Write that a destination was asked without an event."""
        await self._deliver.write(lambda one: destinations.record_check(one, destination, failed=failed), now=now)

    async def pause_destination(self, destination: str, *, reason: str, probe_at: datetime, now: datetime) -> None:
        """Pause a destination, or move the probe of one that is paused."""
        await self._deliver.write(
            lambda one: destinations.pause_destination(one, destination, reason=reason, probe_at=probe_at, now=now),
            now=now,
        )

    async def resume_destination(self, destination: str, *, now: datetime, works: bool = False) -> bool:
        """Make the probe of a paused destination due now."""
        return await self._deliver.write(
            lambda one: destinations.resume_destination(one, destination, now=now, works=works), now=now
        )

    async def status_summary(self, *, now: datetime) -> StatusSummary:
        """Returns what a status screen shows beside the counts."""
        return await self._reader.read(lambda db: summary.read_summary(db, now=now))

    async def status_details(self) -> StatusDetails:
        """Returns what `status` shows beside counts and summary."""
        return await self._reader.read(lambda db: details.read_details(db, by_caller=self._by_caller))

    async def find_rows(self, words: Sequence[str]) -> FoundRows:
        """The webhooks and events that have one of these texts."""
        return await self._reader.read(lambda db: find_rows.find_rows(db, words))

    async def find_duplicates(self, ids: Sequence[str]) -> FoundDuplicates:
        """The duplicates that have these ids, and the events that were told."""
        return await self._reader.read(lambda db: duplicates.find_duplicates(db, ids))

    async def read_outcomes(self, *, since: datetime) -> OutcomeCounts:
        """What became of deliveries, and which match keys events have."""
        return await self._reader.read(lambda db: coverage.read_outcomes(db, since=since))

    async def read_totals(self) -> OutcomeTotals:
        """All that was ever counted of the same."""
        return await self._reader.read(coverage.read_totals)

    async def read_quarters(self, *, since: datetime) -> tuple[QuarterCount, ...]:
        """What was decided, by the quarter hour."""
        return await self._reader.read(lambda db: quarters.read_quarters(db, since=since))

    async def record_action(self, action: ActionTaken) -> None:
        """Write what a person did."""
        await self._reader.write(lambda one: actions.insert_action(one, action), now=action.at)

    async def complete_privacy_request(self, public_id: str, *, who: str, now: datetime) -> ActionTaken | None:
        """Mark a privacy request as done."""
        return await self._reader.write(
            lambda one: actions.complete_privacy_request(one, public_id, who=who, now=now), now=now
        )

    async def actions_on(self, subject: str) -> tuple[ActionTaken, ...]:
        """What people did to one thing."""
        return await self._reader.read(lambda db: actions.actions_on(db, subject))

    async def newest_actions(self, *, most: int) -> tuple[ActionTaken, ...]:
        """What people did last."""
        return await self._reader.read(lambda db: actions.newest_actions(db, most=most))

    async def release_duplicates(self, chosen: Sequence[Routed], *, who: str, now: datetime) -> tuple[str, ...]:
        """Tell duplicates as conversions of their own."""
        return await self._translate.write(
            lambda one: release.release_duplicates(one, chosen, who=who, now=now, since=one.at - self._window), now=now
        )

    async def remap_events(
        self, webhook: int, events: Sequence[Routed], *, now: datetime, ignored: Ignored | None = None
    ) -> tuple[RemappedEvent, ...]:
        """Give a webhook's events the keys that its mapping makes now."""
        return await self._translate.write(
            lambda one: remap.remap_events(one, webhook, events, since=one.at - self._window, ignored=ignored), now=now
        )

    async def console_secret(self) -> bytes:
        """What sessions of the web console are signed with."""
        return await self._reader.write(console.keep_secret)

    async def add_login_code(self, digest: bytes, *, key: bytes, until: datetime, now: datetime) -> None:
        """Keep a code that logs in once."""
        await self._reader.write(lambda one: console.add_login_code(one, digest, key=key, until=until), now=now)

    async def take_login_code(self, digest: bytes, *, now: datetime) -> bytes | None:
        """The digest of the key that a code stands for, once."""
        return await self._reader.write(lambda one: console.take_login_code(one, digest), now=now)

    async def keep_draft(self, draft: MappingDraft) -> None:
        """Keep a person's draft of a mapping."""
        await self._reader.write(lambda one: mapping_drafts.keep_draft(one, draft))

    async def drop_draft(self, mapping: str, *, who: str) -> bool:
        """Delete a person's draft of a mapping."""
        return await self._reader.write(lambda one: mapping_drafts.drop_draft(one, mapping, who=who))

    async def read_drafts(self) -> tuple[MappingDraft, ...]:
        """The drafts that people work on."""
        return await self._reader.read(mapping_drafts.read_drafts)
