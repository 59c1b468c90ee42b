"""A RowFilter as SQL: the conditions for the rows of a list, or of a verb by hand.

`source` means what that source received, `reason` a reason that contains those words.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bridge.core.delivery import DeliveryState
from bridge.core.errors import NotFound, SettingsError
from bridge.core.model import WebhookState
from bridge.store.codec.columns import maybe_text, ms_up, public_number, storable_text
from bridge.store.row_filter import RowFilter

_CURSOR = re.compile(r"~[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class RowKind:
    """A kind of row: the SQL for each part of a RowFilter. States are literal, so that SQLite uses their indexes."""

    name: str
    named: Callable[[str], int | str | None]
    ids: str
    states: Mapping[str, str]
    source: str
    destination: str
    reason: str
    since: str
    number: str
    topic: str
    few: str | None = None
    """A state that few rows have: they are found by its index and then sorted, not looked for among all rows."""


WEBHOOKS = RowKind(
    name="webhook",
    named=lambda public_id: public_number("wh", public_id),
    ids="w.number IN (SELECT value FROM json_each(?))",
    states={state.value: f"w.state = '{state.value}'" for state in WebhookState},
    source="w.source = ?",
    destination="""
        EXISTS (SELECT 1 FROM events JOIN deliveries ON deliveries.event = events.number
                WHERE events.webhook = w.number AND deliveries.destination = ?)
    """,
    reason="instr(w.reason, ?) > 0",
    since="w.received_at >= ?",
    number="w.number",
    topic="w.topic = ?",
    few=WebhookState.RECEIVED,
)
EVENTS = RowKind(
    name="event",
    named=lambda public_id: public_id,
    ids="e.id IN (SELECT value FROM json_each(?))",
    states={
        "fresh": "e.duplicate_of IS NULL",
        "duplicate": "e.duplicate_of IS NOT NULL",
        "differing": "e.differs",
        "no_longer_made": "instr(e.notes, 'no longer made: ') > 0",
    },
    source="e.origin = 'source:' || ?",
    destination="EXISTS (SELECT 1 FROM deliveries WHERE deliveries.event = e.number AND deliveries.destination = ?)",
    reason="""
        EXISTS (SELECT 1 FROM deliveries WHERE deliveries.event = e.number AND instr(deliveries.reason, ?) > 0)
    """,
    since="e.created_at >= ?",
    number="e.number",
    topic="e.event_type = ?",
)
DELIVERIES = RowKind(
    name="delivery",
    named=lambda public_id: public_number("dlv", public_id),
    ids="d.number IN (SELECT value FROM json_each(?))",
    states={state.value: f"d.state = '{state.value}'" for state in DeliveryState},
    source="(SELECT origin FROM events WHERE events.number = d.event) = 'source:' || ?",
    destination="d.destination = ?",
    reason="instr(d.reason, ?) > 0",
    since="d.created_at >= ?",
    number="d.number",
    topic="(SELECT event_type FROM events WHERE events.number = d.event) = ?",
    few=DeliveryState.PENDING,
)


def where_conditions(which: RowFilter, kind: RowKind) -> tuple[str, list[object]]:
    """Returns what follows WHERE, and its parameters. Raises SettingsError for a state that such rows do not have."""
    said: list[tuple[str, list[object]]] = [("1", [])]
    if which.ids is not None:
        said.append((kind.ids, [json.dumps([name for one in which.ids if (name := kind.named(one)) is not None])]))
    if which.state is not None:
        said.append((_state_condition(which.state, kind), []))
    said += [
        (sql, [value])
        for sql, value in (
            (kind.source, maybe_text(which.source)),
            (kind.destination, maybe_text(which.destination)),
            (kind.reason, maybe_text(which.reason)),
            (kind.topic, maybe_text(which.topic)),
            (kind.since, None if which.since is None else ms_up(which.since)),
            (f"{kind.number} < ?", cursor_number(which.before, kind)),
            (f"{kind.number} > ?", cursor_number(which.after, kind)),
        )
        if value is not None
    ]
    return " AND ".join(sql for sql, _ in said), [value for _, values in said for value in values]


def make_cursor(number: int) -> str:
    """The cursor of the row with that number, whatever its id. No event can be called so."""
    return f"~{number}"


def cursor_number(cursor: str | None, kind: RowKind) -> int | None:
    """The number of the row that a cursor names, or that its public id has. Raises NotFound."""
    if cursor is None:
        return None
    number = int(cursor[1:]) if _CURSOR.fullmatch(cursor) else kind.named(cursor)
    if not isinstance(number, int):
        raise not_found(cursor, kind)
    return number


def with_numbered_cursors(db: sqlite3.Connection, which: RowFilter) -> RowFilter:
    """A filter of events whose cursors are no ids any more. Raises NotFound for an id that no event has."""
    return replace(which, before=_numbered_cursor(db, which.before), after=_numbered_cursor(db, which.after))


def _numbered_cursor(db: sqlite3.Connection, cursor: str | None) -> str | None:
    if cursor is None or cursor.startswith("~"):
        return cursor
    row = db.execute("SELECT max(number) FROM events WHERE id = ?", (storable_text(cursor),)).fetchone()
    if row[0] is None:
        raise not_found(cursor, EVENTS)
    return make_cursor(row[0])


def order_by_newest(which: RowFilter, kind: RowKind) -> str:
    """Returns what follows ORDER BY for newest first. A `+` keeps SQLite from walking through all rows in order."""
    return f"{'+' if which.state is not None and which.state == kind.few else ''}{kind.number} DESC"


def at_most(which: RowFilter) -> int:
    """Returns what follows LIMIT; -1 is no limit for SQLite."""
    return -1 if which.limit is None else which.limit


def row_numbers(which: RowFilter, kind: RowKind) -> list[int]:
    """Returns the row numbers in a RowFilter's ids. Raises NotFound for an id that no such row could have."""
    found = [(one, kind.named(one)) for one in which.ids or ()]
    for public_id, name in found:
        if name is None:
            raise not_found(public_id, kind)
    return [name for _, name in found if isinstance(name, int)]


def not_found(public_id: str, kind: RowKind) -> NotFound:
    """Returns the error for an id that no row of that kind has."""
    return NotFound(f"there is no {kind.name} {public_id[:80]!r}; `trackbridge list` shows the ids")


def _state_condition(state: str, kind: RowKind) -> str:
    try:
        return kind.states[state]
    except KeyError:
        known = ", ".join(kind.states)
        raise SettingsError(f"no {kind.name} can be {state[:40]!r}; its states are {known}") from None
