"""The threads that read: a few connections, each question in one snapshot, none of them in the writer's way.

Not concerned with what is asked.
"""

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
from bridge.store.sqlite.db.connection import Line

T = TypeVar("T")

_ODD = (ArithmeticError, LookupError, TypeError, ValueError)
"""What reading a row comes to whose bytes the disk has changed."""
READERS = 2
"""So that a long list does not hold up the forwarder's short questions."""


class Reader:
    """The threads and their connections."""

    def __init__(self, path: str, *, patience: timedelta) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(READERS, "trackbridge-reader")
        self._lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
        for _ in range(READERS):
            self._lines.put(Line(path, busy=patience, reading=True))

    async def read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """What `run` returns. Raises StoreUnavailable when the store is in trouble, or closed."""
        try:
            future = self._pool.submit(self._answered, run)
        except RuntimeError:
            raise StoreUnavailable("the store is closed") from None
        return await asyncio.wrap_future(future)

    def close(self, last: Callable[[sqlite3.Connection], None]) -> None:
        """Finish what is under way and `last`, let the file go. Blocks until it is done."""
        with suppress(RuntimeError, StoreUnavailable):  # once more, or there is no such file
            self._pool.submit(self._answered, last).result()
        self._pool.shutdown(wait=True)
        while not self._lines.empty():
            self._lines.get().drop()

    def _answered(self, run: Callable[[sqlite3.Connection], T]) -> T:
        line = self._lines.get()
        try:
            db = line.ready()
            db.execute("BEGIN")
            try:
                return run(db)
            finally:
                line.undo()
        except sqlite3.Error as error:
            if not errors.passes(error):
                line.drop()
            raise errors.told(error, self._path) from error
        except _ODD as error:
            raise errors.odd(error, self._path) from error
        finally:
            self._lines.put(line)
