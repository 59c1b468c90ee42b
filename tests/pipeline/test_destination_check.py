"""Destinations are asked without an event: at the start, and while they are paused and nothing waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from delivering import KEY, NOON, TAKEN, Seen, Time, Upstream, answer, events, lived, opened, run, scripted, track

from bridge.app import utc_now
from bridge.core.delivery import Response
from bridge.pipeline.deliver import DeliveryLoops
from bridge.store.protocol import Store
from bridge.store.status_views import DestinationCheck


def checking_loops(store: Store, time: Time, peer: Upstream) -> DeliveryLoops:
    return DeliveryLoops(
        store=store,
        destinations=[track()],
        clock=time.clock,
        metrics=Seen(),
        send=peer.send,
        sleep=time.sleep,
        idle=timedelta(seconds=1),
        check=True,
    )


async def checks(store: Store) -> tuple[DestinationCheck, ...]:
    return (await store.status_details()).checks


def test_an_empty_batch_with_the_key_is_what_is_asked() -> None:
    outgoing = track().check_request()
    assert (outgoing.body, outgoing.deliveries) == (b'{"events":[]}', ())
    assert outgoing.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("good", [answer(400), answer(422), TAKEN])
def test_a_refusal_of_the_empty_batch_means_that_the_key_is_good(tmp_path: Path, good: Response) -> None:
    async def story() -> None:
        time = Time(lasts=timedelta(minutes=10))
        peer = Upstream(time, lambda _: good)
        async with opened(tmp_path) as store:
            await lived(checking_loops(store, time, peer), time)
            assert (await store.destination_state("mine", now=utc_now())).paused is None
            assert [one.failed for one in await checks(store)] == [None]
        assert [one.orders for one in peer.posted] == [[]], "it is asked once"

    run(story)


def test_a_wrong_key_pauses_it_before_the_first_event_and_a_right_one_ends_that(tmp_path: Path) -> None:
    async def story() -> None:
        time = Time(lasts=timedelta(minutes=1))
        peer = Upstream(time, lambda _: answer(401))
        async with opened(tmp_path) as store:
            await lived(checking_loops(store, time, peer), time)
            state = await store.destination_state("mine", now=utc_now())
            assert state.paused == "401 unauthorized: the key is not accepted; check api_key"
            peer.judge = lambda _: answer(400)
            time.go_on(until=NOON + timedelta(minutes=2))
            await lived(checking_loops(store, time, peer), time)
            assert (await store.destination_state("mine", now=utc_now())).paused is None
            assert len(peer.posted) == 2

    run(story)


def test_a_pause_without_deliveries_ends_at_its_probe(tmp_path: Path) -> None:
    async def story() -> None:
        time = Time(lasts=timedelta(minutes=12))
        peer = Upstream(time, scripted(answer(401), answer(401), answer(400)))
        async with opened(tmp_path) as store:
            await lived(checking_loops(store, time, peer), time)
            state = await store.destination_state("mine", now=utc_now())
            assert (state.paused, state.probes) == (None, 0)
            assert state.paused_for >= timedelta(minutes=10)

    run(story)


def test_what_waits_for_a_mended_destination_is_the_probe(tmp_path: Path) -> None:
    async def story() -> None:
        time = Time(lasts=timedelta(minutes=1))
        peer = Upstream(time, lambda _: answer(401))
        async with opened(tmp_path) as store:
            await store.accept_events(events([1]), now=NOON)
            await lived(checking_loops(store, time, peer), time)
            peer.judge = lambda orders: TAKEN if orders else answer(400)
            time.go_on(until=time.now + timedelta(seconds=10))
            await lived(checking_loops(store, time, peer), time)
            assert peer.taken() == [1]
            assert (await store.destination_state("mine", now=utc_now())).paused is None

    run(story)


def test_one_that_does_not_answer_is_asked_again_and_is_not_paused(tmp_path: Path) -> None:
    async def story() -> None:
        time = Time(lasts=timedelta(seconds=45))
        peer = Upstream(time, scripted(Response(None, failure="no connection"), answer(400)))
        async with opened(tmp_path) as store:
            loops = checking_loops(store, time, replace(peer, judge=lambda _: Response(None, failure="no connection")))
            await lived(loops, time)
            [check] = await checks(store)
            assert (check.failed, (await store.destination_state("mine", now=utc_now())).paused) == (
                "no connection",
                None,
            )
            time.go_on(until=time.now + timedelta(minutes=2))
            await lived(checking_loops(store, time, peer), time)
            assert [one.failed for one in await checks(store)] == [None]

    run(story)
