"""Puts a backup where there is no store: checked first, copied beside its place, flushed, and only then renamed.

The SQLite file is renamed last, so that an interrupted restore leaves no store. Log files that are already there stay:
they may hold webhooks that were answered 200 and are in no backup. Webhooks that the restored store knows are
recognised as duplicates.
"""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bridge.core.errors import BackupError
from bridge.store.sqlite.backup import manifest
from bridge.store.sqlite.backup.manifest import STORE, BackupManifest, FileSum
from bridge.store.sqlite.db import errors, open_file, quick_check, serve_lock
from bridge.store.sqlite.ingest import log_files
from bridge.store.sqlite.ingest.log_writer import flush_folder, folder_of
from bridge.store.sqlite.schema import STEPS

_MEBIBYTE = 1024 * 1024
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What was restored, and how many log files were in the place before and were left there."""

    manifest: BackupManifest
    log_files_left: int


def restore_backup(source: Path, path: str) -> RestoreResult:
    """Put the backup in the folder `source` where the store at `path` belongs.

    Raises BackupError if a store is there already, if the backup is not complete and sound or was written by a newer
    version, or if it cannot be written: then no store is restored. Raises StoreUnavailable while `serve` runs on that
    store.
    """
    with serve_lock.locked_for_restore(path):
        _see_that_there_is_none(path)
        found = manifest.read_manifest(source)
        _see_that_it_is_sound(source, found)
        try:
            return RestoreResult(found, _put_files(source, found, path))
        except OSError as error:
            raise BackupError(
                f"the store {path} cannot be written "
                f"({error.strerror}{f': {error.filename}' if error.filename else ''}); see "
                "that there is space, and that this user may write there"
            ) from None


def _see_that_there_is_none(path: str) -> None:
    there = [one for one in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal") if os.path.lexists(one)]
    if there:
        away = f"{path}.old"
        raise BackupError(
            f"a store is at {path}, and none is overwritten; move it away, and leave its -inbox where it is: "
            f"`mkdir {shlex.quote(away)} && mv {shlex.join(there)} {shlex.quote(away)}`"
        )


def _see_that_it_is_sound(source: Path, found: BackupManifest) -> None:
    if found.schema > len(STEPS):
        raise BackupError(
            f"{source} was written by a newer trackbridge ({found.trackbridge}: its schema is {found.schema}, "
            "this one knows "
            f"{len(STEPS)}); install that version"
        )
    for name, expected in found.files.items():
        try:
            there = manifest.sum_file(source / name)
        except OSError as error:
            raise BackupError(f"{source / name} cannot be read ({error.strerror}); name another backup") from None
        if there != expected:
            raise BackupError(f"{source / name} is not as it was written; name another backup")
    copy = str(source / STORE)
    quick_check.check_file(copy, copy_of=copy)
    with errors.explained_errors(copy), closing(open_file.open_as_it_is(copy, closed=True)) as db:
        version = open_file.version_of(db)
    if version != found.schema:
        raise BackupError(
            f"{source / STORE} has another schema than {source / manifest.NAME} says; name another backup"
        )


def _put_files(source: Path, found: BackupManifest, path: str) -> int:
    """Copy the files beside their places, then rename each; returns how many log files were there before."""
    store, log = Path(path), Path(folder_of(path))
    beside = store.with_name(f"{store.name}.restoring")
    shutil.rmtree(beside, ignore_errors=True)  # an interrupted restore has left it
    manifest.make_folder(beside)
    try:
        _see_that_it_fits(beside, found)
        for name in found.files:
            _copy_exactly(source / name, beside / Path(name).name, found.files[name])
        left = _log_files_put(beside, found, log)
        (beside / STORE).rename(store)
        flush_folder(str(store.parent))
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return left


def _begins_with(longer: Path, shorter: Path) -> bool:
    """Whether a file begins with all bytes of another one."""
    with longer.open("rb") as one, shorter.open("rb") as other:
        while part := other.read(_PIECE):
            if one.read(len(part)) != part:
                return False
    return True


def _see_that_it_fits(beside: Path, found: BackupManifest) -> None:
    disk = os.statvfs(beside)
    free = disk.f_bavail * disk.f_frsize
    if free < found.size:
        raise BackupError(
            f"the disk of {beside.parent} has {free / _MEBIBYTE:.0f} MiB free, and the backup needs "
            f"{found.size / _MEBIBYTE:.0f} MiB; free some space"
        )


def _copy_exactly(source: Path, target: Path, expected: FileSum) -> None:
    if manifest.copy_file(source, target, size=expected.size) != expected:
        raise BackupError(f"{source} changed while it was read; let nobody write there, and try again")


def _log_files_put(beside: Path, found: BackupManifest, log: Path) -> int:
    """Rename the log files to their places; returns how many were there before.

    A file in place that begins with the backup's bytes holds all of them and maybe more, so it stays. Any other file of
    that name stays, too, and the backup's gets a name of its own: what both hold is recognised when it is applied.
    """
    if not log.is_dir():
        manifest.make_folder(log)
    there = log_files.list_names(str(log))
    for name in found.log_names:
        if name not in there:
            (beside / name).rename(log / name)
        elif not _begins_with(log / name, beside / name):
            (beside / name).rename(log / log_files.new_name())
    flush_folder(str(log))
    flush_folder(str(log.parent))
    return len(there)
