"""What came in is written down as it came, and has its place before anybody asks for it."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import random
import resource
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from store_made import LEASE, NOW, SECOND, Tell, accepted, after, applied, apply_log, claim_rows, keep, numbers, webhook

from bridge.core import dedupe_keys
from bridge.core.errors import StoreUnavailable
from bridge.store.codec import compress, packed_requests
from bridge.store.in_steps import replay_all
from bridge.store.protocol import AdmissionLimits, RowFilter, Store, WebhookDetail
from bridge.store.sqlite.db.open_file import connect_to
from bridge.store.sqlite.ingest import log_files, log_reader, log_writer
from bridge.store.sqlite.ingest.apply import split_log
from bridge.store.sqlite.ingest.frame import HEAD, LogFrame, frame_bytes, next_frame_after, read_frames
from bridge.store.sqlite.ingest.log_reader import AT_ONCE
from bridge.store.sqlite.ingest.log_writer import EVERY, FRAME_TARGET_BYTES, FRAME_TARGET_WEBHOOKS, folder_of
from bridge.store.sqlite.store import SqliteStore
from bridge.store.sqlite.tables.webhooks import MOST_BYTES


def files(folder: Path) -> list[Path]:
    return sorted((folder / "x.db-inbox").iterdir())


def written(folder: Path) -> list[LogFrame]:
    return [frame for file in files(folder) for frame in read_frames(file.read_bytes())]


async def is_let_go(file: Path) -> None:
    with file.open() as held:
        await asyncio.to_thread(fcntl.flock, held, fcntl.LOCK_EX)


@pytest.mark.parametrize("question", ["webhooks", "kept", "next_due", "replay", "tally", "glance", "overdue"])
def test_a_question_changes_nothing_and_leaves_what_was_just_kept_for_the_worker(tell: Tell, question: str) -> None:
    async def story(store: Store) -> None:
        await store.keep([webhook("a"), webhook("b")])
        match question:
            case "webhooks":
                assert await store.webhooks(RowFilter()) == []
            case "kept":
                assert await store.iter_webhooks(["shopify"], since=None, after=0, limit=9) == ()
            case "next_due":
                assert await store.next_due(None, now=NOW) is None
            case "replay":
                assert await replay_all(store, RowFilter(), now=NOW) == 0
            case "tally":
                assert (await store.state_counts()).unapplied == 2
            case "glance":
                await store.status_summary(now=NOW)
            case _:
                await store.overdue_work(now=NOW)
        batch = await store.claim_batch(now=NOW, limit=9, lease=LEASE)
        assert [(one.id, one.number) for one in batch.webhooks] == [("a", 0), ("b", 0)]

    tell(story)


def test_whoever_counts_sorts_nothing_in_and_counts_what_has_no_place_by_itself(tell: Tell) -> None:
    async def story(store: Store) -> None:
        began = datetime.now(UTC) - timedelta(milliseconds=1)
        await store.keep([webhook("a"), webhook("b")])
        await store.keep([webhook("b")])
        for _ in range(2):
            counts = await store.state_counts()
            assert (counts.unapplied, counts.webhooks) == (3, {})
            oldest = counts.oldest_received
            assert oldest
            assert oldest == NOW or began <= oldest <= datetime.now(UTC)  # by when it was received, or was kept
            assert (await store.status_summary(now=NOW)).lasts == {}
        await apply_log(store, limit=9)
        counts = await store.state_counts()
        assert (counts.unapplied, counts.webhooks, counts.oldest_received) == (0, {("shopify", "received"): 2}, NOW)

    tell(story)


def test_more_files_than_a_process_may_open_are_sorted_in_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "LARGE", 1)
    few = len(list(Path("/dev/fd").iterdir())) + AT_ONCE + 20
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        for number in range(few):
            await store.keep([webhook(str(number))])
        assert (await store.state_counts()).unapplied == len(files(tmp_path)) == few
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, usual[1]))
        try:
            rows = await (await applied(store)).webhooks(RowFilter())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, usual)
        assert len(rows) == few
        await store.close()

    asyncio.run(story())


def test_what_is_known_by_its_bytes_is_so_although_they_are_hashed_only_when_it_is_sorted_in(tell: Tell) -> None:
    async def story(store: Store) -> None:
        first = replace(webhook("w1", body=b"the same"), identity=())
        for other in (first, replace(first, id="w2"), replace(first, body=b"other")):
            await store.keep([other])
        kept = await apply_log(store, limit=9)
        known, new = kept[0].number, kept[2].number
        assert [(each.number, each.is_known) for each in kept] == [(known, False), (known, True), (new, False)]
        assert known != new
        found = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        assert found[0].identity == (dedupe_keys.unsigned_webhook_key("shopify", "orders/paid", b"the same"),)

    tell(story)


def test_a_record_that_was_written_before_headers_counted_is_read() -> None:
    letter = ["shop", "w1", "orders/paid", 1_700_000_000_000, b"", {}, {}, None]
    [found] = packed_requests.unpack_webhooks(
        packed_requests.pack_requests([msgspec.msgpack.encode([[b"{}", [letter]]])])
    )
    assert (found.id, found.unsigned_facts, found.identity) == (
        "w1", "", (dedupe_keys.unsigned_webhook_key("shop", "orders/paid", b"{}"),)
    )  # fmt: skip


def test_the_same_bytes_under_another_topic_or_source_are_kept_and_known_for_those_of_the_first(tell: Tell) -> None:
    async def story(store: Store) -> None:
        first = replace(webhook("w1", body=b"the same"), identity=())
        others = (
            replace(first, topic="orders/updated"),
            replace(first, unsigned_facts="test"),
            replace(first, source="eu"),
        )
        for other in (first, first, *others):
            await store.keep([other])
        kept = await apply_log(store, limit=9)
        one = kept[0].number
        assert [(each.is_known, each.same_bytes_as) for each in kept] == [
            (False, None), (True, None), (False, one), (False, one), (False, one)
        ]  # fmt: skip
        assert [each.number == one for each in kept] == [True, True, False, False, False]
        assert (await store.status_summary(now=NOW)).same_bytes == {("eu", "shopify"): 1}
        [shown] = await (await applied(store)).show_detail(f"wh_{kept[-1].number}")
        assert isinstance(shown, WebhookDetail)
        assert shown.same_bytes_as is not None
        assert (shown.same_bytes_as.id, shown.same_bytes_as.source) == (f"wh_{one}", "shopify")
        [shown] = await (await applied(store)).show_detail(f"wh_{one}")
        assert isinstance(shown, WebhookDetail)
        assert shown.same_bytes_as is None

    tell(story)


@pytest.mark.engines("sqlite")  # on PostgreSQL, the clock of a node does not decide
def test_what_came_before_a_clock_was_set_back_is_due_within_ten_seconds(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.probe(now=NOW)
        await store.keep([webhook("a", at=NOW)])
        back = after(-3600)
        await store.probe(now=back)
        await apply_log(store, limit=9)
        assert await claim_rows(store, now=back + 10 * SECOND, limit=9, lease=LEASE)

    tell(story)


def test_large_bodies_of_one_moment_are_packed_a_few_megabytes_at_a_time(tmp_path: Path) -> None:
    bodies = [random.randbytes(FRAME_TARGET_BYTES // 3 - 1000) for _ in range(5)]

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await asyncio.gather(*(store.keep([webhook(str(n), body=body)]) for n, body in enumerate(bodies)))
        assert [frame.count for frame in written(tmp_path)] == [3, 2]
        await keep(store)
        first = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        assert sum(len(one.body) for one in first[:-1]) < MOST_BYTES <= sum(len(one.body) for one in first)
        second = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        assert [one.body for one in (*first, *second)] == bodies
        await store.close()

    asyncio.run(story())


def test_large_webhooks_of_the_ingest_log_are_applied_a_few_megabytes_at_a_time(tmp_path: Path) -> None:
    bodies = [random.randbytes(MOST_BYTES // 3 + 1) for _ in range(4)]

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        for n, body in enumerate(bodies):
            await store.keep([webhook(str(n), body=body)])
        batch = await store.claim_batch(now=NOW, limit=9, lease=LEASE)
        assert [one.body for one in batch.webhooks] == bodies[:3]
        await store.close()

    asyncio.run(story())


def test_what_cannot_be_written_down_spoils_nobody_elses(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        unfit = replace(webhook("unfit"), received_at=cast("datetime", None))
        answers = await asyncio.gather(
            *(store.keep([one]) for one in (webhook("a"), unfit, webhook("b"))), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [type(None), TypeError, type(None)]
        await store.keep([webhook("c")])
        assert sum(frame.count for frame in written(tmp_path)) == 3
        await store.close()

    asyncio.run(story())


def test_what_was_kept_when_the_process_ended_has_its_place_in_the_next(tmp_path: Path) -> None:
    async def first() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep([webhook("a")])
        await store.close()

    async def second() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await apply_log(store, limit=9)
        (found,) = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        assert found.id == "a"
        await store.close()

    asyncio.run(first())
    asyncio.run(second())


def test_a_question_does_not_wait_for_what_comes_in_while_it_is_asked(tell: Tell) -> None:
    async def story(store: Store) -> None:
        done = asyncio.Event()

        async def rush() -> None:
            for number in itertools.count():
                await store.keep([webhook(f"w-{number}")])
                if done.is_set():
                    return

        rushing = asyncio.create_task(rush())
        for _ in range(5):
            await store.state_counts()
        done.set()
        await rushing

    tell(story)


@given(st.lists(st.one_of(st.binary(max_size=600), st.binary(max_size=20).map(lambda one: one * 100)), max_size=6))
def test_a_body_at_rest_comes_back_byte_for_byte(bodies: list[bytes]) -> None:
    assert [compress.decompress_body(*kept) for kept in compress.compress_bodies(bodies)] == bodies


# ------------------------------------------------------------------------------------------------------------- frames

contents = st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=40)), max_size=5)


@given(contents, st.integers(0, 10**6))
def test_whatever_is_framed_comes_back_in_its_order(given: list[tuple[int, int, bytes]], starts: int) -> None:
    file = b"".join(frame_bytes(*one) for one in given)
    found = list(read_frames(file, starts=starts))
    assert [(one.at, one.count, one.content) for one in found] == given
    assert not found or found[-1].ends == starts + len(file)


@given(contents, st.data())
def test_of_a_file_that_was_cut_off_everything_whole_comes_back(
    given: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    file = b"".join(frame_bytes(*one) for one in given)
    cut = data.draw(st.integers(0, len(file)))
    found = [(one.at, one.count, one.content) for one in read_frames(file[:cut])]
    assert found == given[: len(found)]
    assert sum(HEAD + len(content) for _, _, content in given[: len(found) + 1]) > cut or len(found) == len(given)


@given(contents.filter(len), st.data())
def test_behind_damage_the_next_whole_frame_is_found(given: list[tuple[int, int, bytes]], data: st.DataObject) -> None:
    first, *others = [frame_bytes(*one) for one in given]
    at, other = data.draw(st.integers(0, HEAD - 1)), data.draw(st.integers(1, 255))
    damaged = first[:at] + bytes([first[at] ^ other]) + first[at + 1 :]
    file = damaged + b"".join(others)
    assert list(read_frames(file)) == []
    there = next_frame_after(file)
    assert [(one.at, one.count, one.content) for one in read_frames(file[there:])] == given[1:]


# ------------------------------------------------------------------------------------------------- bounds and trouble


def locked_out(path: Path) -> sqlite3.Connection:
    """Another process that holds the file."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_while_the_disk_stands_still_no_more_wait_than_may_and_the_rest_are_refused_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"), bounds=AdmissionLimits(waiting=5, max_wait=timedelta(minutes=1)))
        with closing(locked_out(tmp_path / "x.db")) as other:
            first = asyncio.ensure_future(accepted(store, "first"))
            await asyncio.sleep(0.05)  # it is with the disk now
            crowd = [asyncio.ensure_future(accepted(store, str(n))) for n in range(20)]
            _, waiting = await asyncio.wait(crowd, timeout=0.2)
            assert len(waiting) == 5
            other.execute("ROLLBACK")
        await first
        answers = await asyncio.gather(*crowd, return_exceptions=True)
        assert [isinstance(one, StoreUnavailable) for one in answers] == [False] * 5 + [True] * 15
        assert len(await store.events(RowFilter())) == 6
        await store.close()

    asyncio.run(story())


