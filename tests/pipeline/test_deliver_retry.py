"""What becomes of deliveries and of their destination after an attempt: the whole decision, on plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bridge.core.delivery import (
    Delivered,
    Delivery,
    DeliveryState,
    DeliveryUpdate,
    Misconfigured,
    Outcome,
    Rejected,
    Retryable,
)
from bridge.core.errors import SettingsError
from bridge.pipeline.retry_policy import RetryDecision, RetryPolicy, decide_retry
from bridge.store.protocol import DestinationState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FRESH = DestinationState("mine")
PAUSED = DestinationState("mine", paused="401", paused_at=NOW - timedelta(seconds=5), probe_at=NOW)
POLICY = RetryPolicy()
BUSY = Retryable("429 too many requests")
BROKEN = Retryable("503 service unavailable", breaks=True)
PENDING, DELIVERED, DEAD = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.DEAD


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def sent(
    count: int = 1, *, attempts: int = 0, tried_for: timedelta = timedelta(), together: int | None = None
) -> list[Delivery]:
    return [
        Delivery(number, "mine", f"evt_{number}", b"{}", attempts, tried_for, together)
        for number in range(1, count + 1)
    ]


def decided(  # noqa: PLR0913  the arguments of decide, most with a default
    outcome: Outcome,
    deliveries: Sequence[Delivery],
    destination_state: DestinationState = FRESH,
    *,
    status: int | None = None,
    jitter: float = 0.5,
    now: datetime = NOW,
) -> RetryDecision:
    return decide_retry(outcome, deliveries, destination_state, status=status, now=now, jitter=jitter, policy=POLICY)


# -------------------------------------------------------------------------------------------------------- delivered


def test_what_was_taken_is_delivered_and_the_destination_is_well() -> None:
    destination_state = replace(FRESH, failures=4, rejected=19)
    assert decided(Delivered(), sent(2), destination_state) == (
        [DeliveryUpdate(1, DELIVERED), DeliveryUpdate(2, DELIVERED)],
        FRESH,
        True,
    )


# ------------------------------------------------------------------------------------------------------------ later


@pytest.mark.parametrize(
    ("attempts", "longest"), [(0, 1), (1, 2), (2, 4), (5, 32), (11, 2048), (12, 3600), (900, 3600)]
)
@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.999])
def test_the_wait_is_full_jitter_over_a_doubling_time_capped_at_an_hour(
    attempts: int, longest: int, jitter: float
) -> None:
    [one] = decided(BUSY, sent(attempts=attempts), jitter=jitter).settled
    assert one.next_attempt_at is not None
    assert seconds(0) <= one.next_attempt_at - (NOW + seconds(longest * jitter)) < timedelta(milliseconds=1)
    assert (one.state, one.reason) == (PENDING, BUSY.reason)


def test_a_failed_batch_waits_as_one() -> None:
    mixed = [*sent(3, attempts=2), structs.replace(sent()[0], number=4, attempts=7)]
    decision = decided(BROKEN, mixed, status=503)
    assert {one.next_attempt_at for one in decision.settled} == {NOW + seconds(64)}
    assert decision.counted


def test_retry_after_is_waited_exactly_and_not_jittered() -> None:
    for jitter in (0.0, 0.9):
        [one] = decided(replace(BUSY, retry_after=seconds(37)), sent(attempts=9), jitter=jitter, status=429).settled
        assert one.next_attempt_at == NOW + seconds(37)


def test_retry_after_zero_leaves_the_wait_to_the_backoff() -> None:
    [one] = decided(replace(BUSY, retry_after=seconds(0)), sent(attempts=2), status=429).settled
    assert one.next_attempt_at == NOW + seconds(2)


def test_a_due_instant_is_never_rounded_down() -> None:
    now = NOW + timedelta(microseconds=1)
    [one] = decided(replace(BUSY, retry_after=seconds(1)), sent(), now=now).settled
    assert one.next_attempt_at == NOW + seconds(1) + timedelta(milliseconds=1)


def test_a_wait_keeps_the_halving_that_was_under_way() -> None:
    assert {one.together for one in decided(BUSY, sent(5, together=13)).settled} == {13}
    assert {one.together for one in decided(Misconfigured("401"), sent(5, together=13)).settled} == {13}


def test_a_delivery_ends_after_72_hours_of_trying_and_only_by_a_failed_attempt() -> None:
    old, young = sent(2)
    old, young = (
        structs.replace(old, tried_for=timedelta(hours=72)),
        structs.replace(young, tried_for=timedelta(hours=71, minutes=59)),
    )
    [ended, goes_on] = decided(BROKEN, [old, young], status=503).settled
    assert ended == DeliveryUpdate(1, DEAD, "given up after 72 h of trying: 503 service unavailable")
    assert goes_on.state is PENDING
    assert decided(Delivered(), [old]).settled[0].state is DELIVERED
    assert decided(Misconfigured("401"), [old]).settled[0].state is PENDING
    assert decided(BROKEN, [old], PAUSED, status=503).settled[0].state is PENDING


# ---------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(("count", "half"), [(100, 50), (25, 13), (3, 2), (2, 1)])
def test_a_refused_batch_is_halved_and_due_now(count: int, half: int) -> None:
    decision = decided(Rejected("400: no"), sent(count, together=count))
    assert {(one.state, one.next_attempt_at, one.together) for one in decision.settled} == {(PENDING, NOW, half)}
    assert decision.destination_state == FRESH


def test_an_event_refused_alone_is_dead_with_the_upstreams_words() -> None:
    decision = decided(Rejected("400 bad request: no currency"), sent())
    assert decision.settled == [DeliveryUpdate(1, DEAD, "400 bad request: no currency")]
    assert decision.destination_state == replace(FRESH, rejected=1)
    assert decision.counted


def test_the_twentieth_event_refused_alone_in_a_row_pauses_the_destination() -> None:
    nineteenth = decided(Rejected("400: no"), sent(), replace(FRESH, rejected=18)).destination_state
    assert (nineteenth.paused, nineteenth.rejected) == (None, 19)
    twentieth = decided(Rejected("400: no"), sent(), nineteenth)
    assert twentieth.settled[0].state is DEAD
    assert twentieth.destination_state.paused == "20 events in a row were refused alone; see its dead letters"


def test_while_twenty_were_refused_and_none_passed_a_refused_probe_makes_no_dead_letter() -> None:
    destination_state = replace(PAUSED, rejected=20, paused="20 events")
    decision = decided(Rejected("400: no"), sent(), destination_state)
    assert decision.settled[0].state is PENDING
    assert decision.destination_state.paused == "20 events"
    assert not decision.counted
    other_reason = decided(Misconfigured("404"), sent(), destination_state).destination_state
    assert decided(Rejected("400: no"), sent(), other_reason).settled[0].state is PENDING
    assert decided(Delivered(), sent(), other_reason).destination_state.rejected == 0


def test_a_batch_refused_while_twenty_were_is_halved_and_the_pause_stays() -> None:
    destination_state = replace(PAUSED, rejected=20)
    decision = decided(Rejected("400: no"), sent(4), destination_state)
    assert decision.destination_state == destination_state
    assert {one.together for one in decision.settled} == {2}


def test_a_refused_probe_shows_that_the_destination_judges_events_again() -> None:
    decision = decided(Rejected("400: no"), sent(), PAUSED)
    assert decision.settled[0].state is DEAD
    assert decision.destination_state == DestinationState("mine", rejected=1, paused_for=seconds(5))


# ---------------------------------------------------------------------------------------------------- pause and probe


def test_a_pause_counts_no_attempt_and_everything_is_due_when_it_ends() -> None:
    decision = decided(Misconfigured("401 unauthorized"), sent(3, attempts=2))
    assert not decision.counted
    assert {(one.state, one.next_attempt_at) for one in decision.settled} == {(PENDING, NOW)}
    assert decision.destination_state == DestinationState(
        "mine", paused="401 unauthorized", paused_at=NOW, probe_at=NOW + seconds(5), probes=0
    )


def test_probes_wait_five_seconds_then_twice_as_long_each_time_up_to_five_minutes() -> None:
    now, waits = NOW, []
    destination_state = decided(Misconfigured("401"), sent()).destination_state
    for _ in range(9):
        assert destination_state.probe_at is not None
        waits.append((destination_state.probe_at - now).total_seconds())
        now = destination_state.probe_at
        destination_state = decided(Misconfigured("401"), sent(), destination_state, now=now).destination_state
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_probe_that_passes_ends_the_pause_and_its_length_is_kept() -> None:
    destination_state = replace(PAUSED, probes=3, rejected=2, paused_for=seconds(100))
    decision = decided(Delivered(), sent(), destination_state, now=NOW + seconds(60))
    assert decision.destination_state == DestinationState("mine", paused_for=seconds(165))
    assert decision.settled == [DeliveryUpdate(1, DELIVERED)]


@pytest.mark.parametrize("outcome", [Misconfigured("403"), BROKEN, BUSY])
def test_a_failed_probe_counts_no_attempt_and_leaves_the_next_probe_to_another_delivery(outcome: Outcome) -> None:
    decision = decided(outcome, sent(attempts=3), PAUSED, status=503)
    assert not decision.counted
    assert decision.destination_state.probe_at == NOW + seconds(10)
    assert decision.destination_state.probes == 1
    assert decision.destination_state.paused_at == PAUSED.paused_at
    assert [one.next_attempt_at for one in decision.settled] == [NOW + seconds(10)]


def test_a_pause_says_what_its_last_probe_found() -> None:
    assert decided(Misconfigured("403"), sent(), PAUSED).destination_state.paused == "403"
    assert decided(BROKEN, sent(), PAUSED).destination_state.paused == "circuit open: 503 service unavailable"
    assert decided(BUSY, sent(), PAUSED).destination_state.paused == "401"


def test_a_probe_waits_as_asked_but_for_no_more_than_five_minutes_and_its_delivery_in_full() -> None:
    for asked, probe in ((7, 10), (60, 60), (3600, 300)):
        decision = decided(replace(BROKEN, retry_after=seconds(asked)), sent(), PAUSED, status=503)
        assert decision.destination_state.probe_at == NOW + seconds(probe)
        assert decision.settled[0].next_attempt_at == NOW + seconds(max(asked, probe))


def test_a_clock_set_back_never_makes_a_pause_shorter_than_nothing() -> None:
    assert decided(Delivered(), sent(), PAUSED, now=NOW - timedelta(days=1)).destination_state.paused_for == seconds(0)


# --------------------------------------------------------------------------------------------------- circuit breaker


def test_the_fifth_request_in_a_row_that_broke_opens_the_circuit_and_counts() -> None:
    destination_state = FRESH
    for number in range(1, 5):
        destination_state = decided(BROKEN, sent(), destination_state, status=503).destination_state
        assert (destination_state.failures, destination_state.paused) == (number, None)
    decision = decided(BROKEN, sent(3, attempts=4), destination_state, status=503)
    assert decision.destination_state.paused == "circuit open: 503 service unavailable"
    assert decision.destination_state.probe_at == NOW + seconds(5)
    assert decision.counted
    assert {one.next_attempt_at for one in decision.settled} == {NOW + seconds(8)}


@pytest.mark.parametrize("outcome", [Delivered(), Rejected("400"), BUSY])
def test_an_answer_of_any_other_kind_ends_the_row(outcome: Outcome) -> None:
    assert decided(outcome, sent(), replace(FRESH, failures=4)).destination_state.failures == 0


def test_busy_answers_never_open_the_circuit() -> None:
    destination_state = FRESH
    for _ in range(50):
        destination_state = decided(BUSY, sent(), destination_state, status=429).destination_state
    assert destination_state.paused is None


def test_a_429_holds_the_destination_as_long_as_asked_but_a_minute_at_most_and_no_other_answer_does() -> None:
    for asked, held in ((30, 30), (3600, 60)):
        busy = replace(BUSY, retry_after=seconds(asked))
        assert decided(busy, sent(), status=429).destination_state.held_until == NOW + seconds(held)
    longer = replace(FRESH, held_until=NOW + seconds(50))
    busy = replace(BUSY, retry_after=seconds(30))
    assert decided(busy, sent(), longer, status=429).destination_state.held_until == NOW + seconds(50)
    assert decided(replace(BROKEN, retry_after=seconds(30)), sent(), status=503).destination_state.held_until is None
    assert decided(Delivered(), sent(), longer, status=200).destination_state.held_until == NOW + seconds(50)


def test_a_circuit_that_opens_is_probed_as_asked_but_within_five_minutes() -> None:
    for asked, probe in ((1, 5), (60, 60), (86_400, 300)):
        destination_state = replace(FRESH, failures=4)
        decision = decided(replace(BROKEN, retry_after=seconds(asked)), sent(), destination_state, status=503)
        assert decision.destination_state.probe_at == NOW + seconds(probe)
        assert decision.settled[0].next_attempt_at == NOW + seconds(asked)


# ----------------------------------------------------------------------------------- a batch that breaks the upstream


def test_a_batch_that_broke_five_times_while_others_passed_is_halved_and_waits() -> None:
    decision = decided(BROKEN, sent(9, attempts=4), status=500)
    assert {(one.together, one.next_attempt_at) for one in decision.settled} == {(5, NOW + seconds(8))}
    assert decision.counted


def test_a_batch_is_not_halved_before_its_fifth_5xx_nor_for_a_timeout_nor_where_nothing_passed() -> None:
    nothing_passed = replace(FRESH, failures=4)
    for decision in (
        decided(BROKEN, sent(9, attempts=3), status=500),
        decided(Retryable("timeout", breaks=True), sent(9, attempts=9), status=None),
        decided(BUSY, sent(9, attempts=9), status=429),
        decided(BROKEN, sent(9, attempts=4), nothing_passed, status=500),
        decided(BROKEN, sent(1, attempts=9), status=500),
    ):
        assert {one.together for one in decision.settled} == {None}


# -------------------------------------------------------------------------------------------------- what always holds

outcomes = st.one_of(
    st.just(Delivered()),
    st.just(Rejected("400")),
    st.just(Misconfigured("401")),
    st.builds(
        Retryable,
        st.just("503"),
        st.one_of(st.none(), st.timedeltas(timedelta(days=-1), timedelta(days=400))),
        st.booleans(),
    ),
)


@given(
    steps=st.lists(
        st.tuples(
            outcomes,
            st.integers(1, 100),
            st.integers(0, 10**6),
            st.floats(0, 1, exclude_max=True),
            st.timedeltas(timedelta(), timedelta(days=4)),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_whatever_happens_nothing_is_lost_and_every_wait_is_bounded(
    steps: list[tuple[Outcome, int, int, float, timedelta]],
) -> None:
    destination_state, now = FRESH, NOW
    for outcome, count, attempts, jitter, passed in steps:
        count = 1 if destination_state.paused else count  # noqa: PLW2901  a probe is one delivery
        deliveries = sent(count, attempts=attempts, tried_for=passed)
        before = destination_state
        settled, destination_state, counted = decided(outcome, deliveries, before, status=503, jitter=jitter, now=now)
        assert [one.number for one in settled] == [delivery.number for delivery in deliveries]
        for one in settled:
            if one.state is PENDING:
                assert one.next_attempt_at is not None
                assert now <= one.next_attempt_at <= now + timedelta(hours=24, milliseconds=1)
                assert one.together is None or 1 <= one.together < count
            else:
                assert one.next_attempt_at is None
                assert one.state is DELIVERED or (counted and one.reason)
        assert (
            (destination_state.paused is None)
            == (destination_state.paused_at is None)
            == (destination_state.probe_at is None)
        )
        assert destination_state.probe_at is None or now < destination_state.probe_at <= now + timedelta(
            minutes=5, milliseconds=1
        )
        assert destination_state.paused_for >= before.paused_for
        assert 0 <= destination_state.failures < POLICY.breaks
        now += passed


def test_a_lease_no_longer_than_the_timeout_cannot_be_set() -> None:
    with pytest.raises(SettingsError, match="the lease of a claim must be longer than the request timeout"):
        RetryPolicy(timeout=seconds(20))
