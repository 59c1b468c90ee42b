"""Opens, checks, copies and restores the store that a URL names: one line for each engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.core.errors import RoleTaken, SettingsError, StoreUnavailable
from bridge.store.protocol import DEFAULT_LIMITS, AdmissionLimits, Store
from bridge.store.sqlite import file_modes
from bridge.store.sqlite.backup import create as sqlite_backup
from bridge.store.sqlite.backup import restore as sqlite_restore
from bridge.store.sqlite.backup.manifest import BackupManifest
from bridge.store.sqlite.backup.restore import RestoreResult
from bridge.store.sqlite.db import moved_mark, network_disk, open_file, quick_check, serve_lock, wal_guard
from bridge.store.sqlite.schema import STEPS
from bridge.store.sqlite.store import LEDGER_WINDOW, SqliteStore

if TYPE_CHECKING:
    from bridge.store.moving.move_store import MoveProgress, MoveResult  # as PostgreSQL, they need the extra

__all__ = [
    "BackupManifest",
    "RestoreResult",
    "back_up_store",
    "beside_store",
    "cancel_move",
    "check_store",
    "describe_server",
    "finish_steps",
    "is_on_server",
    "move_store",
    "open_store",
    "require_local_disk",
    "require_log_of_serve",
    "reserve_store",
    "restore_store",
    "shown_store",
    "sqlite_file",
    "store_exists",
    "store_versions",
    "unfinished_steps",
    "watch_role",
]


def open_store(
    url: str,
    *,
    ledger_window: timedelta = LEDGER_WINDOW,
    bounds: AdmissionLimits = DEFAULT_LIMITS,
    node_id: str = "",
    is_prepared: bool = False,
) -> Store:
    """Open the store at `url`, made if there is none.

    `sqlite:///x.db` is relative, `sqlite:////srv/x.db` absolute; or it is `postgresql://user@host/database`.

    A known conversion makes the next event of it a duplicate for `ledger_window`; beyond `bounds` it takes nothing new.
    `node_id` tells a `serve` from others of the same host name that share a server. `is_prepared`: this process or the
    one that started it has opened the store before, so that a server need not be reachable now.
    Raises SettingsError for a URL of no engine, StoreUnusable for a file that is no store, StoreUnavailable for one
    that cannot be opened now.
    """
    if is_on_server(url):
        with _with_extra():
            from bridge.store.postgres import server  # noqa: PLC0415  its driver is an extra, and SQLite needs none
        return server.open_server_store(
            url,
            ledger_window=ledger_window,
            bounds=bounds,
            node_id=node_id,
            is_prepared=is_prepared,
            timeline_file=_timeline_file(url),
        )
    return SqliteStore(sqlite_file(url), ledger_window=ledger_window, bounds=bounds)


def is_on_server(url: str) -> bool:
    """Whether the store at `url` is on a PostgreSQL server, and no file."""
    scheme, colon, _ = url.partition(":")
    return bool(colon) and scheme.lower() in {"postgresql", "postgres"}


def shown_store(url: str) -> str:
    """The URL as people may see it: without a password. Raises SettingsError for one that PostgreSQL does not know."""
    if not is_on_server(url):
        return url
    with _with_extra():
        from bridge.store.postgres.db.server_url import shown_url  # noqa: PLC0415  as above
    return shown_url(url)


def store_exists(url: str) -> bool:
    """Whether there is a store at `url`. Raises StoreUnavailable where its server cannot be reached."""
    if not is_on_server(url):
        return Path(sqlite_file(url)).exists()
    with _with_extra():
        from bridge.store.postgres import server  # noqa: PLC0415  as above
    return server.has_tables(url)


def describe_server(url: str) -> str | None:
    """Of a store on a server its version, and what a 200 means there; None for a file. Raises StoreUnavailable."""
    if not is_on_server(url):
        return None
    with _with_extra():
        from bridge.store.postgres import server  # noqa: PLC0415  as above
    return f"PostgreSQL {server.server_version(url)}; {server.describe_copies(url)}"


def unfinished_steps(url: str) -> tuple[str, ...]:
    """What `finish_steps` would take; of a file nothing: no other version runs on it. Raises StoreUnavailable."""
    if not is_on_server(url):
        return ()
    with _with_extra():
        from bridge.store.postgres import server  # noqa: PLC0415  as above
    return server.unfinished_steps(url)


def finish_steps(url: str) -> tuple[str, ...]:
    """Remove what only earlier versions need, none of which opens the store after that; the names of the steps."""
    if not is_on_server(url):
        return ()
    with _with_extra():
        from bridge.store.postgres import server  # noqa: PLC0415  as above
    return server.finish_steps(url)


def beside_store(url: str) -> Path:
    """How the names of files begin that `serve` keeps beside the store: with its own; of a server, in this folder."""
    return Path("trackbridge.postgresql") if is_on_server(url) else Path(sqlite_file(url))


def _timeline_file(url: str) -> Path:
    return Path(f"{beside_store(url)}-timeline")


@contextmanager
def _with_extra() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise SettingsError(
            f"BRIDGE_STORE names a PostgreSQL server, and the package {error.name} is not installed; install "
            "the extra: pip install 'trackbridge[postgres]'"
        ) from None


def sqlite_file(url: str) -> str:
    """The path of the file at `url`, as it is there; of a link, the file that it leads to.

    Raises SettingsError for a URL of no engine, or of no file, before anything is made beside it.
    """
    scheme, colon, rest = url.partition(":")
    if is_on_server(url):
        raise SettingsError(
            f"the store {shown_store(url)} is on a server: back it up and restore it by the server's own means, "
            "pg_basebackup or pg_dump"
        )
    if not colon or scheme.lower() != "sqlite":
        raise SettingsError(
            f"the store's URL begins with {scheme[:20]!r}, which is no engine here; write sqlite:///trackbridge.db"
        )
    path = rest.removeprefix("///")
    if path == rest or not path or path.endswith("/"):
        raise SettingsError(
            "the store's URL names no file; write sqlite:///trackbridge.db, or sqlite:////srv/trackbridge.db for an "
            "absolute path"
        )
    if path == ":memory:" or "?" in path or "\0" in path:
        raise SettingsError(f"the store's file cannot be {path!r}; write a plain path: sqlite:///trackbridge.db")
    path = os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114  the log lies beside the file itself
    _require_file(path)
    return path


def _require_file(path: str) -> None:
    """Raise SettingsError for what can be no store: a device, a folder, a fifo, a socket, and a new file in `/dev`."""
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  a path as the URL has it
        raise SettingsError(f"the store {path} is no regular file; name another file in BRIDGE_STORE")
    if os.path.realpath(os.path.dirname(path)) == "/dev":  # noqa: PTH120  as above
        raise SettingsError(f"the store {path} is in /dev, which is empty again after a restart; name another file")


def reserve_store(url: str, roles: Sequence[str]) -> None:
    """For `serve`: until this process and all that were forked from it have ended, nothing is restored at `url`.

    Until this process itself has ended, no other one has any of these roles there. Raises StoreUnavailable while
    something is restored, where another process has one of the roles, and where the store would lie on a network's
    file system.
    """
    if is_on_server(url):
        _reserve_folder(url, roles)
        return
    path = sqlite_file(url)
    network_disk.require_local_disk(path)
    try:
        serve_lock.lock_for_serve(path)
    except StoreUnavailable:
        moved_mark.require_unmoved(path)  # which says where it is being moved
        raise
    serve_lock.lock_roles(path, roles)


def _reserve_folder(url: str, roles: Sequence[str]) -> None:
    """Any number of nodes share a server; in one folder there is one. It keeps there which primary is the newest."""
    try:
        serve_lock.lock_roles(str(beside_store(url)), roles)
        _timeline_file(url).touch(0o600)
    except RoleTaken:
        raise RoleTaken(
            f"`trackbridge serve` runs in the folder {Path.cwd()} already; start each one that shares the store "
            f"{shown_store(url)} in a folder of its own"
        ) from None


def watch_role(url: str, role: str) -> Callable[[], bool]:
    """A function that says whether another process has that role on the store at `url`."""
    return serve_lock.watch_role(str(beside_store(url)), role)


def require_local_disk(url: str) -> None:
    """Raises StoreUnavailable where the store at `url` would lie on a network's file system."""
    if not is_on_server(url):
        network_disk.require_local_disk(sqlite_file(url))


