"""Delivery loops that are disturbed: a store that is away, faults of ours; and what the log says of an attempt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from delivering import (
    KEY,
    TAKEN,
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
)

from bridge.core.delivery import Attempt, Delivery, DeliveryUpdate, Outcome, Outgoing, Response
from bridge.core.errors import StoreUnavailable
from bridge.destinations.track import TrackDestination
from bridge.pipeline.retry_policy import RetryPolicy
from bridge.store.protocol import ClaimedDeliveries, DestinationState, Pacing
from bridge.store.sqlite.store import SqliteStore

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


class Troubled(SqliteStore):
    """A real store that is away, or broken, as often as it is told."""

    away: int = 0
    broken: int = 0
    forgetful: int = 0

    async def claim_deliveries(self, destination: str, *, now: datetime, pacing: Pacing) -> ClaimedDeliveries | None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("the disk is full; make room")
        if self.broken:
            self.broken -= 1
            raise KeyError("somebody@example.com")
        return await super().claim_deliveries(destination, now=now, pacing=pacing)

    async def record_attempt(
        self,
        claimed: ClaimedDeliveries,
        attempt: Attempt,
        settled: Sequence[DeliveryUpdate],
        destination_state: DestinationState,
        *,
        now: datetime,
    ) -> bool:
        if self.forgetful:
            self.forgetful -= 1
            raise StoreUnavailable("the disk is full; make room")
        return await super().record_attempt(claimed, attempt, settled, destination_state, now=now)


def test_a_store_that_is_away_is_waited_for_and_logged_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=5))
        upstream = Upstream(time)
        store = Troubled(str(tmp_path / "x.db"))
        store.away = 150
        await store.accept_events(events([1]), now=time.now)
        await lived(delivery_loops(store, time, upstream.send, idle=SECOND), time)
        assert upstream.taken() == [1]
        await store.close()

    run(test)
    waits = [record.getMessage() for record in caplog.records if "deliver.waits" in record.getMessage()]
    words = 'destination=mine why="the disk is full; make room"'
    assert waits == [f"deliver.waits {words}", *[f"deliver.waits count=60 {words}"] * 2]


def test_an_outcome_is_recorded_however_long_the_store_is_away_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=HOUR)
        upstream = Upstream(time)
        store = Troubled(str(tmp_path / "x.db"))
        store.forgetful = 600
        await store.accept_events(events([1]), now=time.now)
        loops = delivery_loops(store, time, upstream.send, idle=SECOND)
        await lived(loops, time)
        assert upstream.taken() == [1]
        assert [row.state for row in await rows(store)] == ["delivered"]
        await store.close()

    run(test)


def test_a_fault_of_ours_is_logged_by_type_and_place_and_the_sender_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        time = Time(lasts=HOUR)
        upstream = Upstream(time)
        store = Troubled(str(tmp_path / "x.db"))
        store.broken = 10
        await store.accept_events(events([1]), now=time.now)
        await lived(delivery_loops(store, time, upstream.send, idle=SECOND), time)
        assert upstream.taken() == [1]
        await store.close()

    run(test)
    [fault] = [record.getMessage() for record in caplog.records if "deliver.fault" in record.getMessage()]
    assert "error=KeyError place=claim_deliveries:" in fault
    assert "example.com" not in caplog.text


@pytest.mark.parametrize("trouble", ["away", "broken", "forgetful"])
def test_a_sender_whose_every_round_fails_gives_no_heartbeat_until_one_succeeds(tmp_path: Path, trouble: str) -> None:
    async def test() -> None:
        time = Time(lasts=HOUR)
        store = Troubled(str(tmp_path / "x.db"))
        setattr(store, trouble, 1_000_000)
        await store.accept_events(events([1]), now=time.now)
        failing = delivery_loops(store, time, Upstream(time).send, idle=SECOND)
        running = asyncio.create_task(failing.run())
        await time.over.wait()
        [beat] = failing.heartbeats()["mine"]
        assert beat.succeeded_at is None
        assert beat.ended_at >= (time.now - 2 * SECOND).timestamp(), "it goes on trying"
        setattr(store, trouble, 0)
        time.go_on(until=time.now + HOUR)
        await time.over.wait()
        [after] = failing.heartbeats()["mine"]
        assert after.succeeded_at is not None
        await failing.stop(10 * SECOND)
        await running
        await store.close()

    run(test)


def test_a_round_that_waits_for_its_rate_is_no_heartbeat_after_one_that_failed(tmp_path: Path) -> None:
    class Odd(TrackDestination):
        """A real one that cannot make a request."""

        def make_requests(self, deliveries: Sequence[Delivery], *, now: datetime) -> tuple[Outgoing, ...]:
            raise ZeroDivisionError

    async def test() -> None:
        time = Time(lasts=HOUR)
        async with opened(tmp_path) as store:
            await store.accept_events(events([1]), now=time.now)
            odd = Odd("mine", "https://example.com", KEY, rate=1)
            policy = RetryPolicy(timeout=SECOND, lease=2 * SECOND)
            failing = delivery_loops(store, time, Upstream(time).send, destination=odd, idle=SECOND, policy=policy)
            running = asyncio.create_task(failing.run())
            await time.over.wait()
            [beat] = failing.heartbeats()["mine"]
            assert beat.succeeded_at is None
            await failing.stop(10 * SECOND)
            await running

    run(test)


def test_a_sender_or_a_destination_that_raises_costs_an_attempt_and_not_the_event(tmp_path: Path) -> None:
    class Odd(TrackDestination):
        """A real one that stumbles over one answer."""

        def read_response(self, response: Response, *, sent: int, now: datetime) -> Outcome:
            if response.status == 201:
                raise ZeroDivisionError
            return super().read_response(response, sent=sent, now=now)

    async def test() -> None:
        time = Time(lasts=HOUR)
        answers = iter([None, Response(201), TAKEN])

        async def send(outgoing: Outgoing) -> Response:
            said = next(answers)
            if said is None:
                raise RuntimeError("somebody@example.com")
            return said

        async with opened(tmp_path) as store:
            await store.accept_events(events([1]), now=time.now)
            odd = Odd("mine", "https://example.com", KEY, rate=0)
            await lived(delivery_loops(store, time, send, destination=odd), time)
            [row] = await rows(store)
            assert (row.state, row.attempts) == ("delivered", 3)
            tries = (await detail(store, row.id)).attempts
            assert tries[0].answer == "a fault of trackbridge: RuntimeError"
            assert [one.status for one in tries] == [None, 201, 200]

    run(test)


def test_dead_letters_are_warned_of_once_a_minute_with_how_many_they_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        time = Time(lasts=HOUR)
        refusing = scripted(*[answer(400, "ada@example.com")] * 7)
        upstream = Upstream(time, refusing, slow=timedelta(seconds=15))
        async with opened(tmp_path) as store:
            await store.accept_events(events(range(1, 8)), now=time.now)
            await lived(delivery_loops(store, time, upstream.send, destination=track(batch=1)), time)

    run(test)
    dead = [record for record in caplog.records if record.getMessage().startswith("delivery.dead ")]
    assert [record.levelno for record in dead] == [logging.WARNING] * 2
    words = [record.getMessage().partition(" mend=")[0] for record in dead]
    assert words == [
        "delivery.dead destination=mine deliveries=dlv_1 reason=refused status=400",
        "delivery.dead count=4 destination=mine deliveries=dlv_5 reason=refused status=400",
    ]


def test_each_attempt_is_one_line_without_the_upstreams_words_or_the_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="trackbridge")

    async def test() -> None:
        time = Time(lasts=HOUR)
        refusal = answer(400, f"{KEY} may not send for ada@example.com")
        upstream = Upstream(time, scripted(refusal, refusal, TAKEN, answer(401, "ada@example.com")))
        async with opened(tmp_path) as store:
            await store.accept_events(events([1, 2]), now=time.now)
            await lived(delivery_loops(store, time, upstream.send), time)
            for number, destination in ((3, "mine"), (4, "another"), (5, "mine")):
                await store.accept_events(events([number], destination=destination), now=time.now)
            time.go_on(until=time.now + HOUR)
            await lived(delivery_loops(store, time, upstream.send), time)

    run(test)
    lines = [record.getMessage() for record in caplog.records if record.name == "trackbridge"]
    tried = "delivery.attempted deliveries="
    assert lines == [
        f"{tried}dlv_1..dlv_2 destination=mine count=2 number=1 outcome=refused status=400 ms=10.0 wait=0.0",
        f"{tried}dlv_1 destination=mine count=1 number=2 outcome=refused status=400 ms=10.0 dead=1",
        (
            "delivery.dead destination=mine deliveries=dlv_1 reason=refused status=400 "
            'mend="see trackbridge show dlv_1; once it is mended, trackbridge retry --all-dead"'
        ),
        f"{tried}dlv_2 destination=mine count=1 number=2 outcome=delivered status=200 ms=10.0",
        f'{tried}"dlv_3,dlv_5" destination=mine count=2 number=1 outcome=pause status=401 ms=10.0 wait=0.0 counted=no',
        'destination.paused destination=mine why="401 unauthorized: the key is not accepted; check api_key" probe_in=5.0',
        f"{tried}dlv_3 destination=mine count=1 number=1 outcome=delivered status=200 ms=10.0",
        "destination.resumed destination=mine seconds=5.0",
        f"{tried}dlv_5 destination=mine count=1 number=1 outcome=delivered status=200 ms=10.0",
    ]
