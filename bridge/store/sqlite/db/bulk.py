"""Many rows in one statement.

Each step of a statement releases Python's lock and has to acquire it again, which under load costs more than the row.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

_SIZES = (100, 10, 1)
"""How many rows one statement takes: few sizes, so that each is prepared once."""


def insert_rows(db: sqlite3.Connection, into: str, rows: Sequence[Sequence[Any]], then: str = "") -> None:
    """Insert the rows, all of the same length, by `INSERT INTO {into} VALUES … {then}`."""
    for chunk in _split_rows(rows):
        db.execute(_insert_statement(into, len(chunk), len(chunk[0]), then), tuple(chain.from_iterable(chunk)))


@lru_cache(maxsize=64)
def _insert_statement(into: str, rows: int, columns: int, then: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)} {then}"  # noqa: S608  what a verb of ours says, and marks


def select_keys(db: sqlite3.Connection, select: str, keys: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Returns the rows that `{select} IN (…)` finds for these keys."""
    rows: list[tuple[Any, ...]] = []
    for chunk in _split_rows(keys):
        rows += db.execute(f"{select} IN ({', '.join('?' * len(chunk))})", tuple(chunk)).fetchall()
    return rows


def select_rows(db: sqlite3.Connection, select: str, values: Sequence[Any], *, columns: str, text: str) -> list[Any]:
    """The rows of a select in its order: these columns, of numbers and texts, then the bytes of the column `text`."""
    found, texts = db.execute(
        f"""
        SELECT json_group_array(json_array({columns}, length({text}))),
            CAST(group_concat(CAST({text} AS TEXT), '') AS BLOB)
        FROM ({select})
        """,  # noqa: S608  what a verb of ours says, and marks
        values,
    ).fetchone()
    at = 0
    rows: list[Any] = []
    for *row, size in json.loads(found):
        rows.append((*row, texts[at : at + size]))
        at += size
    return rows


def _split_rows(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    at = 0
    for size in _SIZES:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size


def last_number(db: sqlite3.Connection, table: str) -> int:
    """The last number that a table gave, whether or not that row is still there; within a transaction it stays."""
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return found[0] if found else 0
