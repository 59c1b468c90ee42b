"""The threads that read: a few connections, each query in one snapshot, none of them blocking the writer."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from bridge.core.errors import StoreUnavailable
from bridge.store.sqlite.db import errors
from bridge.store.sqlite.db.connection import StoreConnection
from bridge.store.sqlite.db.wal_guard import WalGuard

T = TypeVar("T")

_ODD = (ArithmeticError, LookupError, TypeError, ValueError)
"""Errors that reading a row raises if the disk has changed its bytes."""
READERS = 2
"""Reading threads: with two, a long list does not delay the short queries of the delivery loops."""


class ReaderPool:
    """The threads and their connections."""

    def __init__(self, path: str, guard: WalGuard | None = None, *, patience: timedelta) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(READERS, "trackbridge-reader")
        self._lines: queue.SimpleQueue[StoreConnection] = queue.SimpleQueue()
        for _ in range(READERS):
            self._lines.put(StoreConnection(path, guard, busy=patience, reading=True))

    async def run_query(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Returns what `run` returns. Raises StoreUnavailable if the store cannot be read, or is closed."""
        try:
            future = self._pool.submit(self._answer_query, run)
        except RuntimeError:
            raise StoreUnavailable("the store is closed") from None
        return await asyncio.wrap_future(future)

    def close_all(self, last: Callable[[sqlite3.Connection], None]) -> None:
        """Finish the queries under way, run `last`, and close the connections. Blocks until it is done."""
        with suppress(RuntimeError, StoreUnavailable):  # once more, or there is no such file
            self._pool.submit(self._answer_query, last).result()
        self._pool.shutdown(wait=True)
        while not self._lines.empty():
            self._lines.get().close_connection()

    def _answer_query(self, run: Callable[[sqlite3.Connection], T]) -> T:
        line = self._lines.get()
        try:
            db = line.open_if_needed()
            db.execute("BEGIN")
            try:
                return run(db)
            finally:
                line.roll_back()
        except sqlite3.Error as error:
            if not errors.is_passing(error):
                line.close_connection()
            raise errors.store_error(error, self._path) from error
        except _ODD as error:
            raise errors.foreign_value(error, self._path) from error
        finally:
            self._lines.put(line)
