"""Searches that end: a page of a list is looked for among a bounded number of rows, downwards from a cursor."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from bridge.store.codec.columns import maybe_instant, public_number
from bridge.store.row_filter import RowFilter, RowPage
from bridge.store.sqlite.admin import queries
from bridge.store.sqlite.admin.filters import (
    EVENTS,
    WEBHOOKS,
    RowKind,
    cursor_number,
    make_cursor,
    with_numbered_cursors,
)
from bridge.store.views import EventRow, WebhookRow

R = TypeVar("R")


def search_webhooks(db: sqlite3.Connection, which: RowFilter, *, most: int) -> RowPage[WebhookRow]:
    """A page of webhooks."""
    return _search_rows(db, which, WEBHOOKS, most=most, ask=lambda bounded: queries.list_webhooks(db, bounded))


def search_events(db: sqlite3.Connection, which: RowFilter, *, most: int) -> RowPage[EventRow]:
    """A page of events."""
    which = with_numbered_cursors(db, which)
    return _search_rows(db, which, EVENTS, most=most, ask=lambda bounded: queries.list_events(db, bounded))


def _search_rows(
    db: sqlite3.Connection, which: RowFilter, kind: RowKind, *, most: int, ask: Callable[[RowFilter], Sequence[R]]
) -> RowPage[R]:
    table = f"{kind.name}s"
    first, last = db.execute(  # one query of both would walk through the table
        f"SELECT (SELECT min(number) FROM {table}), (SELECT max(number) FROM {table})"  # noqa: S608  one of two names
    ).fetchone()
    before, after = cursor_number(which.before, kind), cursor_number(which.after, kind)
    if last is None:
        return RowPage((), None, None, 0, None)
    top = last + 1 if before is None else min(before, last + 1)
    floor = max(after or 0, top - 1 - most, first - 1)
    rows = tuple(ask(replace(which, after=make_cursor(floor), before=make_cursor(top))))
    is_full = bool(rows) and len(rows) == which.limit
    lowest = _number_of(db, rows[-1]) if is_full else floor + 1
    return RowPage(
        rows=rows,
        older=make_cursor(lowest) if lowest > first else None,
        newest=make_cursor(last),
        looked=max(0, top - lowest),
        back_to=_made_at(db, kind, lowest) if top > lowest else None,
    )


def _number_of(db: sqlite3.Connection, row: object) -> int:
    match row:
        case WebhookRow(id=public_id):
            return public_number("wh", public_id) or 0
        case EventRow(id=event_id, origin=origin):
            found: int = db.execute(
                "SELECT max(number) FROM events WHERE id = ? AND origin = ?", (event_id, origin)
            ).fetchone()[0]
            return found
        case _:
            raise AssertionError(type(row))


def _made_at(db: sqlite3.Connection, kind: RowKind, number: int) -> datetime | None:
    """When the first row was made that has this number or a higher one: some were purged."""
    table, column = ("webhooks", "received_at") if kind is WEBHOOKS else ("events", "created_at")
    row = db.execute(f"SELECT {column} FROM {table} WHERE number >= ? ORDER BY number LIMIT 1", (number,))  # noqa: S608  names that stand above
    return maybe_instant((row.fetchone() or (None,))[0])