def test_who_has_waited_too_long_is_refused_and_nothing_of_theirs_is_kept(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"), bounds=AdmissionLimits(max_wait=timedelta(milliseconds=200)))
        with closing(locked_out(tmp_path / "x.db")) as other:
            first = asyncio.ensure_future(accepted(store, "first"))
            await asyncio.sleep(0.05)
            second = asyncio.ensure_future(accepted(store, "second"))
            answers = await asyncio.gather(first, second, return_exceptions=True)
            assert [type(one) for one in answers] == [StoreUnavailable, StoreUnavailable]
            with pytest.raises(StoreUnavailable):
                await accepted(store, "third")
            other.execute("ROLLBACK")
        assert await store.events(RowFilter()) == []
        await store.close()

    asyncio.run(story())


def test_batches_of_many_items_share_no_row_that_would_take_long_to_sort_in(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        items = [replace(webhook(f"w-{n}"), headers={"x": "y" * 2000}, body=b"[]") for n in range(2000)]
        batches = [[replace(one, id=f"{batch}-{one.id}") for one in items] for batch in range(8)]
        await asyncio.gather(*(store.keep(batch) for batch in batches))
        assert [frame.count for frame in written(tmp_path)] == [2000] * 8
        await asyncio.gather(*(store.keep([one]) for one in items))
        assert {frame.count for frame in written(tmp_path)} == {FRAME_TARGET_WEBHOOKS, 2000}
        await store.close()

    asyncio.run(story())


@pytest.mark.parametrize("at", [2, 9, HEAD + 9], ids=["mark", "head", "content"])
def test_what_the_disk_damaged_in_the_ingest_log_delays_nobody_and_is_shown_by_status(tmp_path: Path, at: int) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep([webhook("a"), webhook("b")])
        await store.keep([webhook("c")])
        await store.close()
        [file] = files(tmp_path)
        whole = file.read_bytes()
        damaged = whole[:at] + b"?" + whole[at + 1 :]
        file.write_bytes(damaged)
        store = SqliteStore(str(tmp_path / "x.db"))
        (found,) = (await store.claim_batch(now=NOW, limit=9, lease=LEASE)).webhooks
        assert found.id == "c"
        await applied(store)
        assert [row.id for row in await store.webhooks(RowFilter())] == ["wh_1"]
        held = 2 if at > HEAD else 1  # as far as anybody can tell
        assert (await store.status_summary(now=NOW)).unreadable == held
        await store.close()
        with closing(sqlite3.connect(tmp_path / "x.db")) as db:
            [(count, kept)] = db.execute("SELECT count, packed FROM unreadable").fetchall()
        assert count == held
        assert kept in damaged
        assert len(kept) > HEAD

    asyncio.run(story())


def test_whoever_looks_for_webhooks_passes_what_holds_none(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.probe(now=NOW)
        assert (await store.claim_batch(now=NOW, limit=9, lease=LEASE)).webhooks == ()
        [file] = files(tmp_path)
        with closing(sqlite3.connect(tmp_path / "x.db")) as db:
            assert db.execute("SELECT sorted FROM inbox_files").fetchall() == [(file.stat().st_size,)]
        await store.close()

    asyncio.run(story())


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("there", [0.0, 0.1, 0.5, 0.9])
def test_what_a_crash_cut_off_was_never_answered_and_is_left_out(tmp_path: Path, there: float, zeros: bool) -> None:  # noqa: FBT001  what a test is given
    async def story() -> None:
        crashed = SqliteStore(str(tmp_path / "x.db"))
        await crashed.keep([webhook("a")])
        await crashed.keep([webhook("b")])
        await crashed.close()
        [file] = files(tmp_path)
        whole = file.read_bytes()
        first, second = read_frames(whole)
        cut = first.ends + int(there * (second.ends - first.ends))
        file.write_bytes(whole[:cut] + bytes(len(whole) - cut) * zeros)
        store = SqliteStore(str(tmp_path / "x.db"))
        assert [row.id for row in await (await applied(store)).webhooks(RowFilter())] == ["wh_1"]
        assert (await store.status_summary(now=NOW)).unreadable == 0
        await store.claim_batch(now=NOW, limit=9, lease=LEASE)
        assert files(tmp_path) == []
        await store.close()

    asyncio.run(story())


def test_a_file_that_is_sorted_in_goes_when_it_is_quiet_and_the_next_webhook_begins_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await keep(store, webhook("a"))
        [first] = files(tmp_path)
        await store.claim_batch(now=NOW, limit=9, lease=LEASE)
        assert files(tmp_path) == [first], "the next webhook may come at any moment"
        monkeypatch.setattr(log_writer, "QUIET", 0.0)
        await keep(store, webhook("another"))
        await is_let_go(first)
        await store.claim_batch(now=NOW, limit=9, lease=LEASE)
        assert files(tmp_path) == []
        await keep(store, webhook("b"))
        [second] = files(tmp_path)
        assert second != first
        with closing(sqlite3.connect(tmp_path / "x.db")) as db:
            assert db.execute("SELECT name FROM inbox_files").fetchall() == [(second.name,)]
        await store.close()

    asyncio.run(story())


def test_a_file_that_is_written_to_again_and_again_goes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "OLDEST", 0.0)

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await keep(store, webhook("a"))
        [first] = files(tmp_path)
        await asyncio.sleep(EVERY)  # for so long a look holds
        await keep(store, webhook("b"))
        await apply_log(store, limit=9)
        await store.claim_batch(now=NOW, limit=9, lease=LEASE)
        assert first not in files(tmp_path)
        assert len(await (await applied(store)).webhooks(RowFilter())) == 2
        await store.close()

    asyncio.run(story())


def test_a_file_stays_until_the_place_of_its_webhooks_is_on_disk(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep([webhook("a")])
        await store.close()
        with closing(connect_to(str(tmp_path / "x.db"), reading=False, busy=SECOND)) as db:
            db.execute("BEGIN IMMEDIATE")
            for _ in range(2):  # two who ask share a transaction
                folder = folder_of(str(tmp_path / "x.db"))
                split_log(db, folder, log_reader.read_unapplied(db, folder, limit=9))
            db.execute("ROLLBACK")  # the disk was full, say
        store = SqliteStore(str(tmp_path / "x.db"))
        assert [row.id for row in await (await applied(store)).webhooks(RowFilter())] == ["wh_1"]
        await store.close()

    asyncio.run(story())


def test_a_file_that_was_taken_away_before_it_was_locked_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    opened = os.open

    def quick(path: str, flags: int, mode: int = 0o777) -> int:
        held = opened(path, flags, mode)
        if flags & os.O_EXCL and "-inbox" in path and not taken:  # another process tidies up at this very moment
            taken.append(path)
            Path(path).unlink()
        return held

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        monkeypatch.setattr(os, "open", quick)
        await store.keep([webhook("a")])
        assert taken
        assert [row.id for row in await (await applied(store)).webhooks(RowFilter())] == ["wh_1"]
        await store.close()

    asyncio.run(story())


def test_a_file_that_lost_what_is_sorted_in_goes(tmp_path: Path) -> None:
    async def story() -> None:
        crashed = SqliteStore(str(tmp_path / "x.db"))
        await keep(crashed, webhook("a"))
        [file] = files(tmp_path)
        whole = file.read_bytes()
        await crashed.close()
        file.write_bytes(whole[:10])  # as a power cut may leave it, where its end was sorted in unflushed
        store = SqliteStore(str(tmp_path / "x.db"))
        assert numbers(await claim_rows(store, now=NOW, limit=9, lease=LEASE)) == [1]
        assert files(tmp_path) == []
        assert [row.id for row in await (await applied(store)).webhooks(RowFilter())] == ["wh_1"]
        await store.close()

    asyncio.run(story())


def test_what_came_to_several_processes_is_sorted_in_by_its_time(tmp_path: Path) -> None:
    async def story() -> None:
        stores = [SqliteStore(str(tmp_path / "x.db")) for _ in range(2)]
        for number in range(6):
            await stores[number % 2].keep([webhook(str(number))])
        await apply_log(stores[0], limit=4)
        await apply_log(stores[1], limit=4)
        found = await claim_rows(stores[0], now=NOW, limit=9, lease=LEASE)
        assert [one.id for one in found] == list("012345")
        for store in stores:
            await store.close()

    asyncio.run(story())


def test_a_webhook_is_kept_while_another_process_writes_to_the_store(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        with closing(locked_out(tmp_path / "x.db")) as other:
            await asyncio.wait_for(store.keep([webhook("a")]), 4)
            other.execute("ROLLBACK")
        assert [row.id for row in await (await applied(store)).webhooks(RowFilter())] == ["wh_1"]
        await store.close()

    asyncio.run(story())


def test_nothing_is_kept_for_a_store_that_was_moved_away(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep([webhook("a")])
        (tmp_path / "x.db").rename(tmp_path / "y.db")
        await asyncio.sleep(EVERY)  # for so long a look holds
        with pytest.raises(StoreUnavailable, match=r"x\.db is not there any more .* put the file back"):
            await store.keep([webhook("b")])
        (tmp_path / "y.db").rename(tmp_path / "x.db")
        await store.keep([webhook("b")])
        assert len(await (await applied(store)).webhooks(RowFilter())) == 2
        await store.close()

    asyncio.run(story())


def test_an_ingest_log_that_cannot_be_made_is_reported_with_the_remedy_and_used_once_it_can(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        (tmp_path / "x.db-inbox").write_bytes(b"in the way")
        with pytest.raises(StoreUnavailable, match=r"the inbox .*x\.db-inbox cannot be written .* may write there"):
            await store.keep([webhook("a")])
        (tmp_path / "x.db-inbox").unlink()
        await store.keep([webhook("a")])
        assert len(await (await applied(store)).webhooks(RowFilter())) == 1
        await store.close()

    asyncio.run(story())


def test_an_ingest_log_that_is_deleted_under_a_running_process_takes_webhooks_again(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await keep(store, webhook("a"))
        shutil.rmtree(tmp_path / "x.db-inbox")
        await asyncio.sleep(EVERY)  # for so long a look holds
        assert [one.number for one in await keep(store, webhook("b"))] == [2]
        await store.close()

    asyncio.run(story())


def test_a_damaged_body_at_rest_holds_up_nobody_and_comes_as_it_stands(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await keep(store, webhook("a", body=b"a" * 5000))
        await keep(store, webhook("b", body=b"b" * 5000))
        with closing(sqlite3.connect(tmp_path / "x.db")) as db, db:
            db.execute("UPDATE bodies SET bytes = x'28b52ffd00' WHERE number = 1")
        found = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
        assert [one.body for one in found] == [b"\x28\xb5\x2f\xfd\x00", b"b" * 5000]
        await store.close()

    asyncio.run(story())


def test_as_many_files_as_are_read_at_once_and_cannot_be_opened_hold_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {f"{number:020d}-00000000" for number in range(AT_ONCE)}
    usual = log_files.open_file

    def open_file(path: str) -> int | None:
        if Path(path).name in refused:
            raise PermissionError(13, "Permission denied")
        return usual(path)

    monkeypatch.setattr(log_files, "open_file", open_file)

    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))
        await store.keep([webhook("a")])
        for name in refused:
            (tmp_path / "x.db-inbox" / name).write_bytes(b"older than all others")
        batch = await store.claim_batch(now=NOW, limit=9, lease=LEASE)
        assert [one.id for one in batch.webhooks] == ["a"]
        await store.close()

    asyncio.run(story())
