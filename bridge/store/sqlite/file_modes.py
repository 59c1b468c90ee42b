"""Who may read and write a store's files: the store, its -wal and -shm, the folder of the ingest log and its files."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress

from bridge.core.errors import StoreUnavailable
from bridge.store.sqlite.ingest import log_files
from bridge.store.sqlite.ingest.log_writer import folder_of

_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def require_own_files(path: str, *, user: int | None = None) -> None:
    """Raises StoreUnavailable if a file belongs to another user than `user` (None: the one who runs this).

    Also if this user may not read and write it. Root is no exception: what root writes, the owner cannot read later.
    """
    user = os.geteuid() if user is None else user
    for one, found in _store_files(path):
        if found.st_uid != user:
            raise StoreUnavailable(
                f"{one} belongs to user {found.st_uid}, and this is user {user}; run trackbridge as user "
                f"{found.st_uid}, or "
                f"give the store to this one: `chown -R {user} {shlex.join(_top_folder(path))}`"
            )
        wanted = os.R_OK | os.W_OK | (os.X_OK if stat.S_ISDIR(found.st_mode) else 0)
        as_another = os.getuid() != user and os.access in os.supports_effective_ids
        may_use = os.access(one, wanted, effective_ids=as_another)
        if not may_use and os.path.lexists(one):  # else a process that uses the store has deleted it meanwhile
            raise StoreUnavailable(
                f"{one} may not be read and written by this user; `chmod -R u+rwX {shlex.join(_top_folder(path))}`"
            )


def exposed_files(path: str) -> str | None:
    """That other users may read or write the store, and the command that takes this from them; None if none may."""
    open_to_others = {
        _path_within(path, one) for one, found in _store_files(path) if stat.S_IMODE(found.st_mode) & _OF_OTHERS
    }
    if not open_to_others:
        return None
    return (
        "other users of this machine may read or write the store, which holds personal data: "
        f"`chmod -R go= {shlex.join(sorted(open_to_others))}`"
    )


def _store_files(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """The files of the store that exist, and the ingest log's folder; other entries of that folder are not ours."""
    folder = folder_of(path)
    names: list[str] = []
    with suppress(StoreUnavailable):  # the folder itself is reported
        names = log_files.list_names(folder)
    for one in (*_top_folder(path), *(os.path.join(folder, name) for name in names)):  # noqa: PTH118  a path as the URL has it
        with suppress(FileNotFoundError):  # it was deleted meanwhile
            yield one, os.stat(one)  # noqa: PTH116  as above


def _top_folder(path: str) -> list[str]:
    return [one for one in (path, f"{path}-wal", f"{path}-shm", folder_of(path)) if os.path.exists(one)]  # noqa: PTH110  as above


def _path_within(path: str, one: str) -> str:
    folder = folder_of(path)
    return folder if one.startswith(f"{folder}{os.sep}") else one
