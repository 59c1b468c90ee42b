"""SQLite's errors in words for the caller and for the person who has to fix them.

Errors of our own (a broken constraint, a value that no column takes) stay what they are.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from bridge.core.errors import StoreUnavailable, StoreUnusable

_SHORTLY = timedelta(seconds=1)
_LATER = timedelta(seconds=30)

_WAITS: dict[int, tuple[str, timedelta]] = {
    sqlite3.SQLITE_BUSY: ("is locked by another process; it comes free by itself unless that one hangs", _SHORTLY),
    sqlite3.SQLITE_LOCKED: ("is locked by another process; it comes free by itself unless that one hangs", _SHORTLY),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full; free some space", _LATER),
    sqlite3.SQLITE_READONLY: ("may not be written; give this user write access to the file and its folder", _LATER),
    sqlite3.SQLITE_PERM: ("may not be opened; give this user access to the file and its folder", _LATER),
    sqlite3.SQLITE_AUTH: ("may not be opened; give this user access to the file and its folder", _LATER),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened; see that its folder exists and this user may write there", _LATER),
    sqlite3.SQLITE_IOERR: ("cannot be read or written; see the disk and the system's log", _LATER),
    sqlite3.SQLITE_NOMEM: ("cannot be used: there is no memory left", _LATER),
    sqlite3.SQLITE_INTERRUPT: ("was interrupted", _SHORTLY),
    sqlite3.SQLITE_PROTOCOL: ("is locked by another process; it comes free by itself unless that one hangs", _SHORTLY),
    sqlite3.SQLITE_SCHEMA: ("was changed by another process just now", _SHORTLY),
}
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_INTERRUPT})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY = 0xFF
"""An extended result code's lowest byte is the primary one: https://www.sqlite.org/rescode.html"""


def result_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for an error of Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


def ends_the_group(error: sqlite3.Error) -> bool:
    """Whether the error is of the store itself, and so of every job in the transaction, not of one job."""
    return result_code(error) in _WAITS or _is_damage(error)


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is damaged, or was emptied: then it has none of the tables that were there at the start."""
    return result_code(error) in _DAMAGED or str(error).startswith("no such table: ")


def store_error(error: sqlite3.Error, path: str) -> StoreUnavailable:
    """Returns the error with a text that names the file and the remedy."""
    if _is_damage(error):
        return damaged_error(path, "damaged or no database")
    words, wait = _WAITS.get(result_code(error), (f"cannot be used ({type(error).__name__})", _LATER))
    name = getattr(error, "sqlite_errorname", "")
    return StoreUnavailable(f"the store {path} {words}{f' ({name})' if name else ''}", retry_after=wait)


@contextmanager
def explained_errors(path: str) -> Iterator[None]:
    """Raises StoreUnavailable or StoreUnusable for what SQLite raises in the block."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    except ValueError as error:  # SQLite does not see damage within a value, and repeats it in its own messages
        raise foreign_value(error, path) from error


def foreign_value(error: Exception, path: str) -> StoreUnusable:
    """Returns the error for a value in the store that trackbridge never writes."""
    return StoreUnusable(
        f"the store {path} holds a value that cannot be read ({type(error).__name__}); check the disk and put a "
        "backup in its place, or report it as a fault of trackbridge if the disk is sound"
    )


def damaged_error(path: str, finding: str) -> StoreUnusable:
    """Returns the error for a damaged file, with the remedy."""
    there = shlex.quote(path)
    return StoreUnusable(
        f"the store {path} is {' '.join(finding.split())}; put a backup in its place: stop `trackbridge serve`, "
        f"move {there} "
        "away with its -wal and -shm but leave its -inbox, then `trackbridge restore BACKUP`; without a backup, "
        f"`sqlite3 {there} .recover` prints what can still be read"
    )


def is_passing(error: sqlite3.Error) -> bool:
    """Whether the connection can be used again after this error; else it must be opened again."""
    return result_code(error) in _PASSING
