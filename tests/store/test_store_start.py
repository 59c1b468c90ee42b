"""What `serve` looks at before it starts: damage in the store's file, and who may read and write the files."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from peers import clean_environment, trackbridge, typed
from store_made import keep, webhook

from bridge.core.errors import StoreUnavailable
from bridge.store.engines import check_store, reserve_store
from bridge.store.sqlite import file_modes
from bridge.store.sqlite.db import open_file, quick_check
from bridge.store.sqlite.store import SqliteStore

STORE, INBOX = "trackbridge.db", "trackbridge.db-inbox"


def small_store(folder: Path) -> None:
    """A store with a webhook that has its place, and one that stands in the ingest log only."""

    async def story() -> None:
        store = SqliteStore(str(folder / STORE))
        await keep(store, webhook("a"))
        await store.keep([webhook("b")])
        await store.close()

    asyncio.run(story())


# ------------------------------------------------------------------------------------------------ damage at the start


def damaged_store(folder: Path) -> Path:
    """A store of some pages, one of which the disk has overwritten."""

    async def story() -> None:
        store = SqliteStore(str(folder / STORE))
        for number in range(40):
            await keep(store, webhook(f"w-{number}", body=os.urandom(4000)))
        await store.close()

    asyncio.run(story())
    path = folder / STORE
    with closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'bodies'").fetchone()
    raw = path.read_bytes()
    path.write_bytes(raw[: (page - 1) * 4096] + b"\xff" * 4096 + raw[page * 4096 :])
    return path


def test_serve_refuses_a_damaged_store_in_one_line_that_names_it_and_the_remedy(tmp_path: Path) -> None:
    damaged_store(tmp_path)
    done = trackbridge(tmp_path, {}, "serve", "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "the store trackbridge.db is damaged (" in done.stderr
    assert "`trackbridge restore BACKUP`" in done.stderr
    assert "`sqlite3 trackbridge.db .recover`" in done.stderr


def test_no_backup_is_made_of_a_damaged_store(tmp_path: Path) -> None:
    damaged_store(tmp_path)
    done = typed(tmp_path, {}, "backup", "backup")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the store trackbridge.db is damaged (" in done.stderr
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("backup")] == []


def test_the_check_at_the_start_ends_when_its_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / STORE
    open_file.prepare_file(str(path))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "INSERT INTO bodies (bytes) WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < "
            "200000) "
            "SELECT zeroblob(500) FROM c"
        )
    assert quick_check.check_file(str(path)) is True
    assert quick_check.check_file(str(path), within=timedelta(milliseconds=1)) is False


# ---------------------------------------------------------------------------------------------------- who may read it


def test_a_store_that_others_may_read_is_told_with_the_command_that_ends_it(tmp_path: Path) -> None:
    small_store(tmp_path)
    url = f"sqlite:///{tmp_path / STORE}"
    assert check_store(url) == ()
    (tmp_path / STORE).chmod(0o640)
    [log] = (tmp_path / INBOX).iterdir()
    log.chmod(0o604)
    [warning] = check_store(url)
    mend = f"chmod -R go= {tmp_path / STORE} {tmp_path / INBOX}"
    assert f"`{mend}`" in warning
    done = typed(tmp_path, {"BRIDGE_STORE": url}, "status", "--format", "json")
    assert any(
        note["text"].startswith("other users of this machine may read") for note in json.loads(done.stdout)["notes"]
    )
    subprocess.run(mend.split(), check=True)
    assert check_store(url) == ()
    assert file_modes.exposed_files(str(tmp_path / STORE)) is None


def test_a_store_of_another_user_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    small_store(tmp_path)
    me = os.geteuid()
    with pytest.raises(
        StoreUnavailable, match=f"belongs to user {me}, and this is user {me + 1}; run trackbridge as user {me}"
    ):
        file_modes.require_own_files(str(tmp_path / STORE), user=me + 1)


def test_a_store_that_may_not_be_written_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    nobody = 65534
    small_store(tmp_path)
    as_nobody = os.geteuid() == 0
    for one in (tmp_path, *tmp_path.rglob("*")):
        if as_nobody:
            os.chown(one, nobody, nobody)
    (tmp_path / STORE).chmod(0o400)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import os, sys; from bridge.store.sqlite import file_modes; sys.argv[1] == '1' and os.seteuid(65534); "
                "file_modes.require_own_files('trackbridge.db')"
            ),
            str(int(as_nobody)),
        ],
        cwd=tmp_path,
        env=clean_environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "trackbridge.db may not be read and written by this user; `chmod -R u+rwX trackbridge.db" in done.stderr


def test_a_file_that_another_process_deletes_during_the_check_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_store(tmp_path)
    [log] = (tmp_path / INBOX).iterdir()
    may_access = os.access

    def access(path: str, mode: int, **options: bool) -> bool:
        log.unlink(missing_ok=True)  # as a worker that has applied it
        return may_access(path, mode, **options)

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(os, "supports_effective_ids", {access})
    found = log.stat()
    monkeypatch.setattr(file_modes, "_store_files", lambda _path: iter([(str(log), found)]))
    file_modes.require_own_files(str(tmp_path / STORE))


@pytest.mark.parametrize("umask", [0, 0o077, 0o177, 0o777])
def test_new_files_are_the_users_alone_whatever_the_umask_is(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        small_store(tmp_path)
        typed(tmp_path, {}, "backup", "backup")
    finally:
        os.umask(before)
    assert file_modes.exposed_files(str(tmp_path / STORE)) is None
    assert stat.S_IMODE((tmp_path / INBOX).stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "backup").rglob("*")} == {0o600, 0o700}


@pytest.mark.parametrize("make", [os.mkfifo, lambda lock: lock.symlink_to("/dev/null")], ids=["a fifo", "a device"])
@pytest.mark.timeout(20)
def test_a_lock_file_that_is_no_regular_file_is_refused_without_waiting(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / f".{STORE}.lock")
    with pytest.raises(StoreUnavailable, match=rf"\.{STORE}\.lock is no regular file; delete it, and start again"):
        reserve_store(f"sqlite:///{tmp_path / STORE}", ["web", "worker"])
    assert not (tmp_path / STORE).exists()
