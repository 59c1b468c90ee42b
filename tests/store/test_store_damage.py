"""A store file that the disk damaged opens, or is refused in a sentence: no traceback, wherever the damage is."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from store_made import NOW, applied, keep, routed, webhook

from bridge.core.errors import StoreUnavailable, StoreUnusable
from bridge.store.protocol import RowFilter
from bridge.store.sqlite.store import SqliteStore


async def listed(path: Path) -> list[str]:
    store = SqliteStore(str(path))
    try:
        return [row.id for row in await (await applied(store)).webhooks(RowFilter())]
    finally:
        await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with two webhooks."""

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await keep(store, webhook("a"), webhook("b"))
        await store.close()

    asyncio.run(story())
    return tmp_path / "x.db"


def changed(whole: bytes, at: int, other: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ other]) + whole[at + 1 :]


def test_a_store_file_with_changed_bytes_or_cut_off_opens_or_says_what_it_is(path: Path) -> None:
    whole, rng = path.read_bytes(), random.Random(13)
    places = [*range(100), *(rng.randrange(100, len(whole)) for _ in range(150))]
    shapes = [changed(whole, at, rng.randrange(1, 256)) for at in places]
    shapes += [whole[: rng.randrange(1, len(whole))] for _ in range(40)]
    opened = 0
    for content in shapes:
        for name in ("x.db-wal", "x.db-shm"):
            (path.parent / name).unlink(missing_ok=True)
        path.write_bytes(content)
        with suppress(StoreUnavailable):
            asyncio.run(listed(path))
            opened += 1
    assert 0 < opened < len(shapes) - 40


def test_a_damaged_store_is_named_when_it_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"CREATE TABLE webhooks", b"CREATE TABLE \xcd\xcd\xcdhooks"))
    with pytest.raises(StoreUnusable, match=r"the store .*x\.db .* put a backup in its place"):
        SqliteStore(str(path))


@pytest.mark.parametrize(
    ("column", "value"),
    [("state", "'re!eived'"), ("received_at", "9e17"), ("received_at", "'soon'"), ("reason", "CAST(x'CD' AS TEXT)")],
)
def test_a_value_that_cannot_be_read_is_told_without_what_it_holds(path: Path, column: str, value: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(f"UPDATE webhooks SET {column} = {value}")
    with pytest.raises(
        StoreUnavailable, match=r"the store .*x\.db (holds a value that cannot be read|cannot be used)"
    ) as said:
        asyncio.run(listed(path))
    assert "eived" not in str(said.value)
    assert "soon" not in str(said.value)


def test_a_store_that_is_emptied_while_it_is_open_says_that_it_is_damaged(path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(path))
        await store.state_counts()
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.truncate(0)
        with pytest.raises(StoreUnavailable):
            await store.accept_events([routed("evt_1")], now=NOW)
        with suppress(StoreUnavailable):
            await store.close()

    asyncio.run(story())
