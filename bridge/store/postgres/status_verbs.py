"""The verbs of a PostgreSQL store that are about the bridge itself, and about the web console's sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.core.model import Ignored, Routed
from bridge.store.postgres.admin import release, remap
from bridge.store.postgres.db.link import DatabaseLink
from bridge.store.postgres.tables import actions, console, destinations
from bridge.store.status_views import ActionTaken, RemappedEvent


class PostgresStatusVerbs:
    """What `PostgresStore` has of them; the connections are its own."""

    _deliver: DatabaseLink
    _reader: DatabaseLink
    _translate: DatabaseLink
    _window: int

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
