"""Events whose mapping was mended: they take the conversion keys that it gives now, and duplicates are decided anew.

What was told stays as it was told: it keeps its id and its text, and is not sent again.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.core.model import Event, Routed
from bridge.store.sqlite.admin.release import find_holders, tell_duplicate
from bridge.store.sqlite.admin.rewrite import overwrite_event
from bridge.store.sqlite.db.columns import join_keys, split_keys, to_ms
from bridge.store.sqlite.tables import events as making
from bridge.store.sqlite.tables import ledger, originals


@dataclass(frozen=True, slots=True)
class _KeptEvent:
    number: int
    id: str
    event_type: str
    claims: tuple[bytes, ...]
    duplicate_of: int | None


def remap_events(
    db: sqlite3.Connection, webhook: int, events: Sequence[Routed], *, now: datetime, since: datetime
) -> tuple[str, ...]:
    """Give a webhook's events the keys that they have in `events`, which its mapping makes now.

    Each is matched to the one of its type at the same place, not by a key; where there are more or fewer of a type than
    before, nobody knows which is which, and they keep their keys. Returns the ids of those that were duplicates and are
    told now, with the text of now.
    """
    told = []
    for kept, routed in _match_events(db, webhook, events):
        if kept.duplicate_of is None:
            _move_keys(db, kept, routed.event, at=to_ms(now))
        elif _decide_anew(db, kept, making.NewEvent(routed, to_ms(now), webhook), since=since):
            told.append(kept.id)
    return tuple(told)


def _match_events(
    db: sqlite3.Connection, webhook: int, events: Sequence[Routed]
) -> Iterator[tuple[_KeptEvent, Routed]]:
    rows: defaultdict[str, list[_KeptEvent]] = defaultdict(list)
    for number, name, event_type, claims, original in db.execute(
        "SELECT number, id, event_type, claims, duplicate_of FROM events WHERE webhook = ? ORDER BY number", (webhook,)
    ):
        rows[event_type].append(_KeptEvent(number, name, event_type, split_keys(claims), original))
    made: defaultdict[str, list[Routed]] = defaultdict(list)
    for routed in events:
        made[routed.event.event_type].append(routed)
    for event_type, kept in rows.items():
        if len(kept) == len(made[event_type]):
            yield from zip(kept, made[event_type], strict=True)


def _move_keys(db: sqlite3.Connection, kept: _KeptEvent, event: Event, *, at: int) -> None:
    keys = event.conversion_keys
    gone = [key for key in kept.claims if key not in keys]
    ledger.remove_keys(db, [key for key, (number, _) in ledger.find_keys(db, gone).items() if number == kept.number])
    held = find_holders(db, keys, but=kept.number)
    ledger.add_entries(db, [(key, kept.number, at) for key in keys if key not in held])
    _write_keys(db, kept.number, event)


def _decide_anew(db: sqlite3.Connection, kept: _KeptEvent, made: making.NewEvent, *, since: datetime) -> bool:
    """Decide whether a duplicate still is one; returns whether it is told now."""
    event = made.routed.event
    held = find_holders(db, event.conversion_keys, but=kept.number)
    original = making.find_original(db, made, held, since=since)
    _write_keys(db, kept.number, event)
    if original is not None:
        differs = originals.content_differs(event, original)
        db.execute(
            "UPDATE events SET duplicate_of = ?, differs = ? WHERE number = ?", (original.number, differs, kept.number)
        )
        return False
    overwrite_event(db, kept.number, event, called=kept.id)
    tell_duplicate(
        db, kept.number, kept.event_type, [key for key in event.conversion_keys if key not in held],
        made.routed.routes, at=made.at,
    )  # fmt: skip
    return True


def _write_keys(db: sqlite3.Connection, number: int, event: Event) -> None:
    db.execute(
        "UPDATE events SET claims = ?, dedupes = ?, rank = ?, mapping = ? WHERE number = ?",
        (join_keys(event.conversion_keys), event.dedupes, event.rank, event.mapping, number),
    )
