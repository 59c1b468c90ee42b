"""Opens the file of a store: made for this user alone, recognised as ours or left untouched, migrated to this version.

The tables are described in `schema.py`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from urllib.parse import quote

from bridge.core.errors import StoreUnavailable, StoreUnusable
from bridge.store.sqlite.db import errors, ledger_cache, schema_check
from bridge.store.sqlite.schema import STEPS, Step

APPLICATION_ID = int.from_bytes(b"trkb", "big")
"""Stands in the file's header and says whose it is: https://www.sqlite.org/fileformat.html#application_id"""
OLDEST_SQLITE = (3, 35, 0)
_PAGE = 4096
_MINE = 0o600
_BUSY = timedelta(seconds=5)
_CHECKPOINT_PAGES = 2000
_LOG_LIMIT = 64 * 1024 * 1024
_CACHE_KIB = 32 * 1024
_STATEMENTS = 256


def prepare_file(path: str, *, steps: Sequence[Step] = STEPS) -> None:
    """Make the file a store of this version: create it, or migrate it.

    Raises StoreUnusable, leaving the file as it is, for one that is not ours, a newer version's, or has other tables
    than its version made; StoreUnavailable if it cannot be opened now.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreUnavailable(f"this Python has SQLite {sqlite3.sqlite_version}; the store needs 3.35 or newer")
    _make_file(path)
    try:
        if os.path.getsize(path) > 0:  # noqa: PTH202  a path as the URL has it, not a Path
            _see_that_it_is_ours(path)
        with closing(_connect(path, "rw")) as db:
            _claim_file(db, path)
            _migrate_steps(db, path, steps)
    except sqlite3.Error as error:
        raise errors.store_error(error, path) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes what is damaged, and Python cannot read that
        raise errors.foreign_value(error, path) from error
    except OSError as error:
        raise _cannot_open(path, error) from None


def connect_to(path: str, *, reading: bool, busy: timedelta) -> sqlite3.Connection:
    """A connection to a prepared file, for any one thread at a time; `reading`, it refuses to write.

    It waits for another process's lock no longer than `busy`. Raises sqlite3.Error if the file is not there, and
    never makes one.
    """
    db = _connect(path, "rw", busy=busy)
    try:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute("PRAGMA temp_store = MEMORY")
        if reading:
            db.execute("PRAGMA query_only = ON")
        else:
            db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            db.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT}")
    except BaseException:
        db.close()
        raise
    return db


def open_as_it_is(path: str, *, closed: bool = False) -> sqlite3.Connection:
    """Open an existing store of any version; it is neither created nor migrated.

    A `closed` file is one that no process writes: it may not be written here, either, and no file is made beside it.
    Raises StoreUnusable for a file that is not ours, sqlite3.Error if it cannot be opened.
    """
    _see_that_it_is_ours(path)
    return _connect(path, "ro&immutable=1" if closed else "rw")


def read_version(path: str) -> int:
    """The version of an existing store, which stays as it is. Raises StoreUnusable or StoreUnavailable."""
    try:
        with closing(open_as_it_is(path)) as db:
            return version_of(db)
    except sqlite3.Error as error:
        raise errors.store_error(error, path) from error


def version_of(db: sqlite3.Connection) -> int:
    """The version of a store's schema."""
    return _read_pragma(db, "user_version")


def _connect(path: str, mode: str, *, busy: timedelta = _BUSY) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(os.fsencode(os.path.abspath(path)))}?mode={mode}",  # noqa: PTH100  resolves no link, as SQLite would not
        uri=True,
        timeout=busy.total_seconds(),
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
        factory=ledger_cache.CachingConnection,
    )


def _make_file(path: str) -> None:
    """Create an empty file that only this user may read; SQLite gives its -wal and -shm files the same mode."""
    try:
        with suppress(FileExistsError):
            held = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _MINE)
            try:
                os.fchmod(held, _MINE)  # whatever the umask is
            finally:
                os.close(held)
    except OSError as error:
        raise _cannot_open(path, error) from None


def _cannot_open(path: str, error: OSError) -> StoreUnavailable:
    mend = "see that its folder exists and that this user may write there"
    return StoreUnavailable(f"the store {path} cannot be opened ({error.strerror}); {mend}")


def _see_that_it_is_ours(path: str) -> None:
    """Look at the header as it lies on disk, taking no lock and making no file beside it.

    Never by opening it ourselves: closing it again would drop the locks that this process holds through SQLite
    (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
    """
    if _owner_of(path, "ro&immutable=1") != APPLICATION_ID:
        raise _foreign_file(path)