def store_versions(url: str) -> tuple[int, int] | None:
    """The version of the store at `url`, which stays as it is, and the version that this trackbridge writes.

    None where there is no store. Raises StoreUnusable for a file that is no store, StoreUnavailable for one that cannot
    be read now.
    """
    path = sqlite_file(url)
    if not Path(path).exists() or not Path(path).stat().st_size:
        return None
    return open_file.read_version(path), len(STEPS)


def check_store(url: str, *, damage: bool = True) -> tuple[str, ...]:
    """For `serve`, before it opens the store: what a person should know about it, in a sentence each.

    Raises StoreUnavailable if its files are not this user's or may not be written, StoreUnusable if the store was moved
    or is damaged as far as a check of two seconds finds, which is left out without `damage`.
    """
    if is_on_server(url):
        return ()
    path = sqlite_file(url)
    if not Path(path).exists() or not Path(path).stat().st_size:
        return ()
    file_modes.require_own_files(path)
    moved_mark.require_unmoved(path)
    exposed = file_modes.exposed_files(path)
    if damage:
        quick_check.check_file(path, within=quick_check.AT_START)
    return (exposed,) if exposed else ()


def require_log_of_serve(url: str) -> None:
    """For a command, before it opens the store: raises StoreUnavailable where `serve` runs without its log.

    What the command writes would be lost, and the store could be damaged.
    """
    if not is_on_server(url):
        wal_guard.require_log_of_serve(sqlite_file(url))


