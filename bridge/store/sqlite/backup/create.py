"""A copy of a store that is in use: the SQLite file as it was at one instant, and what the ingest log held by then.

What was answered 200 before the copy began is in it, and what is restored from it applies each webhook of it once. The
order of the steps makes it so:

1. The files of the ingest log are copied, each up to the size that it has at the beginning. All sizes are read first,
   so that what was received later is missing in all of them, however long the copying takes.
2. The writers are kept out for the moment (`BEGIN IMMEDIATE`) in which a read transaction begins and the log's folder
   is listed. That transaction is the snapshot that is copied.
3. The snapshot is copied, and then those log files are deleted from the copy that the snapshot does not need.

A webhook that was acknowledged before step 1 is applied in the snapshot, or it is not. If it is not, its log file
could not be deleted before step 2, because a file is deleted only after the commit that applied all of it; so step 1
has copied it, with that webhook. How far each file is applied is in the snapshot itself (`inbox_files`), committed
together with what was made of it, so the rest and only the rest is applied after a restore. Only a file that is gone
may have lost that row, and then all of it is applied: step 2 shows which files are gone, with no commit in between, and
step 3 deletes their copies. A copy may end before the place up to which the snapshot has applied it, or within a frame
that was being written: neither holds anything that was acknowledged before step 1 and is not applied.

Events of `/v1/track` are committed to the SQLite file before they are answered, so they are in the snapshot.

The snapshot is copied in steps by SQLite's backup API inside one read transaction, and so never starts again when
somebody writes. Readers do not keep writers out, but no checkpoint gets past the snapshot: the -wal file grows by what
is written meanwhile and shrinks to 64 MiB at the next one. `VACUUM INTO` would do the same, and build every table
again. `restore.py` restores a backup.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bridge import __version__
from bridge.core.errors import BackupError, StoreUnusable
from bridge.store.codec.columns import from_ms
from bridge.store.sqlite.backup import manifest, partial_folder
from bridge.store.sqlite.backup.manifest import INGEST_LOG, STORE, BackupContents, BackupManifest, FileSum
from bridge.store.sqlite.db import errors, open_file, quick_check
from bridge.store.sqlite.db.connection import StoreConnection
from bridge.store.sqlite.ingest import log_files
from bridge.store.sqlite.ingest.frame import HEAD, NO_HEAD, FrameHead, read_head
from bridge.store.sqlite.ingest.log_writer import flush_folder, folder_of
from bridge.store.sqlite.schema import STEPS

_BUSY = timedelta(seconds=30)
"""How long another process's write transaction is waited for."""
_STEP = 4096
"""Pages that are copied between two checks for signals."""
_LOG_SCHEMA = 6
"""The first schema with an ingest log beside the file."""
_MEBIBYTE = 1024 * 1024
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class _StoreSnapshot:
    """A read transaction, and the names of the log files at its instant."""

    db: sqlite3.Connection
    log_names: frozenset[str]

    @property
    def size(self) -> int:
        """The bytes of the SQLite file."""
        pages, page = (self.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages * page)


def create_backup(path: str, target: Path, *, now: datetime, min_free: int = 0) -> BackupManifest:
    """Copy the store at `path`, which may be in use, into a new folder `target`; returns what the backup holds.

    It is written as `TARGET.partial` and renamed when it is complete, flushed and found sound. If it is on the
    store's disk, `min_free` bytes of that stay free. Raises BackupError if it cannot be written, StoreUnavailable
    where the store cannot be read, StoreUnusable if it is damaged; nothing of the copy stays then.
    """
    _see_that_it_is_known(path)
    try:
        with partial_folder.partial_folder(target) as partial, errors.explained_errors(path):
            files = _copy_store(path, partial, min_free)
            found = _describe_backup(partial, files, now)
            manifest.write_manifest(partial, found)
            partial.rename(target)
            flush_folder(str(target.parent))
    except OSError as error:
        raise BackupError(
            f"the backup {target} cannot be written "
            f"({error.strerror}{f': {error.filename}' if error.filename else ''}); see "
            "that there is space, and that this user may write there"
        ) from None
    return found


def _see_that_it_is_known(path: str) -> None:
    with errors.explained_errors(path), closing(open_file.open_as_it_is(path)) as db:
        version = open_file.version_of(db)
    if version > len(STEPS):
        raise StoreUnusable(
            f"the store {path} was written by a newer trackbridge (its schema is {version}, this one knows "
            f"{len(STEPS)}); "
            "make the backup with that version"
        )


# ------------------------------------------------------------------------------------------------------- the steps


def _copy_store(path: str, partial: Path, min_free: int) -> dict[str, FileSum]:
    """Copy the files of the store, durably, and check them; returns the size and SHA-256 of each."""
    log = _log_copied(folder_of(path), partial / INGEST_LOG)
    with _open_snapshot(path) as snapshot:
        _see_that_it_fits(path, partial, needed=snapshot.size, min_free=min_free)
        _snapshot_copied(path, snapshot, partial)
        needless = _needless_files(partial, log, snapshot.log_names)
    quick_check.check_file(str(partial / STORE), copy_of=path)
    for name in needless:
        (partial / INGEST_LOG / name).unlink()
    flush_folder(str(partial / INGEST_LOG))
    kept = {f"{INGEST_LOG}/{name}": found for name, found in log.items() if name not in needless}
    return {STORE: manifest.sum_file(partial / STORE)} | kept


