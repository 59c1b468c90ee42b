"""A RowFilter as SQL: the conditions for the rows of a list.

`source` means what that source received, `reason` a reason that contains those words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from bridge.core.delivery import DeliveryState
from bridge.core.errors import NotFound, SettingsError
from bridge.core.model import WebhookState
from bridge.store.codec.columns import ms_up, public_number
from bridge.store.postgres.db.texts import maybe_server_text, server_text
from bridge.store.postgres.db.transaction import select
from bridge.store.row_filter import RowFilter

MOST_NUMBER = 2**63 - 1
"""Above every number of a row."""
_CURSOR = re.compile(r"~[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class RowColumns:
    """A kind of row: the SQL for each part of a RowFilter."""

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


WEBHOOKS = RowColumns(
    name="webhook",
    named=lambda public_id: public_number("wh", public_id),
    ids="w.number = ANY(%s::bigint[])",
    states={state.value: f"w.state = '{state.value}'" for state in WebhookState},
    source="w.source = %s",
    destination="""
        EXISTS (SELECT 1 FROM events JOIN all_deliveries ON all_deliveries.event = events.number
                WHERE events.webhook = w.number AND all_deliveries.destination = %s)
    """,
    reason="position(%s::text IN w.reason) > 0",
    since="w.received_at >= %s",
    number="w.number",
    topic="w.topic = %s",
)
EVENTS = RowColumns(
    name="event",
    named=lambda public_id: public_id,
    ids="e.id = ANY(%s::text[])",
    states={
        "fresh": "e.duplicate_of IS NULL",
        "duplicate": "e.duplicate_of IS NOT NULL",
        "differing": "e.differs",
        "no_longer_made": "position('no longer made: ' IN e.notes) > 0",
    },
    source="e.origin = 'source:' || %s::text",
    destination="EXISTS (SELECT 1 FROM all_deliveries AS d WHERE d.event = e.number AND d.destination = %s)",
    reason="EXISTS (SELECT 1 FROM all_deliveries AS d WHERE d.event = e.number AND position(%s::text IN d.reason) > 0)",
    since="e.created_at >= %s",
    number="e.number",
    topic="e.event_type = %s",
)
DELIVERIES = RowColumns(
    name="delivery",
    named=lambda public_id: public_number("dlv", public_id),
    ids="d.number = ANY(%s::bigint[])",
    states={state.value: f"d.state = '{state.value}'" for state in DeliveryState},
    source="e.origin = 'source:' || %s::text",
    destination="d.destination = %s",
    reason="position(%s::text IN d.reason) > 0",
    since="d.created_at >= %s",
    number="d.number",
    topic="e.event_type = %s",
)


def where_conditions(which: RowFilter, kind: RowColumns) -> tuple[str, list[object]]:
    """Returns what follows WHERE, and its parameters. Raises SettingsError for a state that such rows do not have."""
    said: list[tuple[str, list[object]]] = [("true", [])]
    if which.ids is not None:
        said.append((kind.ids, [[name for one in which.ids if (name := kind.named(one)) is not None]]))
    if which.state is not None:
        said.append((_state_condition(which.state, kind), []))
    said += [
        (sql, [value])
        for sql, value in (
            (kind.source, maybe_server_text(which.source)),
            (kind.destination, maybe_server_text(which.destination)),
            (kind.reason, maybe_server_text(which.reason)),
            (kind.topic, maybe_server_text(which.topic)),
            (kind.since, None if which.since is None else ms_up(which.since)),
            (f"{kind.number} < %s", cursor_number(which.before, kind)),
            (f"{kind.number} > %s", cursor_number(which.after, kind)),
        )
        if value is not None
    ]
    return " AND ".join(sql for sql, _ in said), [value for _, values in said for value in values]


def with_numbered_cursors(db: psycopg.Connection[Any], which: RowFilter) -> RowFilter:
    """A filter of events whose cursors are no ids any more. Raises NotFound for an id that no event has."""
    return replace(which, before=_numbered_cursor(db, which.before), after=_numbered_cursor(db, which.after))


def _numbered_cursor(db: psycopg.Connection[Any], cursor: str | None) -> str | None:
    if cursor is None or cursor.startswith("~"):
        return cursor
    [(number,)] = select(db, "SELECT max(number) FROM events WHERE id = %s", (server_text(cursor),))
    if number is None:
        raise not_found(cursor, EVENTS)
    return make_cursor(number)


def make_cursor(number: int) -> str:
    """The cursor of the row with that number."""
    return f"~{number}"


def cursor_number(cursor: str | None, kind: RowColumns) -> int | None:
    """The number of the row that a cursor names, None for none. Raises NotFound for one that names no row."""
    if cursor is None:
        return None
    number = int(cursor[1:]) if _CURSOR.fullmatch(cursor) else kind.named(cursor)
    if not isinstance(number, int) or number > MOST_NUMBER:
        raise not_found(cursor, kind)
    return number


def row_numbers(which: RowFilter, kind: RowColumns) -> list[int]:
    """Returns the row numbers in a RowFilter's ids. Raises NotFound for an id that no such row could have."""
    found = [(one, kind.named(one)) for one in which.ids or ()]
    for public_id, name in found:
        if name is None:
            raise not_found(public_id, kind)
    return [name for _, name in found if isinstance(name, int)]


def not_found(public_id: str, kind: RowColumns) -> NotFound:
    """Returns the error for an id that no row of that kind has."""
    return NotFound(f"there is no {kind.name} {public_id[:80]!r}; `trackbridge list` shows the ids")


def _state_condition(state: str, kind: RowColumns) -> str:
    try:
        return kind.states[state]
    except KeyError:
        known = ", ".join(kind.states)
        raise SettingsError(f"no {kind.name} can be {state[:40]!r}; its states are {known}") from None
