"""What the ledger learned of late is known from the moment it is written, wherever it stands, to whoever asks."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from store_made import LEASE, NOW, SECOND, again, apply_log, claim_rows, keep, key, numbers, order, routed, webhook

from bridge.core.dedupe_keys import KEY_SIZE
from bridge.core.model import Accepted
from bridge.store.protocol import DEFAULT_RETENTION
from bridge.store.sqlite.db import open_file
from bridge.store.sqlite.db.clock_skew import ClockReadings
from bridge.store.sqlite.store import SqliteStore
from bridge.store.sqlite.tables import ledger

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
FRAME = 4096 + 24
"""Bytes of the write-ahead log that a changed page takes: https://www.sqlite.org/fileformat.html#the_write_ahead_log"""
Entries = list[tuple[bytes, int, int]]


def entries_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        count = {"ledger": "count(*)", "recent": "coalesce(sum(length(entries)) / 32, 0)"}[table]
        found: int = db.execute(f"SELECT {count} FROM {table}").fetchone()[0]
        return found


def grown(path: Path, size: int) -> None:
    """A ledger of so many keys."""
    nonce = random.Random(7)
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            "INSERT INTO ledger VALUES (?, ?, ?)", sorted((nonce.randbytes(KEY_SIZE), n, 0) for n in range(size))
        )


def pages_written(path: Path, count: int) -> int:
    """Pages that go to the log when so many webhooks get their place, in one transaction."""

    async def story() -> int:
        store = SqliteStore(str(path))
        await store.keep([webhook(f"w-{n}", key(f"a-{n}"), key(f"b-{n}")) for n in range(count)])
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await apply_log(store, limit=count)
        size = path.with_name(f"{path.name}-wal").stat().st_size
        await store.close()
        return size // FRAME

    return asyncio.run(story())


def test_a_row_costs_no_more_pages_however_much_the_ledger_holds(tmp_path: Path) -> None:
    few, many = tmp_path / "few.db", tmp_path / "many.db"
    for path, size in ((few, 100), (many, 100_000)):
        open_file.prepare_file(str(path))
        grown(path, size)
    assert pages_written(many, 100) <= pages_written(few, 100) + 5


def test_enough_of_it_is_flushed_when_nothing_is_unapplied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "FLUSH_FROM", 20)
    monkeypatch.setattr(ledger, "SEGMENT_ENTRIES", 10)
    path = tmp_path / "x.db"

    async def story() -> None:
        store = SqliteStore(str(path))
        kept = await keep(store, *(webhook(str(n)) for n in range(19)))
        await claim_rows(store, now=NOW - SECOND, limit=5, lease=LEASE)  # the clock is seen, and nothing is due
        await store.claim_batch(now=NOW - SECOND, limit=5, lease=LEASE)
        assert (entries_of(path, "recent"), entries_of(path, "ledger")) == (19, 0)
        await keep(store, *(webhook(str(n)) for n in range(19, 25)))
        left = []
        for _ in range(5):
            await store.claim_batch(now=NOW - SECOND, limit=5, lease=LEASE)
            left.append((entries_of(path, "recent"), entries_of(path, "ledger")))
            assert await keep(store, webhook("7")) == (again(kept[7].number),)
        assert left == [(25, 0), (15, 10), (5, 20), (0, 25), (0, 25)]
        await store.close()

    asyncio.run(story())


def test_what_is_unapplied_or_due_goes_before_flushing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "FLUSH_FROM", 1)
    path = tmp_path / "x.db"

    async def story() -> None:
        store = SqliteStore(str(path))
        await keep(store, webhook("due"))
        await claim_rows(store, now=NOW - SECOND, limit=5, lease=LEASE)
        assert numbers(await claim_rows(store, now=NOW + LEASE, limit=5, lease=LEASE)) == [1]
        await store.keep([webhook("fresh")])
        assert (await store.claim_batch(now=NOW - SECOND, limit=5, lease=LEASE)).webhooks
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT sorted FROM recent").fetchall() == [(0,)]
        await store.close()

    asyncio.run(story())


def test_more_than_may_wait_is_entered_by_whoever_adds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_ENTRIES", 30)
    monkeypatch.setattr(ledger, "SEGMENT_ENTRIES", 10)
    path = tmp_path / "x.db"

    async def story() -> None:
        store = SqliteStore(str(path))
        for number in range(100):
            await store.accept_events([routed(f"e-{number}", order(f"{number}"))], now=NOW)
            assert entries_of(path, "recent") <= 30
        assert entries_of(path, "recent") + entries_of(path, "ledger") == 300
        await keep(store, *(webhook(f"w-{number}") for number in range(200)))
        assert entries_of(path, "recent") <= 30, "though one adds many times as many"
        for number in range(100):
            said = await store.accept_events([routed(f"f-{number}", order(f"{number}"))], now=NOW)
            assert said == (Accepted(f"f-{number}", f"e-{number}"),)
        await store.close()

    asyncio.run(story())


