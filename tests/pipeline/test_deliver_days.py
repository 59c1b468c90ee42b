"""Simulated days: a real store, an upstream that is a plain function, and a clock that only sleeping moves."""

from __future__ import annotations

import random
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
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
)

from bridge.app import utc_now
from bridge.core.delivery import Response

NO_ANSWER = Response(None, failure="timeout", sent=True)


# --------------------------------------------------------------------------------------------------- all is well


def test_events_go_out_in_batches_in_the_order_they_were_accepted(tmp_path: Path) -> None:
    async def test() -> None:
        time, seen = Time(), Seen()
        upstream = Upstream(time)
        async with opened(tmp_path) as store:
            await store.accept_events(events(range(250)), now=time.now)
            await lived(delivery_loops(store, time, upstream.send, seen=seen), time)
            assert [len(one.orders) for one in upstream.posted] == [100, 100, 50]
            assert upstream.taken() == list(range(250))
            assert {row.state for row in await rows(store)} == {"delivered"}
            assert {row.attempts for row in await rows(store)} == {1}
        assert seen.attempts == [("mine", "delivered")] * 3

    run(test)


def test_what_does_not_fit_one_request_goes_with_the_next_and_the_order_is_kept(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time()
        upstream = Upstream(time)
        async with opened(tmp_path) as store:
            await store.accept_events(events(range(30), size=100_000), now=time.now)
            await lived(delivery_loops(store, time, upstream.send), time)
            assert [len(one.orders) for one in upstream.posted] == [10, 10, 10]
            assert upstream.taken() == list(range(30))
            assert {row.attempts for row in await rows(store)} == {1}

    run(test)


def test_requests_are_as_far_apart_as_the_rate_says(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time()
        upstream = Upstream(time, slow=timedelta())
        async with opened(tmp_path) as store:
            await store.accept_events(events(range(6)), now=time.now)
            await lived(delivery_loops(store, time, upstream.send, destination=track(rate=7, batch=1)), time)
            assert upstream.waits() == [8.572] * 5

    run(test)


# ------------------------------------------------------------------------------------------------- later, and when


def test_an_upstream_that_stumbles_gets_it_after_the_waits_of_the_contract(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time()
        upstream = Upstream(time, scripted(answer(500), answer(429, retry_after="7"), NO_ANSWER))
        async with opened(tmp_path) as store:
            await store.accept_events(events([1, 2, 3]), now=time.now)
            await lived(delivery_loops(store, time, upstream.send, jitter=0.5), time)
            assert [one.orders for one in upstream.posted] == [[1, 2, 3]] * 4
            assert upstream.waits() == [0.5, 7, 2]
            [one, *_] = await rows(store)
            assert (one.state, one.attempts, one.last_status) == ("delivered", 4, 200)
            tries = (await detail(store, one.id)).attempts
            assert [(one.status, one.outcome) for one in tries] == [
                (500, "later"), (429, "later"), (None, "later"), (200, "delivered"),
            ]  # fmt: skip
            assert [(one.answer, one.ambiguous) for one in tries][2] == ("timeout", True)

    run(test)


def test_a_429_holds_back_the_other_batches_too_but_for_no_longer_than_a_minute(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time()
        upstream = Upstream(
            time, scripted(answer(429, retry_after="30"), TAKEN, TAKEN, answer(429, retry_after="3600"))
        )
        async with opened(tmp_path) as store:
            await store.accept_events(events(range(5)), now=time.now)
            await lived(delivery_loops(store, time, upstream.send, destination=track(batch=1)), time)
            assert [one.orders for one in upstream.posted] == [[0], [1], [2], [3], [4], [0], [3]]
            assert upstream.waits()[:5] == [30, 0, 0, 60, 0]
            assert upstream.posted[6].at - upstream.posted[3].at >= timedelta(hours=1)

    run(test)


def test_nothing_is_sent_earlier_than_a_date_in_retry_after_says(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time()
        upstream = Upstream(time, scripted(answer(503, retry_after="Sunday, 01-Mar-26 18:00:00 GMT")))
        async with opened(tmp_path) as store:
            await store.accept_events(events([1]), now=time.now)
            await lived(delivery_loops(store, time, upstream.send), time)
            assert [one.at for one in upstream.posted] == [NOON, NOON + timedelta(hours=6)]

    run(test)


def test_a_delivery_that_fails_for_72_hours_of_trying_is_dead_and_says_so(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(days=10))
        upstream = Upstream(time, lambda orders: answer(408))
        async with opened(tmp_path) as store:
            await store.accept_events(events([1]), now=time.now)
            await lived(delivery_loops(store, time, upstream.send, jitter=0.999), time)
            [one] = await rows(store)
            assert (one.state, one.reason) == ("dead", "given up after 72 h of trying: 408 request timeout")
            assert upstream.posted[-1].at - upstream.posted[0].at >= timedelta(hours=72)
            assert upstream.posted[-2].at - upstream.posted[0].at < timedelta(hours=72)
            assert one.attempts == len(upstream.posted)

    run(test)


def test_days_of_pause_do_not_count_as_trying(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(days=10))

        def judge(orders: list[int]) -> Response:
            day = (time.now - NOON) / timedelta(days=1)
            return answer(408) if day < 1 else answer(401) if day < 4.5 else TAKEN

        upstream = Upstream(time, judge)
        async with opened(tmp_path) as store:
            await store.accept_events(events([1]), now=time.now)
            await lived(delivery_loops(store, time, upstream.send), time)
            [one] = await rows(store)
            assert one.state == "delivered"
            assert (
                timedelta(days=3.4)
                < (await store.destination_state("mine", now=utc_now())).paused_for
                < timedelta(days=3.6)
            )

    run(test)


# --------------------------------------------------------------------------------------------------------- pauses


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer(401, "Invalid API key"), "401 unauthorized: the key is not accepted; check api_key"),
        (answer(404), "404 not found: there is no track API at this address; check url"),
        (
            Response(302, {"location": "/elsewhere"}),
            "302 found: a redirect, which is never followed; set the final url",
        ),
        (Response(200, {}, "OK"), "200 ok without a JSON object: no answer of the track API; check url"),
    ],
)
def test_a_destination_that_is_wrong_pauses_nothing_dies_and_it_resumes_by_itself(
    tmp_path: Path, said: Response, why: str
) -> None:
    async def test() -> None:
        time, seen = Time(lasts=timedelta(hours=6)), Seen()
        mended_at = NOON + timedelta(hours=1)
        upstream = Upstream(time, lambda orders: said if time.now < mended_at else TAKEN)
        async with opened(tmp_path) as store:
            await store.accept_events(events(range(10)), now=time.now)
            loops = delivery_loops(store, time, upstream.send, seen=seen)
            time.end = NOON + timedelta(minutes=30)
            await lived(loops, time)
            assert {(row.state, row.attempts, row.last_status) for row in await rows(store)} <= {
                ("pending", 0, said.status)
            }
            assert (await store.destination_state("mine", now=utc_now())).paused == why
            assert [len(one.orders) for one in upstream.posted][:3] == [10, 1, 1]
            assert upstream.waits()[:8] == [5, 10, 20, 40, 80, 160, 300, 300]

            time.go_on(until=NOON + timedelta(hours=6))
            await lived(delivery_loops(store, time, upstream.send, seen=seen), time)
            assert sorted(upstream.taken()) == list(range(10))
            assert {(row.state, row.attempts) for row in await rows(store)} == {("delivered", 1)}
            destination_state = await store.destination_state("mine", now=utc_now())
            assert destination_state.paused is None
            assert destination_state.paused_for >= timedelta(hours=1) - timedelta(seconds=1)
        assert set(seen.attempts) == {("mine", "pause"), ("mine", "delivered")}

    run(test)


def test_an_upstream_that_is_down_opens_the_circuit_and_is_probed_until_it_is_up(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time()
        up_at = NOON + timedelta(hours=2)
        refused = Response(None, failure="no connection: refused")
        upstream = Upstream(time, lambda orders: refused if time.now < up_at else TAKEN)
        async with opened(tmp_path) as store:
            await store.accept_events(events(range(300)), now=time.now)
            await lived(delivery_loops(store, time, upstream.send), time)
            before_probes = [one for one in upstream.posted if len(one.orders) > 1 and one.at < up_at]
            probes = [one for one in upstream.posted if one.at < up_at][len(before_probes) :]
            assert len(before_probes) == 5
            assert {len(one.orders) for one in probes} == {1}
            assert len(probes) < 40
            assert sorted(upstream.taken()) == list(range(300))
            assert all(row.attempts <= 4 for row in await rows(store))

    run(test)


def test_one_event_that_breaks_the_upstream_is_found_and_the_others_pass(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(hours=12))
        upstream = Upstream(time, lambda orders: answer(500) if 13 in orders else TAKEN)
        async with opened(tmp_path) as store:
            await store.accept_events(events(range(40)), now=time.now)
            await lived(delivery_loops(store, time, upstream.send, jitter=0.9), time)
            assert sorted(upstream.taken()) == [number for number in range(40) if number != 13]
            assert upstream.posted[-1].orders == [13]

    run(test)


# -------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("status", [200, 400, 413, 422])
@pytest.mark.parametrize(
    "poison", [(0, 1, 2), (0, 50, 99), (12, 13, 77), (24, 25, 26), tuple(random.Random(7).sample(range(100), 3))]
)
def test_of_a_hundred_events_three_are_refused_and_97_pass_in_at_most_40_requests(
    tmp_path: Path, poison: tuple[int, ...], status: int
) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(hours=1))

        def judge(orders: list[int]) -> Response:
            bad = [order for order in orders if order in poison]
            return answer(status, f"order {bad[0]} has no value") if bad else TAKEN

        upstream = Upstream(time, judge)
        async with opened(tmp_path) as store:
            await store.accept_events(events(range(100)), now=time.now)
            await lived(delivery_loops(store, time, upstream.send), time)
            assert sorted(upstream.taken()) == [number for number in range(100) if number not in poison]
            dead = await rows(store, "dead")
            assert [row.event for row in dead] == [f"evt_{number}" for number in sorted(poison)]
            for row, number in zip(dead, sorted(poison), strict=True):
                assert row.reason is not None
                assert row.reason.endswith(f": order {number} has no value")
            assert len(upstream.posted) <= 40
            assert (await store.destination_state("mine", now=utc_now())).paused is None

    run(test)


def test_an_event_beyond_one_mebibyte_dies_alone(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(hours=1))
        upstream = Upstream(time, lambda orders: answer(413, "send less") if 2 in orders else TAKEN)
        async with opened(tmp_path) as store:
            for number, size in ((1, 0), (2, 1_050_000), (3, 0)):
                await store.accept_events(events([number], size=size), now=time.now)
            await lived(delivery_loops(store, time, upstream.send), time)
            assert [one.orders for one in upstream.posted] == [[1], [2], [3]]
            assert [(row.event, row.reason) for row in await rows(store, "dead")] == [
                ("evt_2", f"413 {HTTPStatus(413).phrase.lower()}: send less")
            ]

    run(test)


def test_an_upstream_that_refuses_everything_makes_twenty_dead_letters_and_no_more(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(hours=12))
        mended_at = NOON + timedelta(hours=6)
        upstream = Upstream(time, lambda orders: answer(400, "no") if time.now < mended_at else TAKEN)
        async with opened(tmp_path) as store:
            await store.accept_events(events(range(60)), now=time.now)
            await lived(delivery_loops(store, time, upstream.send), time)
            assert len(await rows(store, "dead")) == 20
            assert len(await rows(store, "delivered")) == 40
            assert len({order for one in upstream.posted for order in one.orders}) == 60

    run(test)


# ------------------------------------------------------------------------------------------------------- what is kept


@pytest.mark.parametrize("spelt", [KEY, "".join(f"\\u{ord(letter):04x}" for letter in KEY)])
def test_an_answer_is_kept_to_its_first_2_kib_and_without_the_key(tmp_path: Path, spelt: str) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(hours=1))
        said = Response(400, {}, '{"error": "the key ' + spelt + " may not: " + "ö" * 5000 + '"}')
        upstream = Upstream(time, lambda orders: said)
        async with opened(tmp_path) as store:
            await store.accept_events(events([1]), now=time.now)
            await lived(delivery_loops(store, time, upstream.send), time)
            [row] = await rows(store)
            assert row.last_answer is not None
            assert row.reason is not None
            assert row.last_answer.startswith('{"error": "the key [key] may not: ööö')
            assert 2000 < len(row.last_answer.encode()) <= 2048
            assert KEY not in row.reason
            assert row.reason.startswith("400 bad request: the key [key] may not: ")

    run(test)
