"""A disk with little room: nothing new is taken, what was taken is worked off, and it is over by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from small_disk import MEBIBYTE, filled, small_disk
from store_made import (
    LEASE,
    NOW,
    accepted,
    all_of,
    applied,
    apply_log,
    attempt,
    claim_rows,
    claimed,
    complete,
    keep,
    routed,
    states,
    webhook,
)

from bridge.core.delivery import DeliveryState
from bridge.core.errors import StoreUnavailable
from bridge.store.protocol import AdmissionLimits, Outcome, RowFilter
from bridge.store.sqlite.db.disk_space import EVERY, DiskSpace
from bridge.store.sqlite.store import SqliteStore

LOW = AdmissionLimits(min_free=8 * MEBIBYTE)


async def well_again(store: SqliteStore) -> None:
    """Return once the store takes something new."""
    for _ in range(500):
        try:
            await store.probe(now=NOW)
        except StoreUnavailable:
            await asyncio.sleep(0.02)
        else:
            return
    raise AssertionError


def test_with_little_room_nothing_new_is_taken_and_what_is_kept_is_worked_off(tmp_path: Path) -> None:
    async def story(disk: Path) -> None:
        store = SqliteStore(str(disk / "x.db"), bounds=LOW)
        await store.keep([webhook("before")])
        await accepted(store, "evt_1")
        await asyncio.sleep(EVERY)  # for so long a look at the disk holds
        with filled(disk, leaving=4 * MEBIBYTE):
            for asked in (
                store.keep([webhook("b")]),
                store.accept_events([routed("evt_2")], now=NOW),
                store.probe(now=NOW),
            ):
                with pytest.raises(StoreUnavailable, match=r"4 MiB free, less than the 8 MiB of BRIDGE_MIN_FREE") as no:
                    await asked
                assert no.value.retry_after
            await apply_log(store, limit=9)
            [found] = await claim_rows(store, now=NOW, limit=9, lease=LEASE)
            await complete(store, [Outcome(found, (routed("evt_3"),))], now=NOW)
            due = await claimed(store)
            await store.record_attempt(
                due, attempt(), all_of(due, DeliveryState.DELIVERED), due.destination_state, now=NOW
            )
            assert await states(store) == {"evt_1": "delivered", "evt_3": "delivered"}
        await well_again(store)
        assert not (await keep(store, webhook("b")))[0].is_known
        assert len(await (await applied(store)).webhooks(RowFilter())) == 2
        await store.close()

    with small_disk(tmp_path / "disk", size=32 * MEBIBYTE) as disk:
        asyncio.run(story(disk))


def test_however_much_waits_nothing_is_refused_while_there_is_room(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"), bounds=AdmissionLimits(waiting=1, max_wait=timedelta(seconds=60)))
        for first in range(0, 3000, 100):
            await store.accept_events([routed(f"evt_{number}") for number in range(first, first + 100)], now=NOW)
            await store.keep([webhook(f"{first}")])
        assert (await store.state_counts()).deliveries == {("track", "pending"): 3000}
        await store.close()

    asyncio.run(story())


def test_the_disk_is_looked_at_once_a_second_at_most(tmp_path: Path) -> None:
    clock = [0.0]
    with small_disk(tmp_path / "disk", size=4 * MEBIBYTE) as disk:
        (disk / "x.db").touch()
        room = DiskSpace(str(disk / "x.db"), least=2 * MEBIBYTE, ticks=lambda: clock[0])
        assert room.lack_of_space() is None
        with filled(disk):
            clock[0] = 0.9
            assert room.lack_of_space() is None
            clock[0] = 1.0
            assert room.lack_of_space()
        assert room.lack_of_space()
        clock[0] = 2.0
        assert room.lack_of_space() is None


def test_without_a_least_free_space_the_disk_is_not_looked_at(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size=MEBIBYTE) as disk, filled(disk):
        assert DiskSpace(str(disk), least=0).lack_of_space() is None
        assert DiskSpace(str(disk), least=1).lack_of_space()
        assert DiskSpace(str(disk / "gone"), least=1).lack_of_space() is None
