"""The ingest log says in which version it is written: older ones are read, newer ones left alone, damage is damage."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from old_stores import log_files
from store_made import LEASE, NOW, applied, keep, webhook

from bridge.core.errors import StoreUnusable
from bridge.store.codec import packed_requests
from bridge.store.protocol import RowFilter
from bridge.store.sqlite.db import open_file
from bridge.store.sqlite.ingest import log_reader
from bridge.store.sqlite.ingest.frame import HEAD, VERSION, frame_bytes, is_newer, next_frame_after, read_frames
from bridge.store.sqlite.ingest.log_reader import AT_ONCE
from bridge.store.sqlite.store import SqliteStore

NEWER = VERSION + 1


def frame(*names: str) -> bytes:
    """A frame with these webhooks, each of a request of its own."""
    return frame_bytes(
        7, len(names), packed_requests.pack_requests([packed_requests.pack_request([webhook(one)]) for one in names])
    )


def newer_frame(content: bytes = b"whatever a later version packs") -> bytes:
    """A frame as a later version would write it: the same head with another number."""
    head = frame_bytes(7, 3, content)[: HEAD - 4]
    head = head[:3] + bytes([NEWER]) + head[4:]
    return head + zlib.crc32(head).to_bytes(4, "big") + content


def made(folder: Path, *files: bytes) -> Path:
    """A store with these files in its ingest log."""
    path = folder / "x.db"
    open_file.prepare_file(str(path))
    (folder / "x.db-inbox").mkdir()
    for number, content in enumerate(files):
        (folder / "x.db-inbox" / f"{number:020d}-00000000").write_bytes(content)
    return path


def ids(path: Path) -> list[str]:
    """The webhooks that a store finds, in the order of their numbers."""

    async def story() -> None:
        store = SqliteStore(str(path))
        try:
            await store.split_batch(await store.claim_batch(now=NOW, limit=9, lease=LEASE), now=NOW)
            await applied(store)
        finally:
            await store.close()

    asyncio.run(story())
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT id FROM webhooks ORDER BY number")]


def put_by(path: Path) -> list[bytes]:
    """What was set apart as damaged."""
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT packed FROM unreadable")]


# -------------------------------------------------------------------------------------------------- newer and older


@pytest.mark.parametrize("before", [b"", frame("a")])
def test_a_store_whose_log_a_newer_version_wrote_is_refused_and_left_as_it_is(tmp_path: Path, before: bytes) -> None:
    path = made(tmp_path, before + newer_frame())
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO inbox_files VALUES (?, ?)", (f"{0:020d}-00000000", len(before)))
    with pytest.raises(StoreUnusable, match=r"x\.db-inbox holds webhooks in 0+-00000000 that a newer .* install that"):
        SqliteStore(str(path))
    [log] = (tmp_path / "x.db-inbox").iterdir()
    assert log.read_bytes() == before + newer_frame()
    assert put_by(path) == []


def test_a_newer_version_that_writes_beside_this_one_is_left_alone_and_holds_up_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await keep(store, webhook("first"))
        folder = tmp_path / "x.db-inbox"
        for number in range(AT_ONCE + 5):  # more than are looked at at once, and all of them older
            (folder / f"{number:020d}-00000000").write_bytes((frame("before") if number == 3 else b"") + newer_frame())
        await store.keep([webhook("last")])
        assert {one.id for one in (await store.claim_batch(now=NOW, limit=9, lease=LEASE)).webhooks} == {
            "before",
            "last",
        }
        assert len(await (await applied(store)).webhooks(RowFilter())) == 3
        assert (await store.status_summary(now=NOW)).unreadable == 0
        await store.close()
        left = sorted(folder.glob("0000*"))
        assert len(left) == AT_ONCE + 5
        assert all(one.read_bytes().endswith(newer_frame()) for one in left)

    asyncio.run(story())
    assert caplog.text.count("store.newer_version") == 1


def test_what_a_newer_version_wrote_behind_damage_is_left_alone(tmp_path: Path) -> None:
    damaged = b"?" + frame("a")[1:]
    path = made(tmp_path, damaged + newer_frame())
    assert ids(path) == []
    assert put_by(path) == [damaged]
    with pytest.raises(StoreUnusable, match="a newer trackbridge wrote"):
        SqliteStore(str(path))


@pytest.mark.parametrize("at", range(HEAD))
def test_a_newer_head_that_is_damaged_is_damage(tmp_path: Path, at: int) -> None:
    whole = newer_frame()
    assert is_newer(whole)
    damaged = whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
    assert not is_newer(damaged)
    path = made(tmp_path, damaged + frame("b"))
    assert ids(path) == ["b"]
    assert put_by(path) == [damaged]


@pytest.mark.parametrize("name", ["v6_f1671d0", "v6_4f1048d", "v7_ad7f427"])
def test_files_written_before_records_had_a_version_are_read_and_can_be_followed_by_this_one(
    tmp_path: Path, name: str
) -> None:
    [old] = log_files(name).values()
    path = made(tmp_path, old + frame("new"))
    found = ids(path)
    assert {"w-kept-1", "w-kept-22", "w-kept-333", "w-kept-unhashed", "new"} <= set(found)
    assert put_by(path) == []


def test_every_record_is_written_with_the_version(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep([webhook("a")])
        await store.close()

    asyncio.run(story())
    [log] = (tmp_path / "x.db-inbox").iterdir()
    assert log.read_bytes()[:4] == b"\xf4tb" + bytes([VERSION])


# ------------------------------------------------------------------------------------------------------- damage

WHOLE = [("a", "b"), ("c",), ("d", "e", "f")]


def old_frame(content: bytes, *, covers_content: bool) -> bytes:
    """A frame as it was before frames had a version."""
    head = frame_bytes(7, 1, content)[4 : HEAD - 4]
    checksum = zlib.crc32(content, zlib.crc32(head)) if covers_content else zlib.crc32(head)
    return b"\xf4tb\n" + head + checksum.to_bytes(4, "big") + content


def kinds(*names: str) -> list[bytes]:
    """The same webhooks as this version writes them, and as both earlier ways did."""
    content = frame(*names)[HEAD:]
    return [frame(*names), old_frame(content, covers_content=False), old_frame(content, covers_content=True)]


Reading = Callable[[bytes], tuple[list[str], list[bytes]]]


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """Everything that the reader makes of a file until it finds no more: the ids it finds, and what it sets apart."""
    folder = tmp_path_factory.mktemp("inbox")

    def whole(content: bytes) -> tuple[list[str], list[bytes]]:
        (folder / f"{1:020d}-00000000").write_bytes(content)
        found: list[str] = []
        with closing(sqlite3.connect(":memory:")) as db:
            for table in ("inbox_files (name PRIMARY KEY, sorted)", "unreadable (count, packed)"):
                db.execute(f"CREATE TABLE {table}")
            for _ in range(len(content) + 2):
                one = log_reader.read_unapplied(db, str(folder), limit=2)
                if not one.stretches:
                    return found, [row[0] for row in db.execute("SELECT packed FROM unreadable")]
                found += [webhook.id for webhook in one.webhooks]
                log_reader.advance_offsets(db, str(folder), one)
        raise AssertionError("it does not come to an end")

    return whole


@pytest.mark.parametrize("kind", range(3), ids=["of this version", "unversioned", "of f1671d0"])
def test_whatever_byte_the_disk_changes_all_other_records_are_read_and_none_is_made_up(
    reading: Reading, kind: int
) -> None:
    records = [kinds(*names)[kind] for names in WHOLE]
    whole = b"".join(records)
    everything = [one for names in WHOLE for one in names]
    assert reading(whole) == (everything, [])
    second = range(len(records[0]), len(records[0]) + len(records[1]))
    for at in second:
        for other in (0xFF, 0x01, whole[at] ^ ord("\n"), whole[at] ^ NEWER):
            if other:
                found, damaged = reading(whole[:at] + bytes([whole[at] ^ other]) + whole[at + 1 :])
                assert set(everything) - {"c"} <= set(found) <= set(everything), (at, other)
                assert len(found) == len(set(found)), (at, other)
                assert "c" in found or b"".join(damaged), (at, other)


@pytest.mark.parametrize("kind", range(3), ids=["of this version", "unversioned", "of f1671d0"])
def test_whatever_byte_of_the_last_record_the_disk_changes_it_is_not_taken_for_one_that_a_crash_cut_off(
    reading: Reading, kind: int
) -> None:
    first, last = kinds("a")[kind], kinds("b")[kind]
    for at in range(len(last)):
        for other in (0xFF, 0x01, 0x80):
            found, damaged = reading(first + last[:at] + bytes([last[at] ^ other]) + last[at + 1 :])
            assert (found == ["a", "b"]) or (found == ["a"] and len(b"".join(damaged)) >= len(last) - HEAD), (at, other)


def test_a_file_cut_off_at_any_length_holds_what_is_whole_and_nothing_else(reading: Reading) -> None:
    records = [frame(*names) for names in WHOLE]
    whole = b"".join(records)
    ends = [sum(map(len, records[:count])) for count in range(len(records) + 1)]
    for cut in range(len(whole) + 1):
        found, damaged = reading(whole[:cut])
        complete = max(count for count, end in enumerate(ends) if end <= cut)
        assert found == [one for names in WHOLE[:complete] for one in names], cut
        assert damaged == [], cut


pieces = st.one_of(
    st.sampled_from([*kinds("a"), *kinds("b", "c"), frame("d")]),
    st.builds(lambda one, cut: one[:cut], st.sampled_from(kinds("x")), st.integers(0, 120)),
    st.builds(lambda one, at: one[:at] + one[at + 1 :], st.sampled_from(kinds("y")), st.integers(0, 120)),
    st.just(b"\xf4tb\n"),
    st.just(b"\xf4tb\x01"),
    st.just(bytes(9)),
    st.binary(max_size=40),
)


@settings(max_examples=400)
@given(parts=st.lists(pieces, max_size=8))
@example(parts=[kinds("a")[2], b"\xf4t", frame("d")])
def test_whatever_a_file_holds_the_reader_ends_and_accounts_for_every_byte(
    reading: Reading, parts: list[bytes]
) -> None:
    found, damaged = reading(b"".join(parts))
    assert set(found) <= set("abcdxy")
    whole = [part for part in parts if part in {*kinds("a"), *kinds("b", "c"), frame("d")}]
    if len(whole) == len(parts):
        assert found == [one.id for part in parts for one in packed_requests.unpack_webhooks(part[HEAD:])]
    for one in damaged:
        assert one in b"".join(parts)


@pytest.mark.parametrize("claimed", [1 << 31, 1 << 40, (1 << 63) - 1])
def test_a_frame_that_claims_more_than_can_have_been_packed_is_damaged(reading: Reading, claimed: int) -> None:
    content = b"(\xb5/\xfd\xe0" + claimed.to_bytes(8, "little") + b"\x01\x00\x00"
    found, damaged = reading(frame_bytes(7, 1, content) + frame("d"))
    assert found == ["d"]
    assert [content in one for one in damaged] == [True]


@given(st.binary(max_size=300))
def test_any_bytes_can_be_looked_through_for_frames(content: bytes) -> None:
    assert list(read_frames(content)) == []
    assert next_frame_after(content) in range(1, max(len(content), 1) + 1) or content == b""
    assert not is_newer(content)


def test_many_marks_in_damaged_bytes_cost_no_more_than_their_number() -> None:
    heads = b"".join(b"\xf4tb\n" + bytes(12) + (4096).to_bytes(4, "big") + b"\1\2\3\4" for _ in range(20_000))
    looked: list[int] = []
    usual = zlib.crc32

    def counting(data: bytes, value: int = 0) -> int:
        looked.append(len(data))
        return usual(data, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zlib, "crc32", counting)
        assert next_frame_after(heads + bytes(5000)) == len(heads) + 5000
    assert sum(looked) < 40 * 20_000


def test_a_record_of_another_store_is_read_as_any(tmp_path: Path) -> None:
    """A restored backup brings its log with it: no record is bound to the file it was written beside."""
    (tmp_path / "other").mkdir()
    made(tmp_path / "other", frame("a"))
    path = made(tmp_path, frame("b"))
    [log] = (tmp_path / "other" / "x.db-inbox").iterdir()
    log.rename(tmp_path / "x.db-inbox" / f"{9:020d}-00000000")
    assert ids(path) == ["b", "a"]
