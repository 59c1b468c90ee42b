"""What is SQLite's own: its URL, its file, its versions, and trouble with the disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from store_made import NOW, SECOND, accepted, applied, claim_rows, event, keep, order, routed, webhook

from bridge.core.errors import SettingsError, StoreUnavailable, StoreUnusable
from bridge.core.model import Routed
from bridge.store.engines import check_store, open_store, reserve_store, sqlite_file
from bridge.store.protocol import AdmissionLimits, RowFilter, StateCounts, Store
from bridge.store.sqlite.db import errors, open_file
from bridge.store.sqlite.db.writer import WriterThread
from bridge.store.sqlite.ingest.log_writer import EVERY
from bridge.store.sqlite.schema import STEPS
from bridge.store.sqlite.store import SqliteStore


def opened_and_closed(path: Path) -> None:
    asyncio.run(SqliteStore(str(path)).close())


def picture(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file of a folder: its bytes, its mode, when it was changed."""
    return {
        one.name: (one.read_bytes(), one.stat().st_mode, one.stat().st_mtime_ns) for one in sorted(folder.iterdir())
    }


# --------------------------------------------------------------------------------------------------------- the URL


def test_three_slashes_name_a_relative_file_and_four_an_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asyncio.run(open_store("sqlite:///near 100%#.db").close())
    asyncio.run(open_store(f"sqlite:///{tmp_path}/far.db").close())
    assert sorted(one.name for one in tmp_path.iterdir()) == ["far.db", "near 100%#.db"]


def test_a_store_named_by_a_link_is_the_one_that_the_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "kept" / "trackbridge.db")
    asyncio.run(open_store(f"sqlite:///{tmp_path / 'link.db'}").close())
    assert "trackbridge.db" in {path.name for path in (tmp_path / "kept").iterdir()}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("link.db-")] == []
    assert sqlite_file(f"sqlite:///{tmp_path / 'link.db'}") == str(tmp_path / "kept" / "trackbridge.db")


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("store.db", "which is no engine here; write sqlite:///"),
        ("", "write sqlite:///"),
        ("sqlite:store.db", "names no file; write sqlite:///"),
        ("sqlite://store.db", "names no file; write sqlite:///"),
        ("sqlite:///", "names no file; write sqlite:///"),
        ("sqlite:////srv/", "names no file; write sqlite:///"),
        ("sqlite:///:memory:", "cannot be ':memory:'; write a plain path"),
        ("sqlite:///x.db?mode=ro", "write a plain path"),
    ],
)
def test_a_url_that_names_no_store_is_refused_with_the_remedy(url: str, mend: str) -> None:
    with pytest.raises(SettingsError) as refused:
        open_store(url)
    assert mend in str(refused.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/dev/null", "/dev/null is no regular file; name another file in BRIDGE_STORE"),
        ("/dev/full", "/dev/full is no regular file"),
        ("/dev/fd", "is no regular file"),
        ("/dev/trackbridge.db", "/dev/trackbridge.db is in /dev, which is empty again after a restart"),
        ("{tmp}/folder", "/folder is no regular file"),
        ("{tmp}/fifo", "/fifo is no regular file"),
        ("{tmp}/link", "/dev/null is no regular file"),
    ],
)
@pytest.mark.parametrize("use", [open_store, partial(reserve_store, roles=["web"]), check_store, sqlite_file])
@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_refused_before_files_are_made_beside_it(
    tmp_path: Path, path: str, words: str, use: Callable[[str], object]
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/null")
    before = set(Path("/dev").iterdir())
    with pytest.raises(SettingsError) as refused:
        use(f"sqlite:///{path.format(tmp=tmp_path)}")
    assert words in str(refused.value)
    assert set(Path("/dev").iterdir()) == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["fifo", "folder", "link"]


def test_a_store_in_a_folder_that_is_not_there_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"nowhere/x\.db cannot be opened .* see that its folder exists"):
        SqliteStore(str(tmp_path / "nowhere" / "x.db"))


# -------------------------------------------------------------------------------------------------------- the file


def test_only_its_user_may_read_the_store(tmp_path: Path) -> None:
    def modes() -> dict[str, int]:
        return {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await keep(store, webhook("a"))
        await store.state_counts()
        assert modes() == {"x.db": 0o600, "x.db-wal": 0o600, "x.db-shm": 0o600, "x.db-inbox": 0o700}
        assert [stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "x.db-inbox").iterdir()] == [0o600]
        await store.close()

    before = os.umask(0)
    try:
        asyncio.run(story())
    finally:
        os.umask(before)
    assert {one.name for one in tmp_path.iterdir()} == {"x.db", "x.db-inbox"}


