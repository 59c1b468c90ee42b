"""The folder in which a backup is made, `TARGET.partial`.

It is locked meanwhile, and deleted unless it becomes the backup.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.core.errors import BackupError
from bridge.store.sqlite.backup import manifest
from bridge.store.sqlite.backup.manifest import INGEST_LOG, STORE

SUFFIX = ".partial"


@contextmanager
def partial_folder(target: Path) -> Iterator[Path]:
    """The folder in which a backup is made, locked; deleted if it is still there at the end.

    One that a killed backup left is emptied first. Raises BackupError if there is a `target`, OSError if the
    folder cannot be made.
    """
    _see_that_it_is_new(target)
    partial = target.with_name(f"{target.name}{SUFFIX}")
    with suppress(FileExistsError):
        partial.mkdir(manifest.FOLDER_MODE)
    held = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"another backup to {target} is under way; name another folder, or wait for it") from None
        _empty_folder(partial)
        try:
            yield partial
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    finally:
        os.close(held)


def _see_that_it_is_new(target: Path) -> None:
    if os.path.lexists(target):
        raise BackupError(f"{target} exists already, and no backup is overwritten; name a new folder")
    if target.name.endswith(SUFFIX) or not target.name:
        raise BackupError(f"a backup cannot be called {target.name or str(target)!r}; name a new folder")
    if not target.parent.is_dir():
        raise BackupError(f"there is no folder {target.parent} for the backup {target.name}; make it first")


def _empty_folder(partial: Path) -> None:
    """Leave nothing in the folder but an empty ingest log, and let only this user read it."""
    left = {one.name for one in partial.iterdir()}
    if left - {STORE, INGEST_LOG, manifest.NAME}:
        raise BackupError(
            f"{partial} is in the way and holds other files than a backup; move it away, or name another folder"
        )
    shutil.rmtree(partial / INGEST_LOG, ignore_errors=True)
    for name in left - {INGEST_LOG}:
        (partial / name).unlink()
    partial.chmod(manifest.FOLDER_MODE)
    manifest.make_folder(partial / INGEST_LOG)
