"""Events whose mapping was mended. What becomes of each is decided in `rules/remap_events.py`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.core.model import Ignored, Routed
from bridge.store.codec.columns import maybe_text, split_keys, unpack_list
from bridge.store.rules.remap_events import EventRemapping
from bridge.store.rules.remap_pairs import GONE, KeptEvent, pair_events
from bridge.store.sqlite.admin.event_changes import SqliteEventChanges
from bridge.store.sqlite.tables import conversions
from bridge.store.status_views import RemappedEvent


def remap_events(  # noqa: PLR0913  what and when, by name
    db: sqlite3.Connection,
    webhook: int,
    events: Sequence[Routed],
    *,
    now: datetime,
    since: datetime,
    ignored: Ignored | None = None,
) -> tuple[RemappedEvent, ...]:
    """Make a webhook's events what `events` says, which its mapping makes now; returns those that changed by it.

    And the duplicates of those that lost a key, which the caller decides on: their webhooks are translated for that.
    What was attempted stays told, under the keys of now. Which event is which is decided as `pair_events` says. A
    webhook that is `ignored` now and has no event left is kept as ignored, with what that tells the ledger.
    """
    remapping = EventRemapping(SqliteEventChanges(db, now, since), webhook)
    remapping.remap_all(pair_events(_read_kept_events(db, webhook), events), has_purged=_has_purged(db, webhook))
    if ignored is not None:
        _set_ignored(db, webhook, ignored, now=now)
    return tuple(remapping.done)


def _read_kept_events(db: sqlite3.Connection, webhook: int) -> list[KeptEvent]:
    """A webhook's events, in the order in which they were made."""
    rows = db.execute(
        """
        SELECT number, id, coalesce(given_id, ''), origin, event_type, text, claims, duplicate_of, EXISTS (
            SELECT 1 FROM deliveries WHERE event = e.number AND (attempts > 0 OR token IS NOT NULL)
        ), notes
        FROM events AS e WHERE webhook = ? ORDER BY number
        """,
        (webhook,),
    )
    return [
        KeptEvent(
            number, name, given, origin, kind, text, split_keys(claims), original, bool(attempted),
            GONE in unpack_list(notes),
        )
        for number, name, given, origin, kind, text, claims, original, attempted, notes in rows
    ]  # fmt: skip


def _set_ignored(db: sqlite3.Connection, webhook: int, ignored: Ignored, *, now: datetime) -> None:
    changed = db.execute(
        """
        UPDATE webhooks AS w SET state = 'ignored', reason = ?, due = NULL
        WHERE number = ? AND state = 'translated' AND NOT EXISTS (SELECT 1 FROM events WHERE webhook = w.number)
        """,
        (maybe_text(ignored.reason), webhook),
    ).rowcount
    if changed:
        conversions.apply_effects(db, [(webhook, ignored.effects)], now=now)


def _has_purged(db: sqlite3.Connection, webhook: int) -> bool:
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM purged_events WHERE webhook = ?)", (webhook,)).fetchone()[0])
