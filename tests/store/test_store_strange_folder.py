"""What other programs leave in the ingest log's folder is neither read nor deleted, and stops nobody."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from store_made import LEASE, NOW, applied, apply_log, claim_rows, webhook

from bridge.store.codec import packed_requests
from bridge.store.protocol import DEFAULT_RETENTION, RowFilter
from bridge.store.sqlite.ingest.frame import frame_bytes
from bridge.store.sqlite.ingest.log_file_reader import MOST_DAMAGE
from bridge.store.sqlite.ingest.log_reader import AT_ONCE
from bridge.store.sqlite.store import SqliteStore

OURS = "01700000000000000000-0123abcd"
"""A name as our own files have it, older than any of theirs."""

HUGE = 1_100_000_000
"""Bytes of a file that takes no room on disk: it is a hole."""


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
            await store.purge(DEFAULT_RETENTION, now=NOW, limit=9)
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


def _zeros(file: IO[bytes]) -> None:
    file.truncate(HUGE)


def _another_format(file: IO[bytes]) -> None:
    file.write(b"SQLite format 3\0")
    file.truncate(HUGE)


def _a_mark_and_a_length_beyond_it(file: IO[bytes]) -> None:
    file.write(b"\xf4tb\x01" + b"\xff" * 20)
    file.truncate(HUGE)


def _a_frame_and_then_another_format(file: IO[bytes]) -> None:
    file.write(frame_bytes(1, 1, packed_requests.pack_requests([packed_requests.pack_request([webhook("framed")])])))
    file.truncate(HUGE)


@pytest.mark.parametrize(
    "write",
    [_zeros, _another_format, _a_mark_and_a_length_beyond_it, _a_frame_and_then_another_format],
    ids=lambda one: one.__name__.strip("_"),
)
@pytest.mark.timeout(60)
def test_a_huge_file_of_another_program_is_not_read_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[IO[bytes]], None]
) -> None:
    read: list[int] = []
    usual = os.pread

    def pread(held: int, size: int, at: int) -> bytes:
        read.append(size)
        return usual(held, size, at)

    monkeypatch.setattr(os, "pread", pread)
    expected = ["framed", "a"] if write is _a_frame_and_then_another_format else ["a"]

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        try:
            await store.keep([webhook("a")])
            for number in range(AT_ONCE):
                with (tmp_path / "x.db-inbox" / f"{number:020d}-0123abcd").open("wb") as file:
                    write(file) if number == 0 else _zeros(file)
            fresh = await store.claim_batch(now=NOW, limit=9, lease=LEASE)
            assert [one.id for one in fresh.webhooks] == expected
            assert len(await apply_log(store, limit=9)) == len(expected)
            assert (await store.state_counts()).unapplied == 0
            await store.purge(DEFAULT_RETENTION, now=NOW, limit=9)
            summary = await store.status_summary(now=NOW)
            assert (len(summary.unread), summary.unreadable) == (AT_ONCE, 0)
            assert summary.unread[0].startswith(f"{tmp_path / 'x.db-inbox' / ('0' * 20)}-0123abcd of the ingest log")
            assert (await store.overdue_work(now=NOW)).webhooks == 0
        finally:
            await store.close()
        assert len(list((tmp_path / "x.db-inbox").iterdir())) == AT_ONCE

    asyncio.run(story())
    assert max(read) <= MOST_DAMAGE
