"""A delivery is claimed, attempted and recorded; a destination is paced, paused and probed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from store_made import (
    FREELY,
    LEASE,
    NOW,
    SECOND,
    Tell,
    accepted,
    after,
    all_of,
    applied,
    attempt,
    claimed,
    delivery,
    ids,
    nothing_to_claim,
    sent,
    stand,
    states,
)

from bridge.core.delivery import DeliveryState, DeliveryUpdate
from bridge.core.mapping_text import MappingText
from bridge.core.model import Route
from bridge.store.protocol import DeliveryDetail, DestinationState, RowFilter, Store

PENDING, DELIVERED, DEAD = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.DEAD
PAUSED = DestinationState("track", paused="401", paused_at=NOW, probe_at=after(5))


async def later(store: Store, *, at: float, due: float, together: int | None = None, counted: bool = True) -> list[str]:
    """Claim what is due and record that it shall be tried again later."""
    found = await claimed(store, now=after(at))
    settled = all_of(found, PENDING, reason="503", next_attempt_at=after(due), together=together)
    made = attempt(at=after(at), status=503, counted=counted)
    await store.record_attempt(found, made, settled, found.destination_state, now=after(at))
    return ids(found)


# ------------------------------------------------------------------------------------------------------- claiming


def test_a_claimed_delivery_is_what_was_accepted(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        (one,) = (await claimed(store)).deliveries
        assert (one.event_id, one.text, one.destination) == ("evt_1", b'{"event_id":"evt_1"}', "track")
        assert (one.attempts, one.tried_for, one.together) == (0, timedelta(), None)
        assert (await delivery(store, "evt_1")).id == f"dlv_{one.number}"

    tell(story)


def test_nothing_is_claimed_before_it_is_due(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert await nothing_to_claim(store)
        await accepted(store, "evt_1", now=after(1))
        assert await nothing_to_claim(store, now=after(0.999))
        assert await sent(store, now=after(1)) == ["evt_1"]

    tell(story)


def test_a_claim_takes_the_oldest_up_to_its_limit(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, *(f"evt_{n}" for n in range(5)))
        pacing = replace(FREELY, limit=2)
        assert [await sent(store, pacing=pacing) for _ in range(4)] == [
            ["evt_0", "evt_1"],
            ["evt_2", "evt_3"],
            ["evt_4"],
            [],
        ]

    tell(story)


def test_each_destination_is_claimed_for_itself(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", routes=(Route("track"), Route("ads")))
        mine = await claimed(store)
        other = await store.claim_deliveries("ads", now=NOW, pacing=FREELY)
        assert other is not None
        assert mine.token != other.token
        assert (ids(mine), ids(other)) == (["evt_1"], ["evt_1"])
        assert await store.claim_deliveries("nowhere", now=NOW, pacing=FREELY) is None

    tell(story)


def test_a_claim_that_is_not_recorded_comes_back_after_its_lease(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await claimed(store)
        assert await nothing_to_claim(store, now=NOW + LEASE - SECOND)
        again = await claimed(store, now=NOW + LEASE)
        assert ids(again) == ["evt_1"]
        assert again.deliveries[0].attempts == 0

    tell(story)


def test_no_two_claims_hold_the_same_delivery(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, *(f"evt_{n}" for n in range(20)))
        pacing = replace(FREELY, limit=3, concurrency=50)
        found = await asyncio.gather(*(store.claim_deliveries("track", now=NOW, pacing=pacing) for _ in range(10)))
        held = [event for one in found if one for event in ids(one)]
        assert sorted(held) == sorted(f"evt_{n}" for n in range(20))

    tell(story)


def test_as_many_claims_are_under_way_as_there_are_senders(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2", "evt_3")
        pacing = replace(FREELY, limit=1, concurrency=2)
        first = await claimed(store, pacing=pacing)
        await claimed(store, now=after(1), pacing=pacing)
        assert await nothing_to_claim(store, now=after(1), pacing=pacing)
        await store.record_attempt(first, attempt(), all_of(first, DELIVERED), first.destination_state, now=after(1))
        await claimed(store, now=after(1), pacing=pacing)
        assert await nothing_to_claim(store, now=after(2), pacing=pacing)

    tell(story)


def test_a_sender_is_free_again_when_its_lease_is_over(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        pacing = replace(FREELY, limit=1)
        await claimed(store, pacing=pacing)
        assert await nothing_to_claim(store, now=NOW + LEASE - SECOND, pacing=pacing)
        assert ids(await claimed(store, now=NOW + LEASE, pacing=pacing)) == ["evt_2"]

    tell(story)


def test_claims_are_at_least_the_spacing_apart(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2", now=after(-9))
        pacing = replace(FREELY, limit=1, spacing=timedelta(milliseconds=60))
        assert await sent(store, pacing=pacing) == ["evt_1"]
        assert await nothing_to_claim(store, now=after(0.059), pacing=pacing)
        assert await nothing_to_claim(store, now=after(-0.059), pacing=pacing)
        assert await sent(store, now=after(0.06), pacing=pacing) == ["evt_2"]

    tell(story)


def test_a_claim_that_found_nothing_does_not_count_for_the_spacing(tell: Tell) -> None:
    async def story(store: Store) -> None:
        pacing = replace(FREELY, spacing=10 * SECOND)
        assert await nothing_to_claim(store, pacing=pacing)
        await accepted(store, "evt_1")
        assert await sent(store, pacing=pacing) == ["evt_1"]

    tell(story)


def test_a_clock_that_is_set_back_does_not_stop_the_claims(tell: Tell) -> None:
    async def story(store: Store) -> None:
        pacing = replace(FREELY, spacing=SECOND)
        await accepted(store, "evt_1", now=after(3600))
        assert await sent(store, now=after(3600), pacing=pacing) == ["evt_1"]
        await accepted(store, "evt_2")
        assert await sent(store, pacing=pacing) == ["evt_2"]

    tell(story)


# ------------------------------------------------------------------------------------------------------ recording


def test_a_delivered_one_says_when_and_how(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        found = await claimed(store, now=after(1))
        made = attempt(at=after(1), answer='{"success":true}')
        await store.record_attempt(found, made, all_of(found, DELIVERED), found.destination_state, now=after(2))
        row = await delivery(store, "evt_1")
        assert (row.state, row.attempts, row.next_attempt_at) == (DELIVERED, 1, None)
        assert (row.last_status, row.last_answer) == (200, '{"success":true}')
        (shown,) = await (await applied(store)).show_detail(row.id)
        assert isinstance(shown, DeliveryDetail)
        assert (shown.created_at, shown.delivered_at, shown.attempts) == (NOW, after(2), (made,))
        assert await nothing_to_claim(store, now=after(999))

    tell(story)


def test_one_to_be_tried_later_is_due_then_and_not_before(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await later(store, at=1, due=7)
        row = await delivery(store, "evt_1")
        assert (row.state, row.reason, row.attempts, row.next_attempt_at) == (PENDING, "503", 1, after(7))
        assert await nothing_to_claim(store, now=after(6.999))
        assert (await claimed(store, now=after(7))).deliveries[0].attempts == 1

    tell(story)


def test_what_is_due_between_two_milliseconds_is_not_sent_before(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await later(store, at=1, due=7.0004)
        assert await nothing_to_claim(store, now=after(7.0003))
        assert await sent(store, now=after(7.001)) == ["evt_1"]

    tell(story)


def test_only_attempts_that_count_are_counted_and_all_are_shown(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await later(store, at=1, due=2, counted=False)
        await later(store, at=2, due=3)
        row = await delivery(store, "evt_1")
        (shown,) = await (await applied(store)).show_detail(row.id)
        assert isinstance(shown, DeliveryDetail)
        assert row.attempts == 1
        assert [(one.started_at, one.counted) for one in shown.attempts] == [(after(1), False), (after(2), True)]

    tell(story)


def test_an_answer_is_kept_up_to_two_kibibytes_and_never_cut_within_a_letter(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        found = await claimed(store)
        made = attempt(answer="x" + "ü" * 3000 + "\ud800")
        await store.record_attempt(found, made, all_of(found, DELIVERED), found.destination_state, now=NOW)
        assert (await delivery(store, "evt_1")).last_answer == "x" + "ü" * 1023

    tell(story)


def test_what_was_claimed_and_not_sent_keeps_its_place_in_the_order(tell: Tell) -> None:
    async def story(store: Store) -> None:
        for n in range(4):
            await accepted(store, f"evt_{n}", now=after(n))
        found = await claimed(store, now=after(5), pacing=replace(FREELY, limit=3))
        first = DeliveryUpdate(found.deliveries[0].number, DELIVERED)
        await store.record_attempt(found, attempt(), [first], found.destination_state, now=after(6))
        row = await delivery(store, "evt_1")
        assert (row.attempts, row.last_status) == (0, None)
        assert await sent(store, now=after(6)) == ["evt_1", "evt_2", "evt_3"]

    tell(story)


def test_a_request_that_nobody_recorded_is_told_as_one_that_may_have_been_made(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        await claimed(store)  # and the process is killed
        over = LEASE.total_seconds()
        assert await sent(store, now=after(over)) == ["evt_1", "evt_2"]
        [found] = await (await applied(store)).show_detail((await delivery(store, "evt_1")).id)
        assert isinstance(found, DeliveryDetail)
        lost, made = found.attempts
        assert (lost.outcome, lost.ambiguous, lost.counted, lost.status) == ("lost", True, False, None)
        assert (lost.started_at, lost.took) == (NOW, LEASE)
        assert "may have been made" in lost.answer
        assert (made.outcome, made.ambiguous, found.row.attempts) == ("delivered", False, 1)

    tell(story)


def test_an_attempt_names_the_destination_file_that_made_its_request(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        texts = [MappingText("acme.yaml", one) for one in (b"first", b"first", b"second")]
        for at, text in enumerate(texts):
            made = await claimed(store, now=after(at))
            again = all_of(made, DeliveryState.PENDING, next_attempt_at=after(at + 1))
            tried = replace(attempt(at=after(at), status=503), made_by=text)
            assert await store.record_attempt(made, tried, again, made.destination_state, now=after(at))
        await sent(store, now=after(3))
        [found] = await (await applied(store)).show_detail((await delivery(store, "evt_1")).id)
        assert isinstance(found, DeliveryDetail)
        assert [one.made_by for one in found.attempts] == [*texts, None]
        assert (found.claimed.event_id, found.claimed.of_order) == ("evt_1", 1)

    tell(story)


def test_a_claim_that_was_recorded_in_time_leaves_no_lost_attempt(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await later(store, at=0, due=30)
        assert await sent(store, now=after(30)) == ["evt_1"]
        [found] = await (await applied(store)).show_detail((await delivery(store, "evt_1")).id)
        assert isinstance(found, DeliveryDetail)
        assert [one.outcome for one in found.attempts] == ["later", "delivered"]

    tell(story)


def test_a_delivery_whose_lease_was_lost_is_not_put_back(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        slow = await claimed(store)
        quick = await claimed(store, now=NOW + LEASE)
        await store.record_attempt(quick, attempt(), all_of(quick, DELIVERED), quick.destination_state, now=NOW + LEASE)
        settled = [
            DeliveryUpdate(slow.deliveries[0].number, DEAD, reason="400"),
            DeliveryUpdate(slow.deliveries[1].number, PENDING, next_attempt_at=NOW),
        ]
        await store.record_attempt(slow, attempt(status=400), settled, slow.destination_state, now=NOW + LEASE)
        assert await states(store) == {"evt_1": "delivered", "evt_2": "delivered"}

    tell(story)


def test_one_that_somebody_else_has_claimed_by_now_stays_theirs(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        slow = await claimed(store)
        quick = await claimed(store, now=NOW + LEASE)
        later_on = [DeliveryUpdate(slow.deliveries[0].number, PENDING, next_attempt_at=NOW)]
        await store.record_attempt(slow, attempt(status=503), later_on, slow.destination_state, now=NOW + LEASE)
        assert await nothing_to_claim(store, now=NOW + LEASE + SECOND, pacing=replace(FREELY, concurrency=9))
        await store.record_attempt(quick, attempt(), all_of(quick, DELIVERED), quick.destination_state, now=NOW + LEASE)
        assert await states(store) == {"evt_1": "delivered", "evt_2": "delivered"}

    tell(story)


def test_a_delivery_whose_lease_was_lost_is_delivered_all_the_same_when_it_was(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        slow = await claimed(store)
        quick = await claimed(store, now=NOW + LEASE)
        await store.record_attempt(slow, attempt(), all_of(slow, DELIVERED), slow.destination_state, now=NOW + LEASE)
        settled = [
            DeliveryUpdate(quick.deliveries[0].number, PENDING, next_attempt_at=NOW),
            DeliveryUpdate(quick.deliveries[1].number, DEAD, reason="400"),
        ]
        await store.record_attempt(quick, attempt(status=400), settled, quick.destination_state, now=NOW + LEASE)
        assert await states(store) == {"evt_1": "delivered", "evt_2": "delivered"}

    tell(story)


def test_a_dead_letter_that_was_taken_all_the_same_is_delivered(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        slow = await claimed(store)
        quick = await claimed(store, now=NOW + LEASE)
        gave_up = all_of(quick, DEAD, reason="503 for 72 hours")
        await store.record_attempt(quick, attempt(status=503), gave_up, quick.destination_state, now=NOW + LEASE)
        await store.record_attempt(slow, attempt(), all_of(slow, DELIVERED), slow.destination_state, now=NOW + LEASE)
        row = await delivery(store, "evt_1")
        assert (row.state, row.reason, row.attempts, row.last_status) == (DELIVERED, None, 2, 200)

    tell(story)


def test_a_lease_that_is_over_but_that_nobody_took_is_still_ones_own(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        found = await claimed(store)
        settled = all_of(found, PENDING, next_attempt_at=after(99), reason="503")
        await store.record_attempt(found, attempt(status=503), settled, found.destination_state, now=NOW + 2 * LEASE)
        assert (await delivery(store, "evt_1")).next_attempt_at == after(99)

    tell(story)


def test_an_attempt_is_recorded_with_all_of_its_consequences_or_not_at_all(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        found = await claimed(store)
        broken = DestinationState("track", failures=None)  # type: ignore[arg-type]  # the last thing that is written
        with pytest.raises(Exception, match="failures"):
            await store.record_attempt(found, attempt(), all_of(found, DELIVERED), broken, now=NOW)
        assert await states(store) == {"evt_1": "pending"}
        await store.record_attempt(found, attempt(), all_of(found, DELIVERED), found.destination_state, now=NOW)
        (shown,) = await (await applied(store)).show_detail((await delivery(store, "evt_1")).id)
        assert isinstance(shown, DeliveryDetail)
        assert len(shown.attempts) == 1

    tell(story)


# ------------------------------------------------------------------------------------------------------- together


def test_a_halved_batch_goes_in_halves_and_with_nobody_else(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, *(f"evt_{n}" for n in range(4)))
        await later(store, at=0, due=1, together=2)
        await accepted(store, "evt_4", now=after(1))
        halves = [await sent(store, now=after(1)) for _ in range(3)]
        assert halves == [["evt_0", "evt_1"], ["evt_2", "evt_3"], ["evt_4"]]

    tell(story)


def test_of_a_mixed_lot_those_like_the_oldest_go_first(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, *(f"evt_{n}" for n in range(5)))
        found = await claimed(store)
        mixed = [
            DeliveryUpdate(one.number, PENDING, next_attempt_at=NOW, together=together)
            for one, together in zip(found.deliveries, (3, None, 3, 2, 3), strict=True)
        ]
        await store.record_attempt(found, attempt(status=400), mixed, found.destination_state, now=NOW)
        assert [await sent(store) for _ in range(4)] == [["evt_0", "evt_2", "evt_4"], ["evt_1"], ["evt_3"], []]

    tell(story)


def test_one_that_stands_alone_goes_alone(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_0", "evt_1")
        await later(store, at=0, due=1, together=1)
        found = await claimed(store, now=after(1))
        assert (ids(found), found.deliveries[0].together) == (["evt_0"], 1)

    tell(story)


# --------------------------------------------------------------------------------------------------- tried for


def test_the_time_of_trying_begins_with_the_first_attempt(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await later(store, at=100, due=110)
        await later(store, at=110, due=200)
        assert (await claimed(store, now=after(200))).deliveries[0].tried_for == timedelta(seconds=100)

    tell(story)


def test_the_time_of_pauses_that_are_over_does_not_count(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await stand(store, DestinationState("track", paused_for=timedelta(seconds=1000)))
        await accepted(store, "evt_1")
        await later(store, at=0, due=10)
        await stand(store, DestinationState("track", paused_for=timedelta(seconds=1030)))
        assert (await claimed(store, now=after(100))).deliveries[0].tried_for == timedelta(seconds=70)

    tell(story)


def test_a_pause_between_two_attempts_does_not_count_after_the_second_either(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await later(store, at=0, due=10)
        await stand(store, DestinationState("track", paused_for=timedelta(seconds=30)))
        await later(store, at=50, due=60)
        assert (await claimed(store, now=after(100))).deliveries[0].tried_for == timedelta(seconds=70)

    tell(story)


def test_the_pause_under_way_does_not_count_either(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await later(store, at=0, due=1)
        await stand(store, replace(PAUSED, paused_at=after(10), probe_at=after(100)), now=10)
        assert (await claimed(store, now=after(100))).deliveries[0].tried_for == timedelta(seconds=10)

    tell(story)


def test_a_first_attempt_within_a_pause_leaves_the_rest_of_it_out(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await stand(store, PAUSED)
        found = await claimed(store, now=after(40))
        settled = all_of(found, PENDING, next_attempt_at=after(60))
        await store.record_attempt(
            found, attempt(at=after(40)), settled, replace(found.destination_state, probe_at=after(60)), now=NOW
        )
        await stand(store, DestinationState("track", paused_for=timedelta(seconds=60)), now=60)
        assert (await claimed(store, now=after(75))).deliveries[0].tried_for == timedelta(seconds=15)

    tell(story)


def test_a_pause_that_began_after_the_first_attempt_is_left_out_whole(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        found = await claimed(store, now=after(5))
        paused = replace(PAUSED, paused_at=after(10), probe_at=after(30))
        await stand(store, paused, now=10)
        paused = await store.destination_state("track", now=NOW)
        settled = all_of(found, PENDING, next_attempt_at=after(30))
        await store.record_attempt(found, attempt(at=after(5), status=503), settled, paused, now=after(12))
        await stand(store, DestinationState("track", paused_for=timedelta(seconds=20)), now=30)
        assert (await claimed(store, now=after(40))).deliveries[0].tried_for == timedelta(seconds=15)

    tell(story)


# ------------------------------------------------------------------------------------------------- standing, pauses


def test_a_destination_never_used_has_a_state_without_failures(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert await store.destination_state("new", now=NOW) == DestinationState("new")

    tell(story)


def test_a_destinations_state_comes_back_as_it_was_recorded(tell: Tell) -> None:
    async def story(store: Store) -> None:
        destination_state = replace(PAUSED, probes=3, failures=4, rejected=5, paused_for=timedelta(minutes=7))
        await stand(store, destination_state)
        assert await store.destination_state("track", now=NOW) == destination_state
        await stand(store, DestinationState("track"))
        assert await store.destination_state("track", now=NOW) == DestinationState("track")

    tell(story)


def test_a_paused_destination_gives_nothing_until_its_probe_and_then_one(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        await stand(store, PAUSED)
        assert await nothing_to_claim(store, now=after(4.999))
        found = await claimed(store, now=after(5))
        assert (ids(found), found.destination_state) == (["evt_1"], PAUSED)

    tell(story)


def test_one_probe_is_under_way_at_a_time_and_comes_back_after_its_lease(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        await stand(store, PAUSED)
        many = replace(FREELY, concurrency=9)
        await claimed(store, now=after(5), pacing=many)
        assert await nothing_to_claim(store, now=after(24.999), pacing=many)
        assert len((await claimed(store, now=after(25), pacing=many)).deliveries) == 1

    tell(story)


def test_a_probe_that_was_not_sent_is_due_again_as_it_was(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await stand(store, DestinationState("track", paused="401", paused_at=NOW, probe_at=after(10)))
        found = await claimed(store, now=after(10))
        unsent = attempt(at=after(11), status=None, counted=False)
        assert await store.record_attempt(found, unsent, [], found.destination_state, now=after(11))
        assert await sent(store, now=after(11)) == ["evt_1"]

    tell(story)


def test_a_pause_without_a_probe_gives_nothing(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await stand(store, replace(PAUSED, probe_at=None))
        assert await nothing_to_claim(store, now=after(99999))
        assert await store.next_due("track", now=NOW) is None

    tell(story)


def test_a_pause_that_is_over_gives_all_again(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        await stand(store, PAUSED)
        found = await claimed(store, now=after(5))
        await store.record_attempt(
            found,
            attempt(),
            all_of(found, DELIVERED),
            DestinationState("track", version=found.destination_state.version),
            now=after(6),
        )
        assert await sent(store, now=after(6)) == ["evt_2"]

    tell(story)


def test_the_next_delivery_is_due_when_time_and_pause_allow(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert await store.next_due("track", now=NOW) is None
        await accepted(store, "evt_1", now=after(2))
        assert await store.next_due("track", now=NOW) == after(2)
        await claimed(store, now=after(2))
        assert await store.next_due("track", now=NOW) == after(2) + LEASE
        await stand(store, replace(PAUSED, probe_at=after(100)))
        assert await store.next_due("track", now=NOW) == after(100)

    tell(story)


def test_an_attempt_decided_from_an_earlier_state_changes_nothing_and_is_decided_again(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        one, other = [await claimed(store, pacing=replace(FREELY, limit=1, concurrency=2)) for _ in range(2)]
        broken = replace(one.destination_state, failures=1)
        waits = all_of(one, PENDING, next_attempt_at=after(9))
        assert await store.record_attempt(one, attempt(status=503), waits, broken, now=after(1))
        late = (other, attempt(status=503), all_of(other, PENDING, next_attempt_at=after(9)))
        before = await store.deliveries(RowFilter())
        assert not await store.record_attempt(*late, replace(other.destination_state, failures=1), now=after(1))
        assert await store.deliveries(RowFilter()) == before
        state = await store.destination_state("track", now=NOW)
        assert state.failures == 1
        assert await store.record_attempt(*late, replace(state, failures=2), now=after(1))
        assert (await store.destination_state("track", now=NOW)).failures == 2
        assert (await delivery(store, "evt_2")).attempts == 1

    tell(story)


def test_an_attempt_that_is_decided_again_makes_the_state_what_it_was_at_the_claim(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        one, other = [await claimed(store, pacing=replace(FREELY, limit=1, concurrency=2)) for _ in range(2)]
        waits = all_of(one, PENDING, next_attempt_at=after(9))
        broken = replace(one.destination_state, failures=1)
        assert await store.record_attempt(one, attempt(status=503), waits, broken, now=after(1))
        passed = (other, attempt(), all_of(other, DELIVERED))
        assert not await store.record_attempt(*passed, other.destination_state, now=after(1))
        state = await store.destination_state("track", now=NOW)
        assert await store.record_attempt(*passed, replace(state, failures=0), now=after(1))
        assert (await store.destination_state("track", now=NOW)).failures == 0

    tell(story)


def test_attempts_that_change_no_state_do_not_hinder_each_other(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", "evt_2")
        both = [await claimed(store, pacing=replace(FREELY, limit=1, concurrency=2)) for _ in range(2)]
        for found in both:
            done = all_of(found, DELIVERED)
            assert await store.record_attempt(found, attempt(), done, found.destination_state, now=after(1))

    tell(story)


def test_a_destination_that_is_held_gives_nothing_until_then(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1")
        await stand(store, DestinationState("track", held_until=after(30)))
        assert await nothing_to_claim(store, now=after(29.999))
        assert await store.next_due("track", now=NOW) == after(30)
        assert await sent(store, now=after(30)) == ["evt_1"]
        assert (await store.destination_state("track", now=NOW)).held_until == after(30)

    tell(story)


def test_deliveries_of_two_destinations_have_states_of_their_own(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", routes=(Route("track"), Route("ads")))
        await sent(store)
        rows = await store.deliveries(RowFilter())
        assert {row.destination: row.state for row in rows} == {"track": DELIVERED, "ads": PENDING}

    tell(story)
