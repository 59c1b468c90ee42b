"""What other programs leave in the ingest log's folder is neither read nor deleted, and stops nobody."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from store_made import LEASE, NOW, applied, apply_log, claim_rows, webhook

from bridge.store.protocol import DEFAULT_RETENTION, RowFilter
from bridge.store.sqlite.store import SqliteStore

OURS = "01700000000000000000-0123abcd"
"""A name as our own files have it, older than any of theirs."""


def a_folder(path: Path) -> None:
    path.mkdir()


def a_filled_folder(path: Path) -> None:
    path.mkdir()
    (path / OURS).write_bytes(b"whatever")


def a_link_to_a_file(path: Path) -> None:
    target = path.parent.parent / "elsewhere"
    target.write_bytes(b"somebody else's")
    path.symlink_to(target)


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to(path.parent.parent / "nothing")


def a_file(path: Path) -> None:
    path.write_bytes(b"\0\0\0\1Bud1")


def an_empty_file(path: Path) -> None:
    path.touch()


STRANGE: list[tuple[str, Callable[[Path], None]]] = [
    ("lost+found", a_folder),
    ("@eaDir", a_filled_folder),
    (".DS_Store", a_file),
    (".DS_Store", an_empty_file),
    (f"{OURS}.swp", an_empty_file),
    (f"{OURS}\n", a_file),
    (OURS, a_folder),
    (OURS, a_filled_folder),
    (OURS, a_link_to_a_file),
    (OURS, a_link_to_nothing),
    (OURS, os.mkfifo),
    ("fifo", os.mkfifo),
]


@pytest.mark.parametrize(("name", "make"), STRANGE, ids=[f"{name!r} {make.__name__}" for name, make in STRANGE])
@pytest.mark.timeout(60)
def test_what_is_no_file_of_ours_is_neither_read_nor_deleted_and_stops_nobody(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep([webhook("before")])
        make(tmp_path / "x.db-inbox" / name)
        try:
            assert (await store.state_counts()).unapplied == 1
            fresh = await store.claim_batch(now=NOW, limit=9, lease=LEASE)
            assert [one.id for one in fresh.webhooks] == ["before"]
            assert len(await apply_log(store, limit=9)) == 1
            await store.keep([webhook("after")])
            assert [row.id for row in await (await applied(store)).webhooks(RowFilter())] == ["wh_2", "wh_1"]
            assert (await store.state_counts()).unapplied == 0
            assert len(await claim_rows(store, now=NOW, limit=9, lease=LEASE)) == 2
            await store.purge(DEFAULT_RETENTION, now=NOW, place=None, limit=9)
        finally:
            await store.close()
        assert [one.name for one in (tmp_path / "x.db-inbox").iterdir()] == [name]

    asyncio.run(story())


def test_a_file_in_place_of_the_folder_keeps_nothing_else_from_going_on(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        (tmp_path / "x.db-inbox").write_bytes(b"in the way")
        assert (await store.claim_batch(now=NOW, limit=9, lease=LEASE)).webhooks == ()
        await store.close()

    asyncio.run(story())