def test_every_commit_is_flushed_to_a_write_ahead_log(tmp_path: Path) -> None:
    opened_and_closed(tmp_path / "x.db")
    with closing(open_file.connect_to(str(tmp_path / "x.db"), reading=False, busy=SECOND)) as db:
        full = 2
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (full,)
        assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_a_reading_connection_cannot_write(tmp_path: Path) -> None:
    opened_and_closed(tmp_path / "x.db")
    with (
        closing(open_file.connect_to(str(tmp_path / "x.db"), reading=True, busy=SECOND)) as db,
        pytest.raises(sqlite3.OperationalError),
    ):
        db.execute("DELETE FROM ledger")


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE webhooks (number)")
        db.commit()


def foreign_log(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    foreign_database(path)


def empty_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 1")


FOREIGN: list[Callable[[Path], object]] = [
    foreign_database,
    foreign_log,
    empty_database,
    lambda path: path.write_bytes(b"hello"),
    lambda path: path.write_bytes(bytes(10_000)),
    lambda path: path.write_text("a: settings file\n" * 500),
]


@pytest.mark.parametrize("make", FOREIGN)
def test_a_file_that_is_no_store_is_refused_and_left_as_it_is(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "x.db")
    before = picture(tmp_path)
    with pytest.raises(StoreUnusable, match=r"x\.db is no trackbridge store and was left as it is; name another file"):
        SqliteStore(str(tmp_path / "x.db"))
    assert picture(tmp_path) == before


def test_the_items_of_one_request_share_one_body(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        body = b"x" * 9000
        await keep(store, webhook("a", body=body), webhook("b", body=bytes(bytearray(body))), webhook("c", body=b"y"))
        await keep(store, webhook("a", body=b"z"))
        found = await claim_rows(store, now=NOW, limit=9, lease=SECOND)
        assert [one.body for one in found] == [body, body, b"y"]
        await store.close()

    asyncio.run(story())
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        sizes = [size for (size,) in db.execute("SELECT length(bytes) FROM bodies ORDER BY number")]
        assert len(sizes) == 2
        assert sizes[0] < 100, "packed"


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "x.db").touch()
    opened_and_closed(tmp_path / "x.db")
    assert (tmp_path / "x.db").stat().st_size > 0


def test_a_start_that_was_cut_off_after_the_first_page_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA application_id = {open_file.APPLICATION_ID}")
    opened_and_closed(path)
    opened_and_closed(path)


def test_many_that_make_the_store_at_once_make_one(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    failed: list[Exception] = []

    def opens() -> None:
        try:
            opened_and_closed(path)
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            failed.append(error)

    threads = [threading.Thread(target=opens) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_damaged_store_is_unusable_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.db"

    async def story() -> None:
        store = SqliteStore(str(path))
        said = r"x\.db is damaged or no database; put a backup in its place"
        for asks in (store.webhooks(RowFilter()), store.accept_events([routed("new")], now=NOW)):
            with pytest.raises(StoreUnusable, match=said):
                await asks
        await store.close()

    asyncio.run(furnished(path, 200))
    with closing(sqlite3.connect(path)) as db:
        pages = [
            row[0] for row in db.execute("SELECT rootpage FROM sqlite_schema WHERE name IN ('webhooks', 'ledger')")
        ]
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as raw:
        for page in pages:
            raw.seek((page - 1) * size)
            raw.write(b"\xa5" * size)
    asyncio.run(story())


def test_a_store_whose_log_was_being_moved_into_it_when_all_stopped_opens_with_all_it_had(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await keep(store, *(webhook(str(n)) for n in range(200)))
        for name in ("x.db", "x.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / name.replace("x", "y"))
        await store.close()
        with (tmp_path / "y.db").open("r+b") as raw:  # the first page goes first, and says how many there will be
            raw.seek(28)
            raw.write((10_000).to_bytes(4, "big"))
        store = SqliteStore(str(tmp_path / "y.db"))
        assert len(await (await applied(store)).webhooks(RowFilter())) == 200
        await store.close()

    asyncio.run(story())


async def furnished(path: Path, count: int) -> None:
    store = SqliteStore(str(path))
    await keep(store, *(webhook(str(n)) for n in range(count)))
    await store.close()


# ------------------------------------------------------------------------------------------------------- versions


def test_a_newer_versions_store_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    opened_and_closed(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match=r"written by a newer trackbridge .* install that version again"):
        SqliteStore(str(path))
    assert path.read_bytes() == before


def test_a_new_store_bears_the_newest_version(tmp_path: Path) -> None:
    opened_and_closed(tmp_path / "x.db")
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        assert db.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"trkb", "big"),)


def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    asyncio.run(furnished(path, 3))
    broken = ("ALTER TABLE webhooks ADD COLUMN extra TEXT", "this is no SQL")
    with pytest.raises(StoreUnavailable):
        open_file.prepare_file(str(path), steps=(*STEPS, broken))
    opened_and_closed(path)
    open_file.prepare_file(str(path), steps=(*STEPS, broken[:1]))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*), count(extra) FROM webhooks").fetchone() == (3, 0)
        assert db.execute("PRAGMA user_version").fetchone() == (len(STEPS) + 1,)


# -------------------------------------------------------------------------------------------------------- trouble


def test_a_lock_that_another_process_holds_is_said_and_passes(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"), bounds=AdmissionLimits(max_wait=timedelta(milliseconds=50)))
        with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match=r"x\.db is locked by another process") as said:
                await keep(store, webhook("a"))
            assert said.value.retry_after is not None
            assert await store.webhooks(RowFilter()) == []
            other.execute("ROLLBACK")
        assert not (await keep(store, webhook("a")))[0].is_known
        await store.close()

    asyncio.run(story())


def test_a_store_that_was_moved_away_takes_nothing_until_it_is_back(tmp_path: Path) -> None:
    async def story() -> None:
        path, aside = tmp_path / "x.db", tmp_path / "aside.db"
        store = SqliteStore(str(path))
        await keep(store, webhook("a"))
        path.rename(aside)
        await asyncio.sleep(EVERY)  # for so long a look holds
        for asks in (keep(store, webhook("b")), store.state_counts()):
            with pytest.raises(StoreUnavailable, match=r"x\.db is not there any more .* put the file back"):
                await asks
        aside.rename(path)
        (kept,) = await keep(store, webhook("b"))
        assert (kept.is_known, len(await (await applied(store)).webhooks(RowFilter()))) == (False, 2)
        await store.close()

    asyncio.run(story())


def test_a_backup_put_in_its_place_is_used_from_then_on(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await keep(store, webhook("a"))
        await store.state_counts()
        await SqliteStore(str(tmp_path / "backup.db")).close()
        for name in ("x.db-wal", "x.db-shm"):
            (tmp_path / name).unlink()
        (tmp_path / "backup.db").rename(tmp_path / "x.db")
        assert [one.is_known for one in await keep(store, webhook("b"))] == [False, False], (
            "the inbox still held the first"
        )
        assert [row.id for row in await (await applied(store)).webhooks(RowFilter())] == ["wh_2", "wh_1"]
        await store.close()

    asyncio.run(story())


FILLS_THE_DISK = """
import asyncio, random, resource, sys
from msgspec.structs import replace
from bridge.core.model import Routed
from bridge.core.errors import StoreUnavailable
from bridge.store.protocol import RowFilter
from bridge.store.engines import open_store, sqlite_file
from store_made import NOW, applied, event, webhook

async def bring(store, verb, name):
    if verb == "keep":
        await store.keep([webhook(name, body=random.randbytes(5000))])
    else:
        big = replace(event(name), text=random.randbytes(5000))
        await store.accept_events([Routed(big, ())], now=NOW)

async def main():
    store = open_store(sys.argv[1])
    verb = sys.argv[2]
    await bring(store, verb, "first")
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, most))
    kept = 0
    try:
        while True:
            await asyncio.gather(*(bring(store, verb, f"{kept}-{n}") for n in range(5)))
            kept += 5
    except StoreUnavailable as error:
        print(type(error).__name__, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, most))
    await bring(store, verb, "last")
    found = await (await applied(store)).webhooks(RowFilter()) if verb == "keep" else await store.events(RowFilter())
    print(len(found) - kept)
    await store.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("verb", "words"), [("keep", "the inbox {}/x.db-inbox cannot be written"), ("accept", "the store {}/x.db ")]
)
def test_a_disk_that_takes_no_more_refuses_whole_groups_and_then_goes_on(tmp_path: Path, verb: str, words: str) -> None:
    roots = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    ran = subprocess.run(
        [sys.executable, "-c", FILLS_THE_DISK, f"sqlite:///{tmp_path}/x.db", verb],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(roots)},
    )
    assert ran.stderr == ""
    first, second = ran.stdout.splitlines()
    assert first.startswith(f"StoreUnavailable {words.format(tmp_path)}")
    assert second == "2"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_FULL, StoreUnavailable, "cannot grow: the disk is full; free some space"),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable, "cannot be read or written; see the disk"),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreUnavailable, "may not be written; give this user write access"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreUnavailable, "is locked by another process"),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable, "cannot be opened; see that its folder exists"),
        (sqlite3.SQLITE_CORRUPT_VTAB, StoreUnusable, "is damaged or no database; put a backup in its place"),
        (sqlite3.SQLITE_NOTADB, StoreUnusable, "is damaged or no database; put a backup in its place"),
    ],
)
def test_trouble_is_told_with_the_file_and_the_remedy(code: int, kind: type[StoreUnavailable], words: str) -> None:
    error = sqlite3.OperationalError("whatever SQLite says")
    error.sqlite_errorcode = code
    error.sqlite_errorname = "SQLITE_NAME"
    told = errors.store_error(error, "/srv/x.db")
    assert type(told) is kind
    assert str(told).startswith(f"the store /srv/x.db {words}")


# ---------------------------------------------------------------------------------------------------------- groups


def test_a_full_queue_refuses_callers_and_never_the_loops(tmp_path: Path) -> None:
    opened_and_closed(tmp_path / "x.db")

    async def story() -> None:
        writer = WriterThread(str(tmp_path / "x.db"), limit=3, patience=timedelta(minutes=1))
        held, release = threading.Event(), threading.Event()
        ran: list[str] = []

        def holds(_db: sqlite3.Connection) -> None:
            held.set()
            release.wait()

        first = asyncio.ensure_future(writer.run_write(holds))
        await asyncio.to_thread(held.wait)
        loops = [asyncio.ensure_future(writer.run_write(lambda _db: ran.append("loop"))) for _ in range(5)]
        callers = [
            asyncio.ensure_future(writer.run_write(lambda _db: ran.append("caller"), urgent=True)) for _ in range(5)
        ]
        done, waiting = await asyncio.wait(callers, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(waiting)) == (2, 3)
        for one in done:
            with pytest.raises(StoreUnavailable, match="3 requests wait for the disk already") as said:
                one.result()
            assert said.value.retry_after == SECOND
        release.set()
        await asyncio.gather(first, *loops, *waiting)
        assert ran == ["caller"] * 3 + ["loop"] * 5
        await asyncio.to_thread(writer.close_thread)

    asyncio.run(story())


def test_callers_are_refused_when_the_disk_stands_still_and_the_loops_are_not(tmp_path: Path) -> None:
    opened_and_closed(tmp_path / "x.db")

    async def story() -> None:
        writer = WriterThread(str(tmp_path / "x.db"), limit=100, patience=timedelta())
        held, release = threading.Event(), threading.Event()
        ran: list[str] = []

        def holds(_db: sqlite3.Connection) -> None:
            held.set()
            release.wait()

        first = asyncio.ensure_future(writer.run_write(holds))
        await asyncio.to_thread(held.wait)
        loop = asyncio.ensure_future(writer.run_write(lambda _db: ran.append("loop")))
        caller = asyncio.ensure_future(writer.run_write(lambda _db: ran.append("caller"), urgent=True))
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="too slowly"):
            await writer.run_write(lambda _db: ran.append("next"), urgent=True)
        release.set()
        with pytest.raises(StoreUnavailable, match="too slowly"):
            await caller
        await asyncio.gather(first, loop)
        assert ran == ["loop"]
        await asyncio.to_thread(writer.close_thread)

    asyncio.run(story())


def test_what_waits_at_a_moment_shares_one_commit(tmp_path: Path) -> None:
    opened_and_closed(tmp_path / "x.db")

    async def story() -> None:
        writer = WriterThread(str(tmp_path / "x.db"), limit=1000, patience=timedelta(minutes=1))
        held, release = threading.Event(), threading.Event()

        def holds(_db: sqlite3.Connection) -> None:
            held.set()
            release.wait()

        def seen(db: sqlite3.Connection) -> int:
            """How many of the group's rows stand there already: none that another commit has brought."""
            db.execute("INSERT INTO bodies (bytes) VALUES (x'00')")
            with closing(sqlite3.connect(tmp_path / "x.db")) as other:
                count: int = other.execute("SELECT count(*) FROM bodies").fetchone()[0]
            return count

        first = asyncio.ensure_future(writer.run_write(holds))
        await asyncio.to_thread(held.wait)
        others = [asyncio.ensure_future(writer.run_write(seen, urgent=True)) for _ in range(50)]
        await asyncio.sleep(0)
        release.set()
        await first
        assert await asyncio.gather(*others) == [0] * 50
        await asyncio.to_thread(writer.close_thread)

    asyncio.run(story())


def test_a_commit_that_fails_fails_all_of_its_group_and_the_next_goes_through(tmp_path: Path) -> None:
    opened_and_closed(tmp_path / "x.db")

    async def story() -> None:
        writer = WriterThread(str(tmp_path / "x.db"), limit=1000, patience=timedelta(minutes=1))
        held, release = threading.Event(), threading.Event()

        def holds(_db: sqlite3.Connection) -> None:
            held.set()
            release.wait()

        def writes(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO bodies (bytes) VALUES (x'00')")

        def breaks_the_commit(db: sqlite3.Connection) -> None:
            db.execute("PRAGMA defer_foreign_keys = ON")
            db.execute("INSERT INTO attempted VALUES (999, 1)")

        def count(db: sqlite3.Connection) -> int:
            found: int = db.execute("SELECT count(*) FROM bodies").fetchone()[0]
            return found

        first = asyncio.ensure_future(writer.run_write(holds))
        await asyncio.to_thread(held.wait)
        group = [
            asyncio.ensure_future(writer.run_write(run, urgent=True)) for run in (writes, breaks_the_commit, writes)
        ]
        await asyncio.sleep(0)
        release.set()
        await first
        answers = await asyncio.gather(*group, return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
        assert len({id(answer) for answer in answers}) == 3
        assert await writer.run_write(count) == 0
        await writer.run_write(writes)
        assert await writer.run_write(count) == 1
        await asyncio.to_thread(writer.close_thread)

    asyncio.run(story())


# ----------------------------------------------------------------------------------------------- what purging needs


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        (("19.90", "EUR"), ("19.9", "EUR"), 0),
        (("19.90", "EUR"), ("20", "EUR"), 1),
        (("19.90", "EUR"), ("19.90", "USD"), 1),
        (("19.90", "EUR"), (None, "EUR"), 1),
        (("19.90", None), ("a lot", None), 1),
        ((None, None), (None, None), 0),
    ],
)
def test_a_duplicate_that_tells_another_amount_is_flagged(
    tmp_path: Path, first: tuple[str | None, ...], second: tuple[str | None, ...], differs: int
) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        for name, (value, currency) in (("evt_1", first), ("evt_2", second)):
            told = event(name, order("1"), value=value, currency=currency)
            await store.accept_events([Routed(told, ())], now=NOW)
        await store.close()

    asyncio.run(story())
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        assert db.execute("SELECT id, differs FROM events").fetchall() == [("evt_1", 0), ("evt_2", differs)]


def test_bodies_events_and_webhooks_can_go_while_the_ledger_still_knows_them(tmp_path: Path) -> None:
    original = Routed(event("evt_1", order("1")), ())

    async def kept(store: Store) -> None:
        await keep(store, webhook("a"), webhook("b", body=b"other"))
        await store.accept_events([original], now=NOW)
        await accepted(store, "evt_2")

    async def gone(store: Store) -> None:
        assert [one.is_known for one in await keep(store, webhook("a"), webhook("b"))] == [True, True]
        (again, duplicate) = await store.accept_events([original, Routed(event("evt_3", order("1")), ())], now=NOW)
        assert (again.event_id, again.duplicate_of) == ("evt_1", None)
        assert duplicate.duplicate_of is not None
        assert [row.duplicate_of for row in await store.events(RowFilter())] == [duplicate.duplicate_of]
        (found,) = await claim_rows(store, now=NOW, limit=9, lease=SECOND)
        assert found == replace(webhook("b", body=b""), number=2)
        assert await store.state_counts() == StateCounts(
            webhooks={("shopify", "received"): 1},
            events={("purchase", "duplicate"): 1},
            deliveries={},
            oldest_received=NOW,
            oldest_pending={},
        )

    async def told(story: Callable[[Store], object]) -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await story(store)  # type: ignore[misc]
        await store.close()

    asyncio.run(told(kept))
    with closing(open_file.connect_to(str(tmp_path / "x.db"), reading=False, busy=SECOND)) as db:
        db.execute("DELETE FROM bodies")
        db.execute("DELETE FROM events")
        db.execute("DELETE FROM webhooks WHERE number = 1")
    asyncio.run(told(gone))
