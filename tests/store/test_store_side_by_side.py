"""Several stores on one file: whichever of them applies the ingest log, each webhook is applied once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_made import LEASE, NOW, routed, webhook

from bridge.store.protocol import Batch, Outcome, RowFilter
from bridge.store.sqlite.ingest import log_reader, log_writer
from bridge.store.sqlite.store import SqliteStore


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the ingest log for each request."""
    monkeypatch.setattr(log_writer, "LARGE", 1)


def side_by_side(folder: Path) -> list[SqliteStore]:
    return [SqliteStore(str(folder / "store.db")) for _ in range(2)]


def names(fresh: Batch) -> list[str]:
    return [one.id for one in fresh.webhooks]


def outcomes(fresh: Batch) -> list[Outcome]:
    return [Outcome(one, (routed(f"evt_{one.id}"),)) for one in fresh.webhooks]


@pytest.mark.usefixtures("small_files")
def test_a_damaged_file_holds_up_none_of_the_others_and_is_put_by(tmp_path: Path) -> None:
    async def story() -> None:
        one, other = side_by_side(tmp_path)
        for name in ("a", "b", "c"):
            await one.keep([webhook(name)])
        damaged, *_ = sorted((tmp_path / "store.db-inbox").iterdir())
        damaged.write_bytes(b"?" + damaged.read_bytes()[1:])
        seen: list[str] = []
        for store in (one, other, one, other):
            fresh = await store.claim_batch(now=NOW, limit=9, lease=LEASE)
            seen += names(fresh)
            await store.complete_batch(fresh, outcomes(fresh), now=NOW)
        assert seen == ["b", "c"]
        assert (await one.status_summary(now=NOW)).unreadable == 1
        for store in (one, other):
            await store.close()

    asyncio.run(story())


@pytest.mark.usefixtures("small_files")
def test_files_go_as_they_are_sorted_in_however_many_are_left(tmp_path: Path) -> None:
    async def story() -> None:
        store, _ = side_by_side(tmp_path)
        for number in range(5 * log_reader.MANY_FILES):
            await store.keep([webhook(str(number))])
        most = 0
        for number in range(5 * log_reader.MANY_FILES):
            fresh = await store.claim_batch(now=NOW, limit=1, lease=LEASE)
            assert names(fresh) == [str(number)], "in the order in which they came"
            await store.complete_batch(fresh, outcomes(fresh), now=NOW)
            left = 5 * log_reader.MANY_FILES - number - 1
            most = max(most, len(list((tmp_path / "store.db-inbox").iterdir())) - left)
        assert most <= log_reader.MANY_FILES + 1
        await store.close()

    asyncio.run(story())


@given(data=st.data())
@settings(max_examples=30)
def test_in_whatever_order_two_processes_apply_each_webhook_gets_its_row_once(data: st.DataObject) -> None:
    async def story(folder: Path) -> None:
        stores = side_by_side(folder)
        looked: dict[int, Batch] = {}
        count = data.draw(st.integers(1, 12))
        for number in range(count):
            await stores[number % 2].keep([webhook(str(number))])
        for which, places in data.draw(st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=20)):
            if places and which in looked:
                fresh = looked.pop(which)
                await stores[which].complete_batch(fresh, outcomes(fresh), now=NOW)
            else:
                looked[which] = await stores[which].claim_batch(now=NOW, limit=2, lease=LEASE)
        await stores[1].close()
        while (fresh := await stores[0].claim_batch(now=NOW, limit=9, lease=LEASE)).webhooks:
            await stores[0].complete_batch(fresh, outcomes(fresh), now=NOW)
        assert sorted(row.id for row in await stores[0].events(RowFilter())) == sorted(f"evt_{n}" for n in range(count))
        await stores[0].close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))