def _log_copied(folder: str, target: Path) -> dict[str, FileSum]:
    """Copy each file of the ingest log. One that was deleted meanwhile was applied to its end."""
    copies: dict[str, FileSum] = {}
    sizes = {name: log_files.size_of(str(Path(folder, name))) for name in log_files.list_names(folder)}
    for name, size in sizes.items():
        with suppress(FileNotFoundError):
            copies[name] = manifest.copy_file(Path(folder, name), target / name, size=size)
    return copies


@contextmanager
def _open_snapshot(path: str) -> Iterator[_StoreSnapshot]:
    """The store at one instant, until the end of the block; no process writes in the moment in which it begins."""
    writing = StoreConnection(path, busy=_BUSY)
    try:
        with closing(open_file.connect_to(path, reading=True, busy=_BUSY)) as db:
            writing.begin_write()
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # it begins with the first read
            names = frozenset(log_files.list_names(folder_of(path)))
            writing.roll_back()
            yield _StoreSnapshot(db, names)
    finally:
        writing.close_connection()


def _see_that_it_fits(path: str, partial: Path, *, needed: int, min_free: int) -> None:
    disk = os.statvfs(partial)
    free = disk.f_bavail * disk.f_frsize
    left = min_free if partial.stat().st_dev == Path(path).stat().st_dev else 0
    if free < needed + left:
        raise BackupError(
            f"the disk of {partial.parent} has {free / _MEBIBYTE:.0f} MiB free, and the backup needs "
            f"{needed / _MEBIBYTE:.0f} "
            f"MiB{f' beside the {left / _MEBIBYTE:.0f} MiB of BRIDGE_MIN_FREE' if left else ''}; "
            "free some space, or name a folder on another disk"
        )


def _snapshot_copied(path: str, snapshot: _StoreSnapshot, partial: Path) -> None:
    target = partial / STORE
    held = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, manifest.FILE_MODE)
    os.fchmod(held, manifest.FILE_MODE)  # whatever the umask is
    os.close(held)
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA journal_mode = OFF")  # an interrupted copy is thrown away
            copy.execute("PRAGMA synchronous = OFF")  # all of it is flushed below
            snapshot.db.backup(copy, pages=_STEP, progress=_heed_signals)
            _forget_console_secrets(copy)
    except sqlite3.Error as error:
        raise BackupError(
            f"the store {path} cannot be copied to {target.parent} ({error}); see that both disks have space, and the "
            "system's log"
        ) from error
    held = os.open(target, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def _forget_console_secrets(copy: sqlite3.Connection) -> None:
    """Delete what opens the web console, bytes and all: whoever has the backup must not open the bridge with it."""
    if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'console_secrets'").fetchone():
        copy.execute("PRAGMA secure_delete = ON")
        copy.execute("DELETE FROM console_secrets")
        copy.execute("DELETE FROM login_codes")


def _heed_signals(_status: int, _left: int, _total: int) -> None:
    """Do nothing: Python handles signals between two instructions of its own code, such as this call."""


def _needless_files(partial: Path, log: dict[str, FileSum], present: frozenset[str]) -> set[str]:
    """Returns the copied log files that the snapshot has applied to their ends."""
    with closing(open_file.open_as_it_is(str(partial / STORE), closed=True)) as db:
        applied = _applied_offsets(db)
    return {name for name, one in log.items() if name not in present or one.size <= applied.get(name, 0)}


# ----------------------------------------------------------------------------------------------------- what is in it


def _describe_backup(partial: Path, files: dict[str, FileSum], now: datetime) -> BackupManifest:
    with closing(open_file.open_as_it_is(str(partial / STORE), closed=True)) as db:
        return BackupManifest(
            format=manifest.FORMAT,
            made_at=now,
            trackbridge=__version__,
            schema=open_file.version_of(db),
            contents=_count_contents(db, partial / INGEST_LOG),
            files=files,
        )


def _count_contents(db: sqlite3.Connection, log: Path) -> BackupContents:
    counts = {
        of: dict(db.execute("SELECT state, sum(n) FROM counts WHERE of = ? GROUP BY state", (of,)))
        for of in ("webhooks", "events", "deliveries")
    }
    newest = db.execute("SELECT received_at FROM webhooks ORDER BY number DESC LIMIT 1").fetchone()
    unapplied = list(_unapplied_heads(log, _applied_offsets(db)))
    times = [*(newest or ()), *(one.at // _NS_PER_MS for one in unapplied)]
    return BackupContents(
        webhooks=sum(counts["webhooks"].values()) + sum(one.webhooks for one in unapplied),
        waiting=counts["webhooks"].get("received", 0) + sum(one.webhooks for one in unapplied),
        events=sum(counts["events"].values()),
        pending_deliveries=counts["deliveries"].get("pending", 0),
        newest_webhook_at=from_ms(max(times)) if times else None,
    )


def _applied_offsets(db: sqlite3.Connection) -> dict[str, int]:
    """Returns the offset up to which each log file is applied, by its name."""
    has_log = open_file.version_of(db) >= _LOG_SCHEMA
    return dict(db.execute("SELECT name, sorted FROM inbox_files")) if has_log else {}


def _unapplied_heads(folder: Path, applied: dict[str, int]) -> Iterator[FrameHead]:
    """The heads of the whole frames that are not applied."""
    for name in log_files.list_names(str(folder)):
        with (folder / name).open("rb", 0) as log:
            size, at = os.fstat(log.fileno()).st_size, applied.get(name, 0)
            while (one := read_head(os.pread(log.fileno(), HEAD, at))) != NO_HEAD and at + one.size <= size:
                yield one
                at += one.size