def _owner_of(path: str, mode: str) -> int | None:
    try:
        with closing(_connect(path, mode)) as db:
            return _read_pragma(db, "application_id")
    except sqlite3.DatabaseError as error:
        match errors.result_code(error):
            case sqlite3.SQLITE_NOTADB:
                return None
            case sqlite3.SQLITE_CORRUPT if mode != "ro":
                return _owner_of(path, "ro")  # another process is just moving its log into the file, or died doing so
            case _:
                raise


def _foreign_file(path: str) -> StoreUnusable:
    return StoreUnusable(
        f"{path} is no trackbridge store and was left as it is; name another file in BRIDGE_STORE, or move this "
        "one away"
    )


def _claim_file(db: sqlite3.Connection, path: str) -> None:
    """Make an empty file ours, first of all: from here on a crash at any point leaves a file that is known as ours.

    Only the header's page is written before the write-ahead log is on, so it is there whole or not at all.
    """
    if _read_pragma(db, "application_id") != APPLICATION_ID:
        db.execute(f"PRAGMA page_size = {_PAGE}")
        with _open_transaction(db, "BEGIN"):
            # So that a purge can give pages back to the disk. It writes the header itself, and so must be first here,
            # neither before the transaction nor after its first page: two processes may be making the file at once.
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            if _read_pragma(db, "application_id") != APPLICATION_ID:
                if _read_pragma(db, "schema_version"):
                    raise _foreign_file(path)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    if _enable_wal(db) != "wal":
        raise StoreUnavailable(
            f"the store {path} cannot keep a write-ahead log; put it on a disk of this machine, not on a network's"
        )


def _enable_wal(db: sqlite3.Connection) -> str:
    """Turn the write-ahead log on; returns the journal mode.

    SQLite does not wait for another process that is turning it on as well, so this does.
    """
    patience = time.monotonic() + _BUSY.total_seconds()
    while True:
        try:
            mode: str = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if errors.result_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(0.01)
        else:
            return mode


def _migrate_steps(db: sqlite3.Connection, path: str, steps: Sequence[Step]) -> None:
    """Run the steps that the store lacks, each in a transaction; a store that is new takes all of them in one.

    Of the tables of a new store none can differ on the way, and to compare them after each step takes longer than to
    make them (a new store: 0.28 s for each step by itself, 0.04 s together).
    """
    while (version := _known_version(db, path, steps)) != len(steps):
        following = version + 1 if version else len(steps)
        with _open_transaction(db):
            if _read_pragma(db, "user_version") == version:  # or another process was quicker
                _run_steps(db, path, steps[:following], version)


def _known_version(db: sqlite3.Connection, path: str, steps: Sequence[Step]) -> int:
    """Returns the store's version. Raises StoreUnusable if it is newer, or the tables are not of that version."""
    with _open_transaction(db, "BEGIN"):
        version = _read_pragma(db, "user_version")
        if version > len(steps):
            raise StoreUnusable(
                f"the store {path} was written by a newer trackbridge (its schema is {version}, this one knows "
                f"{len(steps)}); install that version again, or name another file in BRIDGE_STORE"
            )
        different = (
            schema_check.schema_difference(db, steps[: max(version, 0)]) if version >= 0 else "there is no such version"
        )
        if different:
            raise _unlike_error(path, f"bears schema {version}, but {different}")
        return version


def _run_steps(db: sqlite3.Connection, path: str, steps: Sequence[Step], version: int) -> None:
    """Run the steps after this version, in the caller's transaction.

    Raises StoreUnusable, so that it is rolled back, if the tables are not those of the steps afterwards.
    """
    try:
        for step in steps[version:]:
            schema_check.run_step(db, step)
        different = schema_check.schema_difference(db, steps)
    except sqlite3.OperationalError as error:
        if errors.result_code(error) != sqlite3.SQLITE_ERROR:
            raise
        different = str(error)
    if different:
        raise _unlike_error(path, f"cannot be brought from schema {version} to {len(steps)}: {different}")
    db.execute(f"PRAGMA user_version = {len(steps)}")


def _unlike_error(path: str, what: str) -> StoreUnusable:
    return StoreUnusable(
        f"the store {path} {what}; it was left as it is: put a backup in its place, or name another file in "
        "BRIDGE_STORE"
    )


@contextmanager
def _open_transaction(db: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    db.execute(begin)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _read_pragma(db: sqlite3.Connection, name: str) -> int:
    value: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return value
