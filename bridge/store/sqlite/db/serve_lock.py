"""A lock that keeps `restore` from writing a store on which `serve` runs. The system frees it however a process ends.

The lock is on a file of its own, which `mv trackbridge.db* …` does not move: a lock on the store's file would move with
it, while `serve` still runs.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.core.errors import StoreUnavailable

_FILE_MODE = 0o600
_INSTANT = 0.05
"""Seconds, far longer than `is_served` holds the lock to find out whether it is free."""


def lock_for_serve(path: str) -> None:
    """Keep `restore` from that path until this process and all that were forked from it have ended.

    Raises StoreUnavailable while a restore is under way.
    """
    _lock_file(path, fcntl.LOCK_SH, f"`trackbridge restore` is writing the store {path}; start again when it is done")


@contextmanager
def locked_for_restore(path: str) -> Iterator[None]:
    """Keep `serve` from that path until the end of the block. Raises StoreUnavailable if `serve` runs on it."""
    held = _lock_file(path, fcntl.LOCK_EX, f"`trackbridge serve` runs on the store {path}; stop it first")
    try:
        yield
    finally:
        os.close(held)


def is_served(path: str) -> bool:
    """Whether `serve` runs on the store at that path, or `restore` writes it."""
    try:
        held = os.open(_lock_of(path), os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # nobody has served from there yet
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(held)
    return False


def _lock_file(path: str, kind: int, refusal: str) -> int:
    """Returns a descriptor that holds the lock until it is closed."""
    lock = _lock_of(path)
    try:
        held = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, _FILE_MODE)  # a fifo or a device may wait
    except OSError as error:
        raise StoreUnavailable(
            f"the store's lock file {lock} cannot be opened ({error.strerror}); see that its folder exists and "
            "that this "
            "user may write there"
        ) from None
    if not stat.S_ISREG(os.fstat(held).st_mode):
        os.close(held)
        raise StoreUnavailable(f"the store's lock file {lock} is no regular file; delete it, and start again")
    if not _try_lock(held, kind):
        time.sleep(_INSTANT)
        if not _try_lock(held, kind):
            os.close(held)
            raise StoreUnavailable(refusal)
    return held


def _try_lock(held: int, kind: int) -> bool:
    try:
        fcntl.flock(held, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_of(path: str) -> Path:
    store = Path(os.path.abspath(path))  # noqa: PTH100  resolves no link, as SQLite would not
    return store.with_name(f".{store.name}.lock")