def test_a_sweep_enters_all_of_it_and_forgets_what_is_old(tmp_path: Path) -> None:
    path = tmp_path / "x.db"

    async def swept(store: SqliteStore, days: int) -> None:
        while (await store.purge(DEFAULT_RETENTION, now=NOW + timedelta(days=days), limit=200)).more:
            pass

    async def story() -> None:
        store = SqliteStore(str(path), clocks=ClockReadings(trial=timedelta()))
        await keep(store, *(webhook(str(n)) for n in range(9)))
        await swept(store, 1)
        assert (entries_of(path, "recent"), entries_of(path, "ledger")) == (0, 9)
        await keep(store, *(webhook(str(n)) for n in range(9, 12)))
        await swept(store, 500)
        assert (entries_of(path, "recent"), entries_of(path, "ledger")) == (0, 0)
        await store.close()

    asyncio.run(story())


# ------------------------------------------------------------------------- whatever is done, however it is undone


several = st.lists(
    st.tuples(st.integers(0, 12).map(lambda n: key(str(n))), st.integers(1, 99), st.integers(0, 9)),
    max_size=5,
    unique_by=lambda one: one[0],
)
ends = st.sampled_from(["kept", "kept", "kept", "undone", "savepoint undone"])


class Machine(RuleBasedStateMachine):
    """Two connections to one store, and what must be known."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        path = str(self.folder / "x.db")
        open_file.prepare_file(path)
        self.connections = [open_file.connect_to(path, reading=False, busy=SECOND) for _ in range(2)]
        self.known: dict[bytes, tuple[int, int]] = {}

    def teardown(self) -> None:
        with suppress(AttributeError):
            for db in self.connections:
                db.close()
            shutil.rmtree(self.folder)

    @contextmanager
    def transaction(self, which: int, end: str) -> Iterator[sqlite3.Connection]:
        """One that ends so; what it has learned is known if it is kept."""
        db, before = self.connections[which], dict(self.known)
        db.execute("BEGIN IMMEDIATE")
        db.execute("SAVEPOINT job")
        yield db
        self.look(db)
        if end == "savepoint undone":
            db.execute("ROLLBACK TO job")
            self.known = before
            self.look(db)
            db.execute("COMMIT")
        elif end == "undone":
            db.execute("ROLLBACK")
            self.known = before
        else:
            db.execute("COMMIT")

    def look(self, db: sqlite3.Connection) -> None:
        assert ledger.find_keys(db, [key(str(n)) for n in range(13)]) == self.known

    def learned(self, entries: Entries) -> None:
        self.known |= {name: (number, at) for name, number, at in entries}

    @rule(which=st.integers(0, 1), end=ends, given=st.lists(several, min_size=1, max_size=3))
    def add(self, which: int, end: str, given: list[Entries]) -> None:
        with self.transaction(which, end) as db:
            for entries in given:
                ledger.add_entries(db, entries)
                self.learned(entries)

    @rule(which=st.integers(0, 1), end=ends, steps=st.integers(1, 4), looks=st.booleans())
    def enter(self, which: int, end: str, steps: int, *, looks: bool) -> None:
        with self.transaction(which, end) as db:
            for _ in range(steps):
                ledger.flush_step(db)
                if looks:
                    self.look(db)

    @rule(which=st.integers(0, 1), end=ends)
    def sort(self, which: int, end: str) -> None:
        with self.transaction(which, end) as db:
            ledger.sort_buffer(db)

    @rule(which=st.integers(0, 1), end=ends, given=several)
    def undo_one_job_and_go_on_with_another(self, which: int, end: str, given: Entries) -> None:
        with self.transaction(which, end) as db:
            db.execute("SAVEPOINT other")
            ledger.add_entries(db, [(key("lost"), 1, 1)])
            ledger.find_keys(db, [])
            db.execute("ROLLBACK TO other")
            ledger.add_entries(db, given)
            self.learned(given)

    @rule(which=st.integers(0, 1), gone=st.integers(0, 12))
    def forget_as_a_purge_does(self, which: int, gone: int) -> None:
        with self.transaction(which, "kept") as db:
            more = ledger.sort_buffer(db)
            while more:
                more = ledger.flush_step(db)
            assert db.execute("SELECT count(*) FROM recent").fetchone() == (0,)
            db.execute("DELETE FROM ledger WHERE key = ?", (key(str(gone)),))
            self.known.pop(key(str(gone)), None)

    @rule(which=st.integers(0, 1))
    def one_looks(self, which: int) -> None:
        self.look(self.connections[which])

    @invariant()
    def a_stranger_sees_the_same(self) -> None:
        with suppress(AttributeError), closing(sqlite3.connect(self.folder / "x.db")) as db:
            self.look(db)


def test_each_key_is_known_by_what_was_learned_last_whatever_is_moved_or_rolled_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "MOST_ENTRIES", 12)
    monkeypatch.setattr(ledger, "SEGMENT_ENTRIES", 3)
    run_state_machine_as_test(Machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None))
