"""Events whose mapping was mended: what was not sent yet becomes what the mapping makes now.

An event of which an attempt was made, or is being made, stays as it was told: it keeps its id and its text, is not sent
again, and takes the conversion keys of now. An event that was never attempted is changed in place, or withdrawn where
the mapping makes no such event any more. Duplicates are decided anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge import contract
from bridge.core.model import Event, Ignored, Route, Routed
from bridge.store.codec.columns import (
    join_keys,
    maybe_text,
    pack_json,
    split_keys,
    storable_text,
    to_ms,
    unpack_list,
)
from bridge.store.rules import event_ids, originals
from bridge.store.rules.event_decisions import NewEvent
from bridge.store.sqlite.admin.release import count_of_order, find_holders, tell_duplicate
from bridge.store.sqlite.admin.remap_pairs import GONE, KeptEvent, pair_events, read_kept_events
from bridge.store.sqlite.admin.rewrite import overwrite_event
from bridge.store.sqlite.tables import conversions, ledger, recall_waits
from bridge.store.sqlite.tables import events as making
from bridge.store.sqlite.tables.new_deliveries import insert_deliveries
from bridge.store.status_views import RemappedEvent, RemapResult


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
    remapping = _Remapping(db, webhook, to_ms(now), since)
    pairs = pair_events(read_kept_events(db, webhook), events)
    for kept, routed in pairs.same:
        remapping.remap_one(kept, routed)
    for kept in pairs.gone:
        if kept.is_attempted:
            remapping.note_gone(kept)
        else:
            remapping.withdraw_event(kept)
    for routed in () if _has_purged(db, webhook) else pairs.new:
        remapping.add_event(routed)
    if ignored is not None:
        _set_ignored(db, webhook, ignored, now=now)
    return tuple(remapping.done)


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
    """Whether an event of the webhook was purged: what seems new may be what that one told."""
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM purged_events WHERE webhook = ?)", (webhook,)).fetchone()[0])


def _is_same_text(kept: KeptEvent, event: Event) -> bool:
    now = event if event.id == kept.id else contract.rename_event(event, kept.id)
    return (now.text, now.event_type) == (kept.text, kept.event_type)


@dataclass(slots=True)
class _Remapping:
    """One webhook's events on their way to the keys and the text of now."""

    db: sqlite3.Connection
    webhook: int
    at: int
    since: datetime
    done: list[RemappedEvent] = field(default_factory=list)

    def remap_one(self, kept: KeptEvent, routed: Routed) -> None:
        if kept.is_attempted:
            self._move_keys(kept, routed.event)
        elif kept.duplicate_of is not None or not (
            _is_same_text(kept, routed.event) and routed.event.conversion_keys == kept.claims
        ):
            self._decide_anew(kept, routed)

    def add_event(self, routed: Routed) -> None:
        """Insert an event that the mapping did not make before."""
        (accepted,) = making.insert_events(self.db, [NewEvent(routed, self.at, self.webhook)], since=self.since)
        self.done.append(RemappedEvent(accepted.event_id, RemapResult.ADDED, accepted.duplicate_of))

    def withdraw_event(self, kept: KeptEvent) -> None:
        """Delete an event that was never sent and is made no more, with all that leads to it."""
        self._free_keys(kept, but=())
        ids = dict.fromkeys([kept.id, kept.given_id or kept.id])
        keys = [key for name in ids for key in event_ids.keys_of_id(name, origin=kept.origin)]
        repeated = self.db.execute("SELECT claims FROM events WHERE duplicate_of = ?", (kept.number,))
        keys += [key for (claims,) in repeated.fetchall() for key in split_keys(claims)]
        self._forget_keys(keys, number=kept.number)
        self._delete_deliveries(kept.number)
        self.db.execute("DELETE FROM events WHERE number = ?", (kept.number,))
        self.done.append(RemappedEvent(kept.id, RemapResult.WITHDRAWN))

    def note_gone(self, kept: KeptEvent) -> None:
        """Note at an event that was sent that nothing makes it any more; it keeps its keys."""
        if not kept.is_noted_gone:
            self._write_notes(kept.number, [*self._other_notes(kept.number), GONE])
            self.done.append(RemappedEvent(kept.id, RemapResult.NO_LONGER_MADE))

    def _other_notes(self, number: int) -> list[str]:
        (notes,) = self.db.execute("SELECT notes FROM events WHERE number = ?", (number,)).fetchone()
        return [one for one in unpack_list(notes) if one != GONE]

    def _write_notes(self, number: int, notes: Sequence[str]) -> None:
        self.db.execute("UPDATE events SET notes = ? WHERE number = ?", (pack_json(notes), number))

    def _move_keys(self, kept: KeptEvent, event: Event) -> None:
        """Give an event that was told the keys of now."""
        keys = event.conversion_keys
        self._free_keys(kept, but=keys)
        held = find_holders(self.db, keys, but=kept.number)
        ledger.add_entries(self.db, [(key, kept.number, self.at) for key in keys if key not in held])
        self._write_keys(kept.number, event)
        if kept.is_noted_gone:
            self._write_notes(kept.number, self._other_notes(kept.number))

    def _decide_anew(self, kept: KeptEvent, routed: Routed) -> None:
        """Decide on an event that was not told upstream as on a new one: it keeps its number and its id."""
        event = routed.event
        self._free_keys(kept, but=event.conversion_keys)
        held = find_holders(self.db, event.conversion_keys, but=kept.number)
        new = NewEvent(routed, self.at, self.webhook)
        original, by_order = making.find_original(self.db, new, held, since=self.since)
        same = _is_same_text(kept, event)
        self._overwrite(kept, event)
        own = [key for key in event.conversion_keys if key not in held]
        if original is not None and original.number != kept.number:
            self._repeat(kept, event, original)
            ledger.add_entries(self.db, [(key, kept.number if by_order else original.number, self.at) for key in own])
            return
        if kept.duplicate_of is not None:
            tell_duplicate(self.db, kept.number, storable_text(event.event_type), own, routed.routes, at=self.at)
            self.done.append(RemappedEvent(kept.id, RemapResult.TOLD))
            return
        if event.conversion_keys[-1:] != kept.claims[-1:]:  # of another order
            self.db.execute("UPDATE events SET of_order = NULL WHERE number = ?", (kept.number,))
            count_of_order(self.db, kept.number, own, at=self.at)
        ledger.add_entries(self.db, [(key, kept.number, self.at) for key in own])
        recall_waits.make_due(self.db, [(key, self.at) for key in own])
        if not same:
            self._send_changed(kept, routed.routes)

    def _overwrite(self, kept: KeptEvent, event: Event) -> None:
        overwrite_event(self.db, kept.number, event, called=kept.id)
        self._write_keys(kept.number, event)
        self._count(kept.event_type, storable_text(event.event_type), repeated=kept.duplicate_of is not None)
        self.db.execute(
            "UPDATE events SET event_type = ?, test = ? WHERE number = ?",
            (storable_text(event.event_type), event.test, kept.number),
        )

    def _repeat(self, kept: KeptEvent, event: Event, original: originals.OriginalEvent) -> None:
        """Make it a duplicate of another one, which what repeated it repeats, too."""
        self.db.execute(
            "UPDATE events SET duplicate_of = ?, differs = ? WHERE number = ?",
            (original.number, originals.content_differs(event, original), kept.number),
        )
        if kept.duplicate_of is None:
            self._delete_deliveries(kept.number)
            self.db.execute("UPDATE events SET duplicate_of = ? WHERE duplicate_of = ?", (original.number, kept.number))
            self._count_repeated(storable_text(event.event_type))
            self.done.append(RemappedEvent(kept.id, RemapResult.REPEATS, original.id))

    def _send_changed(self, kept: KeptEvent, routes: Sequence[Route]) -> None:
        self._delete_deliveries(kept.number)
        insert_deliveries(self.db, [(kept.number, route, self.at) for route in routes])
        self.done.append(RemappedEvent(kept.id, RemapResult.CHANGED))

    def _free_keys(self, kept: KeptEvent, *, but: Sequence[bytes]) -> None:
        """Forget the keys that an event had and does not have now; of a duplicate, those that led to its original."""
        gone = [key for key in kept.claims if key not in but]
        if gone:
            self._list_repeats(kept)
        self._forget_keys(gone, number=kept.number)
        if kept.duplicate_of is not None:
            led = [key for key, (number, _) in ledger.find_keys(self.db, gone).items() if number == kept.duplicate_of]
            self._forget_keys(self._only_its_own(kept, led) if led else (), number=kept.duplicate_of)

    def _list_repeats(self, kept: KeptEvent) -> None:
        """List the duplicates of an event, except those of the same webhook, which are decided on by themselves."""
        rows = self.db.execute(
            "SELECT id, webhook FROM events WHERE duplicate_of = ? AND webhook IS NOT ? ORDER BY number",
            (kept.number, self.webhook),
        )
        for name, webhook in rows.fetchall():
            public_id = None if webhook is None else f"wh_{webhook}"
            self.done.append(RemappedEvent(name, RemapResult.UNDECIDED, kept.id, public_id))

    def _only_its_own(self, kept: KeptEvent, keys: Sequence[bytes]) -> list[bytes]:
        """The keys of a duplicate that neither its original nor another duplicate of that has; none if it is purged."""
        first = kept.duplicate_of
        rows = dict(
            self.db.execute(
                "SELECT number, claims FROM events WHERE (number = ?1 OR duplicate_of = ?1) AND number <> ?2",
                (first, kept.number),
            ).fetchall()
        )
        others = {key for claims in rows.values() for key in split_keys(claims)}
        return [key for key in keys if key not in others] if first in rows else []

    def _forget_keys(self, keys: Iterable[bytes], *, number: int) -> None:
        found = ledger.find_keys(self.db, list(dict.fromkeys(keys)))
        ledger.remove_keys(self.db, [key for key, (holder, _) in found.items() if holder == number])

    def _delete_deliveries(self, number: int) -> None:
        """Delete deliveries that were never attempted; those that were skipped or dead are no longer counted so."""
        self.db.execute("UPDATE deliveries SET state = 'pending' WHERE event = ?", (number,))
        self.db.execute("DELETE FROM deliveries WHERE event = ?", (number,))

    def _write_keys(self, number: int, event: Event) -> None:
        self.db.execute(
            "UPDATE events SET claims = ?, dedupes = ?, rank = ?, mapping = ? WHERE number = ?",
            (join_keys(event.conversion_keys), event.dedupes, event.rank, event.mapping, number),
        )

    def _count(self, before: str, after: str, *, repeated: bool) -> None:
        state = "duplicate" if repeated else "fresh"
        self._add_counts([(before, state, -1), (after, state, 1)])

    def _count_repeated(self, event_type: str) -> None:
        self._add_counts([(event_type, "fresh", -1), (event_type, "duplicate", 1)])

    def _add_counts(self, changes: Sequence[tuple[str, str, int]]) -> None:
        self.db.executemany(
            "INSERT INTO counts VALUES ('events', ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", changes
        )
