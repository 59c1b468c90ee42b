"""Searches that end: a page of a list is looked for among a bounded number of rows, downwards from a cursor.

A row may be committed after one with a larger number. So a page ends below the numbers that a transaction under way may
have drawn: whoever asks again for newer rows misses none, and sees none twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import psycopg

from bridge.store.codec.columns import maybe_instant, public_number
from bridge.store.postgres.admin import queries
from bridge.store.postgres.admin.filters import (
    EVENTS,
    WEBHOOKS,
    RowColumns,
    cursor_number,
    make_cursor,
    with_numbered_cursors,
)
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import select
from bridge.store.row_filter import RowFilter, RowPage
from bridge.store.views import EventRow, WebhookRow

R = TypeVar("R")
_HORIZON = """
    SELECT least(draw_block(), (
        SELECT ((extract(epoch FROM min(xact_start)) * 1000)::bigint - 1577836800001) << 21 FROM pg_stat_activity
        WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
    ))
"""
"""Each transaction under way has drawn its numbers since it began, and they begin with their millisecond."""


@dataclass(frozen=True, slots=True)
class _Table:
    """Where the rows of a list are, and when each was made."""

    kind: RowColumns
    name: str
    made_at: str


_WEBHOOKS = _Table(WEBHOOKS, "webhooks", "received_at")
_EVENTS = _Table(EVENTS, "events", "created_at")


def read_horizon(db: psycopg.Connection[Any]) -> int:
    """A number below which nothing can be committed any more; it is read before what is searched."""
    [(number,)] = select(db, _HORIZON)
    return int(number)


def search_webhooks(db: psycopg.Connection[Any], which: RowFilter, *, most: int, horizon: int) -> RowPage[WebhookRow]:
    """A page of webhooks below the horizon."""
    return _search_rows(
        db, which, _WEBHOOKS, most=most, horizon=horizon, ask=lambda bounded: queries.list_webhooks(db, bounded)
    )


def search_events(db: psycopg.Connection[Any], which: RowFilter, *, most: int, horizon: int) -> RowPage[EventRow]:
    """A page of events below the horizon."""
    which = with_numbered_cursors(db, which)
    return _search_rows(
        db, which, _EVENTS, most=most, horizon=horizon, ask=lambda bounded: queries.list_events(db, bounded)
    )


def _search_rows(  # noqa: PLR0913  by name
    db: psycopg.Connection[Any],
    which: RowFilter,
    table: _Table,
    *,
    most: int,
    horizon: int,
    ask: Callable[[RowFilter], Sequence[R]],
) -> RowPage[R]:
    before, after = cursor_number(which.before, table.kind), cursor_number(which.after, table.kind)
    [(first, last)] = select(
        db,
        f"SELECT (SELECT min(number) FROM {table.name} WHERE number < %s), "  # noqa: S608  one of two names
        f"(SELECT max(number) FROM {table.name} WHERE number < %s)",
        (horizon, horizon),
    )
    if last is None:
        return RowPage((), None, None, 0, None)
    top = last + 1 if before is None else min(before, last + 1)
    looked, lowest = _look_down(db, table, top=top, above=after or 0, most=most)
    if lowest is None:
        return RowPage((), make_cursor(top) if top > first else None, make_cursor(last), 0, None)
    rows = tuple(ask(replace(which, after=make_cursor(lowest - 1), before=make_cursor(top))))
    if rows and len(rows) == which.limit:
        lowest = _number_of(db, rows[-1])
        looked, _ = _look_down(db, table, top=top, above=lowest - 1, most=most)
    [(made_at,)] = select(db, f"SELECT {table.made_at} FROM {table.name} WHERE number = %s", (lowest,))  # noqa: S608  the same
    return RowPage(
        rows=rows,
        older=make_cursor(lowest) if lowest > first else None,
        newest=make_cursor(last),
        looked=looked,
        back_to=maybe_instant(made_at),
    )


def _look_down(
    db: psycopg.Connection[Any], table: _Table, *, top: int, above: int, most: int
) -> tuple[int, int | None]:
    """How many of the newest `most` rows there are below `top`, and the lowest of them; None for none."""
    [(count, lowest)] = select(
        db,
        f"""
        SELECT count(*), min(number) FROM (
            SELECT number FROM {table.name} WHERE number < %s AND number > %s ORDER BY number DESC LIMIT %s
        ) AS newest
        """,  # noqa: S608  one of two names
        (top, above, most),
    )
    return count, lowest


def _number_of(db: psycopg.Connection[Any], row: object) -> int:
    match row:
        case WebhookRow(id=public_id):
            return public_number("wh", public_id) or 0
        case EventRow(id=event_id, origin=origin):
            names = server_text(event_id), server_text(origin)
            [(found,)] = select(db, "SELECT max(number) FROM events WHERE id = %s AND origin = %s", names)
            return int(found)
        case _:
            raise AssertionError(type(row))
