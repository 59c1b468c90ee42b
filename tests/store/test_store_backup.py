"""Backups of a store and what may not be one; damage that is found at the start; who may read the files."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from peers import clean_environment, command, serving, typed, until
from small_disk import MEBIBYTE, filled, small_disk
from store_made import LEASE, NOW, accepted, applied, apply_log, keep, webhook

from bridge.store.engines import back_up_store, open_store
from bridge.store.sqlite.backup import create
from bridge.store.sqlite.db import open_file
from bridge.store.sqlite.schema import STEPS
from bridge.store.sqlite.store import SqliteStore

STORE, INBOX = "trackbridge.db", "trackbridge.db-inbox"


def filled_store(folder: Path) -> None:
    """A store with two webhooks that have their place, one that stands in the ingest log only, and an event."""

    async def story() -> None:
        store = SqliteStore(str(folder / STORE))
        await keep(store, webhook("a"), webhook("b"))
        await accepted(store, "e-1")
        await store.keep([webhook("c")])
        await store.close()

    asyncio.run(story())


def names(folder: Path) -> list[str]:
    """The webhooks of a store, oldest first."""

    async def asked() -> list[str]:
        store = SqliteStore(str(folder / STORE))
        try:
            return [
                one.id
                for one in await (await applied(store)).iter_webhooks(["shopify"], since=None, after=0, limit=100)
            ]
        finally:
            await store.close()

    return asyncio.run(asked())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a filled store, and a backup of it."""
    filled_store(tmp_path)
    done = typed(tmp_path, {}, "backup", "backup")
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path


@pytest.fixture
def elsewhere(place: Path) -> Path:
    """An empty folder beside it."""
    folder = place / "elsewhere"
    folder.mkdir()
    return folder


def refused(folder: Path, *words: str) -> str:
    """What a command says on its one line when it ends with 1."""
    done = typed(folder, {}, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("trackbridge: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_backup_says_what_it_holds_and_only_its_user_may_read_it(tmp_path: Path) -> None:
    filled_store(tmp_path)
    before = os.umask(0)
    try:
        done = typed(tmp_path, {}, "backup", "backup")
    finally:
        os.umask(before)
    assert done.stdout.startswith(
        "backup of sqlite:///trackbridge.db in backup: 3 webhooks (3 of them not translated yet)"
    )
    assert "1 events; 1 pending deliveries" in done.stdout
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "backup").iterdir()}
    assert modes == {"backup.json": 0o600, STORE: 0o600, INBOX: 0o700}
    assert [stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "backup" / INBOX).iterdir()] == [0o600]
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o700


def test_what_is_restored_holds_every_webhook_once(elsewhere: Path) -> None:
    done = typed(elsewhere, {}, "restore", "../backup")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("restored sqlite:///trackbridge.db from ../backup, a backup of ")
    assert "have them send that time's webhooks again" in done.stdout
    assert "with the same event_id" in done.stdout
    assert {one.name for one in elsewhere.iterdir()} == {STORE, INBOX, f".{STORE}.lock"}
    assert [stat.S_IMODE(one.stat().st_mode) for one in sorted(elsewhere.iterdir())] == [0o600, 0o600, 0o700]
    assert names(elsewhere) == ["a", "b", "c"]


def test_a_backup_holds_no_other_file_that_stands_beside_the_store(tmp_path: Path) -> None:
    filled_store(tmp_path)
    (tmp_path / f"{STORE}-metrics-key").write_text("a made-up key")
    (tmp_path / INBOX / "lost+found").mkdir()
    (tmp_path / INBOX / "notes.txt").write_text("not ours")
    os.mkfifo(tmp_path / INBOX / "00000000000000000001-00000000")
    typed(tmp_path, {}, "backup", "backup")
    assert {one.name for one in (tmp_path / "backup").iterdir()} == {"backup.json", STORE, INBOX}
    assert len(list((tmp_path / "backup" / INBOX).iterdir())) == 1


