"""Locks beside a store: `restore` or `move` and `serve` exclude each other, and no role of `serve` runs twice.

The system frees them however a process ends. Each is on a file of its own, which `mv trackbridge.db* …` does not move:
a lock on the store's file would move with it, while `serve` still runs.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.core.errors import RoleTaken, StoreUnavailable

_FILE_MODE = 0o600
_HOLDER = 512
"""Bytes that say who holds a role, at most."""
_PATIENCE = 0.5
"""Seconds in which a role that is taken may become free: a look at a lock takes it for a moment."""
_LOOK = 0.01
_INSTANT = 0.05
"""Seconds, far longer than `is_served` holds the lock to find out whether it is free."""


def lock_for_serve(path: str) -> None:
    """Keep `restore` and `move` from that path until this process and all that were forked from it have ended.

    Raises StoreUnavailable while one of them is under way.
    """
    _lock_file(
        path,
        fcntl.LOCK_SH,
        f"`trackbridge restore` or `move` is at work on the store {path}; start again when it is done",
    )


@contextmanager
def locked_for_restore(path: str) -> Iterator[None]:
    """Keep `serve` from that path until the end of the block: for `restore` and `move`.

    Raises StoreUnavailable if `serve` runs on it.
    """
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


def lock_roles(path: str, roles: Sequence[str]) -> None:
    """Until this process has ended, no other one has any of these roles on that store.

    The processes that are forked from it do not hold the locks: where it was killed, the next may start while they
    end. Raises RoleTaken, and takes none, where another process has one of the roles.
    """
    held = {role: _open_lock(_lock_of(path, role)) for role in roles}
    free = [role for role in roles if _take_lock(held[role])]
    if len(free) == len(roles):
        for lock in held.values():
            _write_holder(lock)
        return
    taken = next(role for role in roles if role not in free)
    holder = _read_holder(held[taken])
    for lock in held.values():
        os.close(lock)
    rest = f", or start only `trackbridge serve --role {free[0]}`" if free else ""
    raise RoleTaken(
        f"the role {taken} already runs on the store {path}{holder}: no role runs twice on one store; stop that "
        f"process first{rest}"
    )


def watch_role(path: str, role: str) -> Callable[[], bool]:
    """A function that says whether another process has the role. It asks the system, and never the disk."""
    lock = _open_lock(_lock_of(path, role))

    def is_running() -> bool:
        try:
            fcntl.lockf(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
        fcntl.lockf(lock, fcntl.LOCK_UN)
        return False

    return is_running


def _lock_file(path: str, kind: int, refusal: str) -> int:
    """Returns a descriptor that holds the lock until it is closed."""
    held = _open_lock(_lock_of(path))
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


def _open_lock(lock: Path) -> int:
    try:
        held = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, _FILE_MODE)  # a fifo or a device may wait
    except OSError as error:
        _require_own_lock(lock)
        raise StoreUnavailable(
            f"the store's lock file {lock} cannot be opened ({error.strerror}); see that its folder exists and "
            "that this user may write there"
        ) from None
    if not stat.S_ISREG(os.fstat(held).st_mode):
        os.close(held)
        raise StoreUnavailable(f"the store's lock file {lock} is no regular file; delete it, and start again")
    return held


def _require_own_lock(lock: Path) -> None:
    """Raise StoreUnavailable for the file of another user, as one who once ran `serve` here leaves behind."""
    with suppress(OSError):
        owner = lock.stat().st_uid
        if owner != os.geteuid():
            raise StoreUnavailable(
                f"the store's lock file {lock} belongs to user {owner}, and this is user {os.geteuid()}; run "
                f"trackbridge as user {owner}, or stop what runs there and delete the file: it holds nothing"
            )


def _take_lock(lock: int) -> bool:
    """Whether this process has the lock now: a POSIX lock, which a fork does not inherit."""
    patience = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES
            if time.monotonic() > patience:
                return False
            time.sleep(_LOOK)
        else:
            return True


def _write_holder(lock: int) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()} {socket.gethostname()}".encode(), 0)


def _read_holder(lock: int) -> str:
    """Who holds it, as a message continues; a container has its own numbers of processes, and so its name is said."""
    number, _, host = os.pread(lock, _HOLDER, 0).decode(errors="replace").partition(" ")
    if not number:
        return ""
    return f", in process {number}" if host == socket.gethostname() else f", in process {number} of {host}"


def _lock_of(path: str, role: str = "") -> Path:
    store = Path(os.path.abspath(path))  # noqa: PTH100  resolves no link, as SQLite would not
    return store.with_name(f".{store.name}{role and f'.{role}'}.lock")
