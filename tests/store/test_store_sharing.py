"""Several loops, threads and processes on one store; and what a crash leaves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from store_made import (
    FREELY,
    LEASE,
    NOW,
    TRACK,
    Opener,
    accepted,
    after,
    again,
    all_of,
    applied,
    apply_log,
    attempt,
    claim_rows,
    claimed,
    complete,
    event,
    ids,
    keep,
    names_of_ids,
    nothing_to_claim,
    numbers,
    order,
    routed,
    webhook,
)

from bridge.core.delivery import DeliveryState
from bridge.core.errors import StoreUnavailable
from bridge.core.model import Accepted, Kept, Routed
from bridge.store.protocol import DestinationState, Idempotency, Outcome, RowFilter, Store


def told(opener: Opener, count: int) -> list[Store]:
    return [opener() for _ in range(count)]


def test_what_one_has_kept_the_other_knows(opener: Opener) -> None:
    async def story() -> None:
        one, other = told(opener, 2)
        (kept,) = await keep(one, webhook("a"))
        assert await keep(other, webhook("a")) == (again(kept.number),)
        await one.accept_events([routed("evt_1", order("7"))], now=NOW)
        assert await other.accept_events([routed("evt_2", order("7"))], now=NOW) == (Accepted("evt_2", "evt_1"),)
        assert (await one.state_counts()).events == {("purchase", "fresh"): 1, ("purchase", "duplicate"): 1}
        await one.close()
        await other.close()

    asyncio.run(story())


def test_two_that_keep_the_same_webhooks_at_once_keep_each_one_once(opener: Opener) -> None:
    async def story() -> None:
        stores = told(opener, 2)
        await asyncio.gather(*(store.keep([webhook(str(n))]) for n in range(100) for store in stores))
        kept: list[Kept] = []
        while (await stores[0].state_counts()).unapplied:
            for part in await asyncio.gather(*(apply_log(stores[n % 2], limit=30) for n in range(8))):
                kept += part
        assert len(kept) == 200
        assert {one.number for one in kept if one.is_known} == {one.number for one in kept if not one.is_known}
        assert (await stores[0].state_counts()).webhooks == {("shopify", "received"): 100}
        for store in stores:
            await store.close()

    asyncio.run(story())


def test_two_that_claim_at_once_claim_different_ones(opener: Opener) -> None:
    async def story() -> None:
        one, other = told(opener, 2)
        await keep(one, *(webhook(str(n)) for n in range(20)))
        found = await asyncio.gather(
            *(claim_rows(store, now=NOW, limit=3, lease=LEASE) for store in (one, other) for _ in range(4))
        )
        found_numbers = [number for part in found for number in numbers(part)]
        assert len(found_numbers) == len(set(found_numbers)) == 20
        await one.close()
        await other.close()

    asyncio.run(story())


def test_pacing_and_pauses_hold_over_all_of_them(opener: Opener) -> None:
    async def story() -> None:
        one, other = told(opener, 2)
        await accepted(one, "evt_1", "evt_2", "evt_3")
        pacing = replace(FREELY, limit=1)
        found = await claimed(one, pacing=pacing)
        assert await nothing_to_claim(other, pacing=pacing)
        paused = DestinationState("track", paused="401", paused_at=NOW, probe_at=after(5))
        back = all_of(found, DeliveryState.PENDING, next_attempt_at=after(5))
        await one.record_attempt(found, attempt(status=401, counted=False), back, paused, now=NOW)
        assert await other.destination_state("track", now=NOW) == paused
        assert await nothing_to_claim(other, now=after(4), pacing=pacing)
        probes = await asyncio.gather(
            *(store.claim_deliveries("track", now=after(5), pacing=FREELY) for store in (one, other))
        )
        assert [ids(probe) for probe in probes if probe] == [["evt_2"]]
        await one.close()
        await other.close()

    asyncio.run(story())


def test_a_claim_of_one_may_be_recorded_by_the_other(opener: Opener) -> None:
    async def story() -> None:
        one, other = told(opener, 2)
        await accepted(one, "evt_1", "evt_2")
        found = await claimed(one)
        first = all_of(found, DeliveryState.DELIVERED)[:1]
        await other.record_attempt(found, attempt(), first, found.destination_state, now=NOW)
        assert ids(await claimed(one)) == ["evt_2"]
        await one.close()
        await other.close()

    asyncio.run(story())


def test_one_store_serves_the_loops_of_several_threads(opener: Opener) -> None:
    store = opener()
    kept: list[int] = []

    async def story(name: int) -> None:
        await asyncio.gather(*(store.keep([webhook(f"{name}-{n}")]) for n in range(25)))
        kept.extend(one.number for one in await apply_log(store, limit=100))

    threads = [threading.Thread(target=lambda name=name: asyncio.run(story(name))) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == len(set(kept)) == 100
    asyncio.run(store.close())


def test_a_loop_that_ended_before_its_answer_disturbs_nobody(opener: Opener) -> None:
    store = opener()

    async def leaves() -> None:
        waiting = [asyncio.ensure_future(store.keep([webhook(str(n))])) for n in range(50)]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()

    asyncio.run(leaves())
    *_, kept = asyncio.run(keep(store, webhook("last")))
    assert not kept.is_known
    asyncio.run(store.close())


def test_what_waits_when_the_store_is_closed_is_kept_first(opener: Opener) -> None:
    async def story() -> None:
        store = opener()
        waiting = [asyncio.ensure_future(store.keep([webhook(str(n))])) for n in range(200)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*waiting)
        reopened = opener()
        assert len(await (await applied(reopened)).webhooks(RowFilter())) == 200
        await reopened.close()

    asyncio.run(story())


def test_a_closed_store_says_so_and_closes_once(opener: Opener) -> None:
    async def story() -> None:
        store = opener()
        await store.close()
        await store.close()
        with pytest.raises(StoreUnavailable, match="closing"):
            await keep(store, webhook("a"))
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.state_counts()

    asyncio.run(story())


def test_a_store_that_was_closed_opens_with_all_it_had(opener: Opener) -> None:
    async def story() -> None:
        store = opener()
        await keep(store, webhook("a"))
        (mine,) = await claim_rows(store, now=NOW, limit=1, lease=LEASE)
        await complete(store, [Outcome(mine, (Routed(event("evt_1", order("7")), TRACK),))], now=NOW)
        first = await store.accept_events(
            [routed("evt_2", order("7"))], now=NOW, idempotency=Idempotency(order("x"), b"h" * 32)
        )
        before = (
            await store.state_counts(),
            await (await applied(store)).show_detail((await names_of_ids(store))["wh_1"]),
            await (await applied(store)).show_detail("evt_1"),
        )
        await store.close()
        store = opener()
        assert (
            await store.state_counts(),
            await (await applied(store)).show_detail((await names_of_ids(store))["wh_1"]),
            await (await applied(store)).show_detail("evt_1"),
        ) == before
        assert (await keep(store, webhook("a")))[0].is_known
        repeated = await store.accept_events([routed("evt_3")], now=NOW, idempotency=Idempotency(order("x"), b"h" * 32))
        assert repeated == first == (Accepted("evt_2", "evt_1"),)
        await store.close()

    asyncio.run(story())


def test_a_probe_is_taken(opener: Opener) -> None:
    async def story() -> None:
        store = opener()
        await store.probe(now=NOW)
        await store.probe(now=after(1))
        await store.close()
        with pytest.raises(StoreUnavailable):
            await store.probe(now=after(2))

    asyncio.run(story())


KEEPS_FOR_EVER = """
import asyncio, itertools, sys
from store_made import NOW, apply_log, keep, webhook, routed
from bridge.store.engines import open_store