def test_webhooks_that_came_after_the_backup_and_stand_in_the_ingest_log_survive_a_restore(place: Path) -> None:
    async def later() -> None:
        store = open_store(f"sqlite:///{place / STORE}")
        await store.keep([webhook("d")])
        await store.keep([webhook("c")])
        await store.close()

    asyncio.run(later())
    for name in (STORE, f"{STORE}-wal", f"{STORE}-shm"):
        (place / name).unlink(missing_ok=True)
    done = typed(place, {}, "restore", "backup")
    assert "2 files of the ingest log were there already and were left" in done.stdout
    assert names(place) == ["a", "b", "c", "d"]


def test_a_damaged_log_file_in_place_takes_no_webhook_of_the_backup_away(tmp_path: Path) -> None:
    async def kept() -> None:
        store = open_store(f"sqlite:///{tmp_path / STORE}")
        await store.keep([webhook("a")])
        await store.keep([webhook("b")])
        await store.close()

    asyncio.run(kept())
    assert typed(tmp_path, {}, "backup", "backup").returncode == 0
    [log] = (tmp_path / INBOX).iterdir()
    whole = log.read_bytes()
    log.write_bytes(b"?" * len(whole) + b"more than the backup has of it")
    for name in (STORE, f"{STORE}-wal", f"{STORE}-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    assert typed(tmp_path, {}, "restore", "backup").returncode == 0
    assert names(tmp_path) == ["a", "b"]


def test_a_log_file_of_which_all_is_applied_is_not_in_the_backup(tmp_path: Path) -> None:
    filled_store(tmp_path)
    [log] = (tmp_path / INBOX).iterdir()
    content = log.read_bytes()
    names(tmp_path)  # it has its place then, and goes
    assert not log.exists()
    log.write_bytes(content)
    typed(tmp_path, {}, "backup", "backup")
    assert list((tmp_path / "backup" / INBOX).iterdir()) == []


# What the order of the steps rests on: each of them meets a bridge that applies and deletes log files meanwhile.


def applied_meanwhile(place: Path, *more: str) -> None:
    """A bridge applies the ingest log, and what else comes in, and deletes its files."""

    async def story() -> None:
        store = SqliteStore(str(place / STORE))
        for name in more:
            await apply_log(store, limit=100)
            await store.claim_batch(now=NOW, limit=100, lease=LEASE)
            await store.keep([webhook(name)])
        await apply_log(store, limit=100)
        await store.close()

    asyncio.run(story())
    assert list((place / INBOX).iterdir()) == []


def test_a_log_file_that_goes_while_the_snapshot_is_copied_is_in_the_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled_store(tmp_path)
    monkeypatch.setattr(create, "_heed_signals", lambda *_: applied_meanwhile(tmp_path))
    back_up_store(f"sqlite:///{tmp_path / STORE}", tmp_path / "backup", now=NOW)
    assert len(list((tmp_path / "backup" / INBOX).iterdir())) == 1
    shutil.copytree(tmp_path / "backup", tmp_path / "restored")
    assert names(tmp_path / "restored") == ["a", "b", "c"]


def test_a_log_file_that_goes_before_the_snapshot_begins_is_not_applied_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled_store(tmp_path)
    [first] = [one.name for one in (tmp_path / INBOX).iterdir()]
    snapshot = create._open_snapshot  # noqa: SLF001  the step that the test stands in front of

    def later(path: str) -> object:
        applied_meanwhile(tmp_path, "d", "e")
        return snapshot(path)

    monkeypatch.setattr(create, "_open_snapshot", later)
    back_up_store(f"sqlite:///{tmp_path / STORE}", tmp_path / "backup", now=NOW)
    with closing(sqlite3.connect(tmp_path / "backup" / STORE)) as db:
        assert first not in [name for (name,) in db.execute("SELECT name FROM inbox_files")], "its row has gone, too"
    assert list((tmp_path / "backup" / INBOX).iterdir()) == []
    assert names(tmp_path / "backup") == ["a", "b", "c", "d", "e"]


def test_a_store_of_an_earlier_schema_is_backed_up_as_it_is_and_restored(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    open_file.prepare_file(str(tmp_path / STORE), steps=STEPS[:2])
    assert typed(tmp_path, {}, "backup", "backup").returncode == 0
    with closing(sqlite3.connect(tmp_path / STORE)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
    assert typed(tmp_path / "elsewhere", {}, "restore", "../backup").returncode == 0
    assert names(tmp_path / "elsewhere") == []


# --------------------------------------------------------------------------------------------- what is no backup


def test_a_backup_overwrites_nothing(place: Path) -> None:
    assert "backup exists already, and no backup is overwritten; name a new folder" in refused(
        place, "backup", "backup"
    )


def test_a_backup_of_no_store_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    assert "there is no store at trackbridge.db" in refused(tmp_path, "backup", "backup")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_of_another_engine_or_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no database at all, whatever it is called")
    done = typed(tmp_path, {"BRIDGE_STORE": "sqlite:///x.db"}, "backup", "backup")
    assert "x.db is no trackbridge store" in done.stderr
    done = typed(tmp_path, {"BRIDGE_STORE": "memory:"}, "backup", "backup")
    assert "'memory', which is no engine here" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["x.db"]


def test_a_backup_into_no_folder_is_refused_with_the_remedy(place: Path) -> None:
    assert "there is no folder nowhere for the backup x; make it first" in refused(place, "backup", "nowhere/x")


def test_a_backup_that_finds_no_space_leaves_nothing_and_says_what_it_needs(place: Path) -> None:
    with small_disk(place / "disk", size=2 * MEBIBYTE) as disk, filled(disk, leaving=64 * 1024):
        said = refused(place, "backup", "disk/x")
        assert "disk has 0 MiB free, and the backup needs" in said
        assert [one.name for one in disk.iterdir()] == ["ballast"]


def test_a_backup_leaves_the_store_the_space_that_it_must_keep_free(place: Path) -> None:
    done = typed(place, {"BRIDGE_MIN_FREE": "1000TiB"}, "backup", "again")
    assert (
        "beside the 1048576000 MiB of BRIDGE_MIN_FREE; free some space, or name a folder on another disk" in done.stderr
    )
    assert not list(place.glob("again*"))


def test_a_backup_that_cannot_be_written_to_its_end_leaves_nothing(place: Path) -> None:
    most = 64 * 1024  # bytes that any file may have; the store's are more
    done = subprocess.run(
        command("backup", "again"),
        cwd=place,
        env=clean_environment(
            {"PYTHONDONTWRITEBYTECODE": "1", "COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
        ),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "the store trackbridge.db cannot be copied to again.partial" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(place.glob("again*"))


def test_a_backup_of_an_ingest_log_that_fits_nowhere_leaves_nothing(place: Path) -> None:
    [log] = (place / INBOX).iterdir()
    log.write_bytes(log.read_bytes() + bytes(4 * MEBIBYTE))
    with small_disk(place / "disk", size=2 * MEBIBYTE) as disk:
        assert "the backup disk/x cannot be written (No space left on device)" in refused(place, "backup", "disk/x")
        assert list(disk.iterdir()) == []


def test_what_a_killed_backup_left_is_no_backup_and_does_not_stand_in_the_next_ones_way(
    place: Path, elsewhere: Path
) -> None:
    shutil.copytree(place / "backup", place / "again.partial")
    (place / "again.partial" / "backup.json").unlink()
    assert "again.partial is no complete backup" in refused(elsewhere, "restore", "../again.partial")
    assert typed(place, {}, "backup", "again").returncode == 0
    assert not (place / "again.partial").exists()


def test_a_folder_with_other_files_is_not_deleted_because_of_its_name(place: Path) -> None:
    (place / "again.partial").mkdir()
    (place / "again.partial" / "photo.jpg").write_text("precious")
    assert "again.partial is in the way and holds other files" in refused(place, "backup", "again")
    assert (place / "again.partial" / "photo.jpg").exists()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Somebody who keeps all other writers out until the end of the block."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_backup_is_recognised_and_leaves_the_store_as_it_was(place: Path, by: signal.Signals) -> None:
    with writing(place / STORE):
        process = subprocess.Popen(command("backup", "again"), cwd=place, env=clean_environment({}))
        until((place / "again.partial" / INBOX).is_dir, what="the backup to begin")
        assert "another backup to again is under way" in refused(place, "backup", "again")
        process.send_signal(by)
        assert process.wait(60) == (130 if by == signal.SIGINT else -by)
    assert not (place / "again").exists()
    assert (place / "again.partial").exists() == (by == signal.SIGKILL)
    assert typed(place, {}, "backup", "again").returncode == 0
    assert names(place) == ["a", "b", "c"]


# ------------------------------------------------------------------------------------------------ refused restores


def test_a_restore_overwrites_no_store_and_names_the_files_to_move(place: Path) -> None:
    said = refused(place, "restore", "backup")
    assert (
        "a store is at trackbridge.db, and none is overwritten; move it away, and leave its -inbox where it is" in said
    )
    assert "`mkdir trackbridge.db.old && mv trackbridge.db trackbridge.db.old`" in said


def test_a_restore_is_refused_while_serve_runs_even_where_its_store_was_moved_away(place: Path) -> None:
    with serving(place, {}) as bridge:
        (place / "away").mkdir()
        for one in list(place.glob("trackbridge.db*")):
            one.rename(place / "away" / one.name)
        assert "`trackbridge serve` runs on the store trackbridge.db; stop it first" in refused(
            place, "restore", "backup"
        )
        bridge.stop()
    assert typed(place, {}, "restore", "backup").returncode == 0


def changed(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def as_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def rewritten(place: Path, **changes: object) -> None:
    """backup.json says something else."""
    path = place / "backup" / "backup.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda place: shutil.rmtree(place / "backup"), "is no complete backup: it has no backup.json"),
        (lambda place: (place / "backup/backup.json").write_text("{"), "backup.json is damaged"),
        (lambda place: changed(place / "backup" / STORE, lambda raw: raw[:-1]), "is not as it was written"),
        (lambda place: changed(place / "backup" / STORE, lambda raw: raw[:-9] + bytes(9)), "is not as it was written"),
        (lambda place: shutil.rmtree(place / "backup" / INBOX), "cannot be read (No such file or directory)"),
        (lambda place: as_a_fifo(place / "backup" / STORE), "cannot be read (it is no regular file)"),
        (lambda place: as_a_fifo(place / "backup/backup.json"), "backup.json cannot be read (it is no regular file)"),
        (lambda place: rewritten(place, schema=len(STEPS) + 1), "was written by a newer trackbridge"),
        (lambda place: rewritten(place, format=2), "was written by a newer trackbridge"),
        (lambda place: rewritten(place, schema=1), "has another schema than"),
        (lambda place: rewritten(place, files={STORE: {"size": 0, "sha256": ""}, "../x": {"size": 0, "sha256": ""}}),
         "names files that are in no backup"),
    ],
)  # fmt: skip
def test_what_is_no_whole_backup_is_refused_and_nothing_is_made(
    place: Path, elsewhere: Path, harm: Callable[[Path], object], said: str
) -> None:
    harm(place)
    assert said in refused(elsewhere, "restore", "../backup")
    assert {one.name for one in elsewhere.iterdir()} == {f".{STORE}.lock"}


def test_a_restore_that_finds_no_space_leaves_nothing(place: Path) -> None:
    with small_disk(place / "disk", size=2 * MEBIBYTE) as disk, filled(disk, leaving=64 * 1024):
        done = typed(place, {"BRIDGE_STORE": "sqlite:///disk/x.db"}, "restore", "backup")
        assert "disk has 0 MiB free, and the backup needs" in done.stderr
        assert sorted(one.name for one in disk.iterdir()) == [".x.db.lock", "ballast"]