def back_up_store(url: str, target: Path, *, now: datetime, bounds: AdmissionLimits = DEFAULT_LIMITS) -> BackupManifest:
    """Copy the store at `url`, in use or not, into the new folder `target`; what is in it.

    Raises BackupError, StoreUnavailable or StoreUnusable, and then nothing of the copy stays.
    """
    return sqlite_backup.create_backup(sqlite_file(url), target, now=now, min_free=bounds.min_free)


def restore_store(url: str, source: Path) -> RestoreResult:
    """Put the backup in the folder `source` where the store at `url` belongs; returns what was restored.

    Raises BackupError or StoreUnavailable, and then there is no store at `url` that was not there before.
    """
    return sqlite_restore.restore_backup(source, sqlite_file(url))


def move_store(
    source: str,
    target: str,
    *,
    history: str | None,
    now: Callable[[], datetime],
    tell: Callable[[MoveProgress], None],
) -> MoveResult:
    """Move the SQLite store at one URL into the empty PostgreSQL database at another, or go on with that.

    Raises SettingsError for URLs of other engines, or where there is no store, and what `moving.move_rows` raises.
    """
    path = _moved_file(source)
    if not is_on_server(target):
        raise SettingsError(f"a store is moved to a PostgreSQL server; {_MOVE}")
    with _with_extra():
        from bridge.store.moving import move_store as moving  # noqa: PLC0415  as above
    network_disk.require_local_disk(path)
    return moving.move_rows(path, target, history=history, now=now, tell=tell)


def cancel_move(source: str) -> str:
    """Give up a move of the SQLite store at a URL that is not finished; returns where it was going.

    Raises SettingsError where none is under way.
    """
    path = _moved_file(source)
    with _with_extra():
        from bridge.store.moving import move_store as moving  # noqa: PLC0415  as above
    return moving.cancel_move(path).target


_MOVE = "type trackbridge move sqlite:///trackbridge.db postgresql://user@host/database"


def _moved_file(source: str) -> str:
    if is_on_server(source):
        raise SettingsError(f"a store is moved from SQLite to PostgreSQL only, never back; {_MOVE}")
    path = sqlite_file(source)
    if not Path(path).exists():
        raise SettingsError(f"there is no store {path}, so that nothing can be moved")
    return path