async def main():
    store = open_store(sys.argv[1])
    numbers = itertools.count()
    async def keeps():
        for n in numbers:
            await store.keep([webhook(f"{sys.argv[2]}-{n}", body=b"x" * 5000)])
            await apply_log(store, limit=7)
            await store.accept_events([routed(f"evt_{sys.argv[2]}-{n}")], now=NOW)
            sys.stdout.write(f"{n}\\n")
            sys.stdout.flush()
    await asyncio.gather(*(keeps() for _ in range(20)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 60, 333])
def test_what_was_acknowledged_before_a_kill_is_all_there(tmp_path: Path, acknowledged: int) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    seen = [f"{run}-{n}" for run in range(2) for n in killed(url, str(run), acknowledged)]

    async def story() -> None:
        from bridge.store.engines import open_store  # noqa: PLC0415  the engine that can be killed

        store = open_store(url)
        rows = await (await applied(store)).webhooks(RowFilter())
        events = {row.id for row in await store.events(RowFilter())}
        assert {f"evt_{name}" for name in seen} <= events
        found = await claim_rows(store, now=NOW, limit=len(rows) + 1, lease=LEASE)
        assert set(seen) <= {one.id for one in found}
        assert [len(one.body) for one in found] == [5000] * len(rows)
        counts = await store.state_counts()
        assert counts.webhooks == {("shopify", "received"): len(rows)}
        assert counts.deliveries == {("track", "pending"): len(events)}
        await store.close()

    asyncio.run(story())
    import sqlite3  # noqa: PLC0415

    db = sqlite3.connect(tmp_path / "store.db")
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()


def killed(url: str, run: str, acknowledged: int) -> list[int]:
    """What a process had said was kept when it was killed, in the midst of keeping more."""
    roots = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    with subprocess.Popen(
        [sys.executable, "-c", KEEPS_FOR_EVER, url, run],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(roots)},
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(acknowledged)]
        process.kill()
        said += [line for line in process.stdout if line.endswith("\n")]
    return [int(line) for line in said]
