"""Notices that the write-ahead log of a store was deleted or replaced while the store is open.

What SQLite writes to a deleted log is lost when the processes are killed, and a connection that begins another log
beside it would damage the store. One connection is kept open, so that SQLite itself never deletes the log meanwhile.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta

from bridge.core.errors import StoreUnavailable
from bridge.store.sqlite.db import errors, open_file, serve_lock

Identity = tuple[int, int]


PATIENCE = 3.0
"""Seconds for which there may be no log while `serve` starts or stops: its processes are not yet or no longer there."""
_POLL = 0.05


def require_log_of_serve(path: str) -> None:
    """For a command, before it opens the store: raises StoreUnavailable where `serve` runs and the log is gone.

    SQLite would begin another log, in which nobody but the command would find what it wrote. While `serve` runs there
    is a log, because its guards keep a connection open.
    """
    patience = time.monotonic() + PATIENCE
    while not os.path.exists(f"{path}-wal") and serve_lock.is_served(path):  # noqa: PTH110  a path as the URL has it
        if time.monotonic() > patience:
            raise _lost_log(path)
        time.sleep(_POLL)


def _lost_log(path: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"{path}-wal was deleted or replaced while trackbridge runs; stop `trackbridge serve` by SIGTERM, not by kill "
        "-9, so that it saves what it has written, and start it again"
    )


class WalGuard:
    """The write-ahead log that a store had when this process opened it."""

    def __init__(self, path: str, *, busy: timedelta) -> None:
        self._path = path
        self._busy = busy
        self._lock = threading.Lock()
        self._open()

    def require_same(self) -> None:
        """Raises StoreUnavailable if the log at the store's path is another one, or none."""
        if self._identity() != self._first:
            raise _lost_log(self._path)

    def renew(self, inode: Identity) -> None:
        """Guard the log of the file with this identity, which has replaced the store's file."""
        with self._lock:
            if inode != self._inode:
                self._db.close()
                self._open()

    def close(self) -> None:
        """Close the connection that keeps the log."""
        self._db.close()

    def _open(self) -> None:
        with errors.explained_errors(self._path):
            self._db = open_file.connect_to(self._path, reading=True, busy=self._busy)
            self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # SQLite opens the log to read
        found = os.stat(self._path)  # noqa: PTH116  a path as the URL has it
        self._inode: Identity = found.st_dev, found.st_ino
        self._first = self._identity()

    def _identity(self) -> Identity | None:
        try:
            found = os.stat(f"{self._path}-wal")  # noqa: PTH116  the same
        except OSError:
            return None
        return found.st_dev, found.st_ino
