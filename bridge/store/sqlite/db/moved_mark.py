"""The mark of a store that is being moved, or was moved, to another one: it takes nothing more.

The move itself is in `bridge.store.moving`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bridge.core.errors import StoreUnusable
from bridge.store.codec.columns import from_ms
from bridge.store.sqlite.db import errors, open_file


@dataclass(frozen=True, slots=True)
class MovedMark:
    """A move under way, or done: its token, which both sides have, its target, how much history goes, and when."""

    token: str
    target: str
    history: str
    begun_at: int
    finished_at: int | None = None


def read_mark(db: sqlite3.Connection) -> MovedMark | None:
    """The mark of a store of any version; None where there is none."""
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'moved_to'").fetchone() is None:
        return None
    row = db.execute("SELECT token, target, history, begun_at, finished_at FROM moved_to").fetchone()
    return MovedMark(*row) if row else None


def write_mark(db: sqlite3.Connection, mark: MovedMark) -> None:
    """Mark the store."""
    db.execute(
        "INSERT OR REPLACE INTO moved_to VALUES (1, ?, ?, ?, ?, ?)",
        (mark.token, mark.target, mark.history, mark.begun_at, mark.finished_at),
    )


def require_unmoved(path: str) -> None:
    """Raises StoreUnusable for a store that is being moved, or was moved, which says where. None may be there."""
    if not Path(path).exists() or not Path(path).stat().st_size:
        return
    with errors.explained_errors(path), closing(open_file.open_as_it_is(path)) as db:
        mark = read_mark(db)
    if mark is not None:
        raise StoreUnusable(_refusal(path, mark))


def _refusal(path: str, mark: MovedMark) -> str:
    if mark.finished_at is not None:
        return (
            f"the store {path} was moved to {mark.target} on {from_ms(mark.finished_at):%Y-%m-%d %H:%M} UTC, and takes "
            "nothing more; set BRIDGE_STORE to that one"
        )
    return (
        f"the store {path} is being moved to {mark.target}, and takes nothing more; type the same `trackbridge move` "
        "again to go on, or with --cancel to give it up"
    )
