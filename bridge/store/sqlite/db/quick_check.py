"""Whether SQLite finds the file of a store damaged, by its own `quick_check`, which may stop after a time.

It reads every page and compares no index with its table: https://www.sqlite.org/pragma.html#pragma_quick_check
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from bridge.store.sqlite.db import errors, open_file

AT_START = timedelta(seconds=2)
"""How long `serve` checks before it starts. On two busy cores 2.4 GB took 19 s from memory and 113 s from the disk, so
that a whole check of a large store would keep webhooks waiting for minutes. `trackbridge backup` checks all of it."""
_AGAIN = 0.01
_SOUND = ("ok",)


def check_file(path: str, *, within: timedelta | None = None, copy_of: str | None = None) -> bool:
    """Whether all of the file was checked, and not only what there was time for `within`.

    What is wrong with a copy that no process writes is reported of the store it is a copy of. Raises StoreUnusable if
    SQLite finds damage, StoreUnavailable if the file cannot be opened now.
    """
    with (
        errors.explained_errors(copy_of or path),
        closing(open_file.open_as_it_is(path, closed=copy_of is not None)) as db,
    ):
        try:
            with _interrupt_after(db, within):
                found = db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if within and errors.result_code(error) == sqlite3.SQLITE_INTERRUPT:
                return False
            raise
    if found != _SOUND:
        raise errors.damaged_error(copy_of or path, f"damaged ({found[0]})")
    return True


@contextmanager
def _interrupt_after(db: sqlite3.Connection, within: timedelta | None) -> Iterator[None]:
    """Interrupt what runs on a connection after that time.

    A progress handler would not do: SQLite before 3.42 calls none while it walks through the pages.
    """
    if within is None:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_interrupt_repeatedly, args=(db, within.total_seconds(), over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _interrupt_repeatedly(db: sqlite3.Connection, seconds: float, over: threading.Event) -> None:
    """Interrupt until `over` is set: an interrupt has no effect before a statement has begun."""
    while not over.wait(seconds):
        db.interrupt()
        seconds = _AGAIN
