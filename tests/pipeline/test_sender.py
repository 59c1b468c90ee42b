"""The loops themselves: woken, stopped, side by side; on a real store, with senders that are functions."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from delivering import (
    KEY,
    NOON,
    TAKEN,
    Seen,
    Time,
    Upstream,
    answer,
    delivery_loops,
    detail,
    events,
    lived,
    opened,
    rows,
    run,
    scripted,
    track,
    until,
)
from msgspec.structs import replace

from bridge.app import utc_now
from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate, Outgoing, Response
from bridge.destinations.track import TrackDestination
from bridge.pipeline.deliver import DeliveryLoops
from bridge.pipeline.retry_policy import RetryPolicy
from bridge.store.in_steps import retry_all
from bridge.store.protocol import ClaimedDeliveries, Pacing, RowFilter
from bridge.store.sqlite.store import SqliteStore

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def clock() -> datetime:
    return datetime.now(UTC)


def orders_of(outgoing: Outgoing) -> list[int]:
    return [event["order"] for event in json.loads(outgoing.body)["events"]]


def test_an_idle_sender_is_woken_by_new_events_and_does_not_wait_its_idle_time(tmp_path: Path) -> None:
    async def test() -> None:
        taken: list[int] = []

        async def send(outgoing: Outgoing) -> Response:
            taken.extend(orders_of(outgoing))
            return TAKEN

        async with opened(tmp_path) as store:
            loops = DeliveryLoops(
                store=store, destinations=[track()], clock=clock, metrics=Seen(), send=send, idle=HOUR
            )
            running = asyncio.create_task(loops.run())
            for number in range(5):
                await store.accept_events(events([number]), now=clock())
                loops.notify()
                await until(partial(_holds, taken, number))
            await loops.stop(timedelta(seconds=10))
            await running

    run(test)


async def _holds(taken: list[int], number: int) -> bool:
    return number in taken


def test_a_sender_that_was_frozen_until_its_lease_was_over_sends_nothing_and_then_what_is_still_its_own(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        time, uptime = Time(lasts=HOUR), [0.0]
        peer = Upstream(time)

        async with opened(tmp_path) as store:
            claim = store.claim_deliveries

            async def frozen_after(destination: str, *, now: datetime, pacing: Pacing) -> ClaimedDeliveries | None:
                claimed = await claim(destination, now=now, pacing=pacing)
                if claimed is not None and not uptime[0]:
                    # the machine stood still, and no clock of the day tells it
                    uptime[0] += pacing.lease.total_seconds()
                return claimed

            store.claim_deliveries = frozen_after  # type: ignore[method-assign]
            await store.accept_events(events([1, 2]), now=time.now)
            await lived(delivery_loops(store, time, peer.send, uptime=lambda: uptime[0]), time)
            found = await detail(store, (await rows(store))[0].id)

        assert found.row.attempts == 1, "what was not sent is no attempt"
        assert peer.taken() == [1, 2]
        assert [(one.outcome, one.ambiguous) for one in found.attempts] == [("unsent", False), ("delivered", False)]

    run(test)


def test_a_sender_that_was_frozen_until_another_one_had_sent_sends_nothing_and_changes_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        time, uptime = Time(lasts=HOUR), [0.0]
        peer = Upstream(time)

        async with opened(tmp_path) as store:
            claim = store.claim_deliveries

            async def frozen_after(destination: str, *, now: datetime, pacing: Pacing) -> ClaimedDeliveries | None:
                claimed = await claim(destination, now=now, pacing=pacing)
                if claimed is not None and not uptime[0]:
                    time.now += pacing.lease
                    uptime[0] += pacing.lease.total_seconds()
                    others = await claim(destination, now=time.now, pacing=pacing)
                    assert others is not None
                    attempt = Attempt("mine", time.now, SECOND, 200, "delivered", "")
                    done = [DeliveryUpdate(one.number, DeliveryState.DELIVERED) for one in others.deliveries]
                    assert await store.record_attempt(others, attempt, done, others.destination_state, now=time.now)
                return claimed

            store.claim_deliveries = frozen_after  # type: ignore[method-assign]
            await store.accept_events(events([1]), now=time.now)
            await lived(delivery_loops(store, time, peer.send, uptime=lambda: uptime[0]), time)
            [row] = await rows(store)

        assert peer.taken() == []
        assert (row.state, row.attempts) == ("delivered", 1)

    run(test)


def test_what_another_process_accepts_is_seen_without_being_woken(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time()
        upstream = Upstream(time)
        async with opened(tmp_path) as store, opened(tmp_path) as other:
            idle = timedelta(seconds=1)
            loops = delivery_loops(store, time, upstream.send, idle=idle)
            time.end = NOON + timedelta(seconds=10)
            await lived(loops, time)
            await other.accept_events(events([7]), now=time.now)
            time.go_on(until=NOON + timedelta(seconds=20))
            await lived(delivery_loops(store, time, upstream.send, idle=idle), time)
            assert upstream.taken() == [7]

    run(test)


def test_an_idle_sender_looks_about_once_in_its_idle_time(tmp_path: Path) -> None:
    class Counting(SqliteStore):
        claims = 0

        async def claim_deliveries(
            self, destination: str, *, now: datetime, pacing: Pacing
        ) -> ClaimedDeliveries | None:
            self.claims += 1
            return await super().claim_deliveries(destination, now=now, pacing=pacing)

    async def test() -> None:
        time = Time(lasts=timedelta(minutes=1))
        store = Counting(str(tmp_path / "x.db"))
        await lived(delivery_loops(store, time, Upstream(time).send, idle=SECOND), time)
        assert 50 <= store.claims <= 61
        await store.close()

    run(test)


# ------------------------------------------------------------------------------------------------------------- stopping


def test_a_stop_waits_for_the_request_under_way_and_records_it(tmp_path: Path) -> None:
    async def test() -> None:
        asked, may_answer = asyncio.Event(), asyncio.Event()

        async def send(outgoing: Outgoing) -> Response:
            asked.set()
            await may_answer.wait()
            return TAKEN

        async with opened(tmp_path) as store:
            await store.accept_events(events(range(150)), now=clock())
            loops = DeliveryLoops(store=store, destinations=[track()], clock=clock, metrics=Seen(), send=send)
            running = asyncio.create_task(loops.run())
            await asked.wait()
            stopping = asyncio.create_task(loops.stop(timedelta(seconds=30)))
            await asyncio.sleep(0)
            may_answer.set()
            await stopping
            await running
            assert len(await rows(store, "delivered")) == 100
            assert len(await rows(store, "pending")) == 50

    run(test)


def test_a_stop_gives_up_what_outlasts_its_grace_and_the_lease_brings_it_back(tmp_path: Path) -> None:
    async def test() -> None:
        asked = asyncio.Event()

        async def send(outgoing: Outgoing) -> Response:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        time = Time()
        async with opened(tmp_path) as store:
            await store.accept_events(events([1]), now=time.now)
            loops = delivery_loops(store, time, send)
            running = asyncio.create_task(loops.run())
            await asked.wait()
            await loops.stop(timedelta(milliseconds=1))
            await running
            upstream = Upstream(time)
            await lived(delivery_loops(store, time, upstream.send), time)
            assert [(one.at, one.orders) for one in upstream.posted] == [(NOON + RetryPolicy().lease, [1])]
            assert [row.attempts for row in await rows(store, "delivered")] == [1]

    run(test)


def test_a_stop_before_the_start_is_a_stop(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path) as store:
            loops = DeliveryLoops(store=store, destinations=[track()], clock=clock, metrics=Seen())
            await loops.stop(SECOND)
            await asyncio.wait_for(loops.run(), 10)

    run(test)


def test_without_destinations_there_is_nothing_to_do_and_nothing_hangs(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time()
        async with opened(tmp_path) as store:
            loops = DeliveryLoops(store=store, destinations=[], clock=time.clock, metrics=Seen())
            await asyncio.wait_for(loops.run(), 10)
            time.now += HOUR
            assert loops.heartbeats() == {}

    run(test)


def test_a_sender_that_waits_for_an_answer_has_ended_no_round(tmp_path: Path) -> None:
    async def test() -> None:
        asked = asyncio.Event()

        async def send(outgoing: Outgoing) -> Response:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        time = Time()
        async with opened(tmp_path) as store:
            await store.accept_events(events([1]), now=time.now)
            loops = delivery_loops(store, time, send)
            running = asyncio.create_task(loops.run())
            await asked.wait()
            time.now += HOUR
            [beat] = loops.heartbeats()["mine"]
            assert (beat.succeeded_at, beat.ended_at) == (None, NOON.timestamp())
            await loops.stop(timedelta(milliseconds=1))
            await running

    run(test)


# ------------------------------------------------------------------------------------------------------- side by side


def test_senders_work_side_by_side_and_each_event_is_sent_once(tmp_path: Path) -> None:
    async def test() -> None:
        taken: list[int] = []
        together = asyncio.Barrier(3)

        async def send(outgoing: Outgoing) -> Response:
            await together.wait()  # goes on only when three requests are under way
            taken.extend(orders_of(outgoing))
            return TAKEN

        async with opened(tmp_path) as store:
            await store.accept_events(events(range(30)), now=clock())
            loops = DeliveryLoops(
                store=store, destinations=[track(batch=5, concurrency=3)], clock=clock, metrics=Seen(), send=send
            )
            running = asyncio.create_task(loops.run())

            async def all_taken() -> bool:
                return len(taken) == 30

            await until(all_taken)
            await loops.stop(timedelta(seconds=10))
            await running
            assert sorted(taken) == list(range(30))
            assert len(await rows(store, "delivered")) == 30

    run(test)


def test_a_pause_found_by_one_sender_is_not_undone_by_anothers_older_view(tmp_path: Path) -> None:
    async def test() -> None:
        together, refused = asyncio.Barrier(2), asyncio.Event()

        async def send(outgoing: Outgoing) -> Response:
            await together.wait()
            if orders_of(outgoing) == [0]:
                return answer(401)
            await refused.wait()
            return answer(429)

        async with opened(tmp_path) as store:
            await store.accept_events(events(range(2)), now=clock())
            loops = DeliveryLoops(
                store=store, destinations=[track(batch=1, concurrency=2)], clock=clock, metrics=Seen(), send=send
            )
            running = asyncio.create_task(loops.run())

            async def paused() -> bool:
                return (await store.destination_state("mine", now=utc_now())).paused is not None

            await until(paused)
            refused.set()

            async def both() -> bool:
                return all(row.last_status for row in await rows(store))

            await until(both)
            assert (
                await store.destination_state("mine", now=utc_now())
            ).paused == "401 unauthorized: the key is not accepted; check api_key"
            await loops.stop(timedelta(milliseconds=1))
            await running

    run(test)


def test_two_processes_share_one_store_and_one_rate_and_send_nothing_twice(tmp_path: Path) -> None:
    claimed_at: list[datetime] = []
    taken: list[int] = []

    class Noting(SqliteStore):
        async def claim_deliveries(
            self, destination: str, *, now: datetime, pacing: Pacing
        ) -> ClaimedDeliveries | None:
            claimed = await super().claim_deliveries(destination, now=now, pacing=pacing)
            if claimed:
                claimed_at.append(now)
            return claimed

    async def send(outgoing: Outgoing) -> Response:
        taken.extend(orders_of(outgoing))
        await asyncio.sleep(0)
        return TAKEN

    async def all_taken() -> bool:
        return len(taken) >= 40

    async def test() -> None:
        stores = [Noting(str(tmp_path / "x.db")) for _ in range(2)]
        await stores[0].accept_events(events(range(40)), now=clock())
        paced = track(rate=6000, batch=2)
        both = [
            DeliveryLoops(store=store, destinations=[paced], clock=clock, metrics=Seen(), send=send) for store in stores
        ]
        running = [asyncio.create_task(one.run()) for one in both]
        await until(all_taken)
        for one in both:
            await one.stop(timedelta(seconds=10))
        await asyncio.gather(*running)
        assert {(row.state, row.attempts) for row in await rows(stores[0])} == {("delivered", 1)}
        for store in stores:
            await store.close()

    run(test)
    assert sorted(taken) == list(range(40))
    assert len(claimed_at) == 20
    assert max(claimed_at) - min(claimed_at) > timedelta(
        milliseconds=150
    )  # 19 spacings of 10 ms, less a few that raced


def test_each_destination_goes_at_its_own_pace(tmp_path: Path) -> None:
    async def test() -> None:
        stuck, taken = asyncio.Event(), asyncio.Event()

        async def send(outgoing: Outgoing) -> Response:
            if "slow" in outgoing.url:
                await stuck.wait()
            else:
                taken.set()
            return TAKEN

        async with opened(tmp_path) as store:
            await store.accept_events(events([1], destination="slow"), now=clock())
            await store.accept_events(events([2], destination="quick"), now=clock())
            slow = TrackDestination("slow", "https://slow.example.com", KEY)
            quick = TrackDestination("quick", "https://quick.example.com", KEY)
            loops = DeliveryLoops(store=store, destinations=[slow, quick], clock=clock, metrics=Seen(), send=send)
            running = asyncio.create_task(loops.run())
            await taken.wait()
            stuck.set()
            await loops.stop(timedelta(seconds=10))
            await running
            assert {row.state for row in await rows(store)} == {"delivered"}

    run(test)


# ------------------------------------------------------------------------------------------------------------ by hand


def test_a_retry_by_hand_brings_a_dead_letter_back_to_life_and_probes_a_paused_destination_now(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=1))
        upstream = Upstream(time, scripted(answer(400, "no"), answer(401), TAKEN, TAKEN))
        async with opened(tmp_path) as store:
            await store.accept_events(events([1, 2]), now=time.now)
            one_by_one = track(batch=1)
            time.end = NOON + timedelta(seconds=3)
            await lived(delivery_loops(store, time, upstream.send, destination=one_by_one), time)
            assert [row.state for row in await rows(store)] == ["dead", "pending"]
            assert await retry_all(store, RowFilter(state="dead"), now=time.now) == 1
            time.go_on(until=NOON + timedelta(seconds=4))
            await lived(delivery_loops(store, time, upstream.send, destination=one_by_one), time)
            assert sorted(upstream.taken()) == [1, 2]

    run(test)


def test_an_event_revised_while_its_request_is_under_way_is_sent_again_as_it_is_now(tmp_path: Path) -> None:
    async def test() -> None:
        time, sent = Time(), list[list[int]]()
        async with opened(tmp_path) as store:

            async def send(outgoing: Outgoing) -> Response:
                sent.append(orders_of(outgoing))
                if len(sent) == 1:
                    [changed] = events([1])
                    changed = replace(changed, event=replace(changed.event, text=b'{"order": 100}'))
                    assert await store.rewrite_events(1, [changed], now=time.now) == 1
                return TAKEN

            await store.accept_events(events([1, 2]), now=NOON)
            await lived(delivery_loops(store, time, send), time)
            assert sent == [[1, 2], [100]]
            assert [row.state for row in await rows(store)] == ["delivered", "delivered"]

    run(test)
