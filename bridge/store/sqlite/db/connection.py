"""A connection that is opened when it is first used, again after an error, and again when its file was replaced.

For one thread at a time.
"""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import timedelta

from bridge.core.errors import StoreUnavailable
from bridge.store.sqlite.db import errors, open_file
from bridge.store.sqlite.db.wal_guard import WalGuard

LOOK = 0.0005
"""Seconds between two attempts to begin a transaction while another process writes."""


class StoreConnection:
    """A connection to one prepared file."""

    def __init__(self, path: str, guard: WalGuard | None = None, *, busy: timedelta, reading: bool = False) -> None:
        self.path = path
        self._guard = guard
        self._busy = busy
        self._reading = reading
        self._db: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None

    def open_if_needed(self) -> sqlite3.Connection:
        """Returns the connection to the file that is at the path now; opens it again if the file was replaced.

        What is written to a file that was moved away or deleted would be lost with it. Raises StoreUnavailable if there
        is no file any more, or if its write-ahead log was replaced.
        """
        inode = self._file_identity()
        if self._db is None or inode != self._inode:
            self.close_connection()
            if self._inode not in (None, inode):
                open_file.prepare_file(self.path)
                if self._guard is not None:
                    self._guard.renew(inode)
            self._require_same_log()
            self._db = open_file.connect_to(self.path, reading=self._reading, busy=self._busy)
            if not self._reading:
                self._db.execute("PRAGMA busy_timeout = 0")  # `begin` waits by itself
            self._inode = inode
        else:
            self._require_same_log()
        return self._db

    def begin_write(self) -> sqlite3.Connection:
        """Begin a transaction that writes, once no other process does; returns the connection.

        SQLite itself would try again after ever longer pauses, and so mostly miss the moment between two short
        transactions of a busy process.
        """
        db, patience = self.open_if_needed(), time.monotonic() + self._busy.total_seconds()
        while True:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if errors.result_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                    raise
                time.sleep(LOOK)
            else:
                return db

    def roll_back(self) -> None:
        """Roll back what is under way; a connection that cannot is dropped."""
        if self._db is not None and self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                self.close_connection()

    def close_connection(self) -> None:
        """Close the connection; the next use opens another."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _require_same_log(self) -> None:
        if self._guard is not None:
            self._guard.require_same()

    def _file_identity(self) -> tuple[int, int]:
        try:
            found = os.stat(self.path)  # noqa: PTH116  a path as the URL has it, asked for every group
        except OSError as error:
            raise StoreUnavailable(
                f"the store {self.path} is not there any more ({error.strerror}); put the file back where it was"
            ) from None
        return found.st_dev, found.st_ino
