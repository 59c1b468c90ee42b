"""What becomes of deliveries and of their destination after an attempt: due again, split in halves, dead, or paused.

Pure: the outcome, the time and the jitter are arguments, and the result is what the store records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import structs

from bridge.core.delivery import (
    Delivered,
    Delivery,
    DeliveryState,
    DeliveryUpdate,
    Misconfigured,
    Mixed,
    Outcome,
    Rejected,
    Resend,
    Retryable,
)
from bridge.core.errors import SettingsError
from bridge.destinations.protocol import MOST_RETRY_AFTER
from bridge.store.protocol import DestinationState

_MILLISECOND = timedelta(milliseconds=1)
_ERROR = 500
TOO_MANY = 429
MOST_HOLD = timedelta(minutes=1)
"""How long a 429 holds the other deliveries at most."""
_MOST_DOUBLINGS = 30  # of a second: more years than anybody waits, and no timedelta overflows


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long requests, retries and pauses of deliveries take.

    A request takes at most `timeout`, and its claim is exclusive for `lease`, which must be longer. A delivery that
    fails after n earlier attempts waits up to `backoff · 2^n`, at most `most_backoff`; after `give_up` of trying it is
    dead. A paused destination is probed after `first_probe`, then after twice the time each, at most `most_probe`.
    `breaks` requests that broke in a row open the circuit; a batch that failed `halve_after` times while the circuit
    stayed closed is halved; `refused_alone` events refused alone in a row pause the destination.
    """

    timeout: timedelta = timedelta(seconds=10)
    lease: timedelta = timedelta(seconds=20)
    backoff: timedelta = timedelta(seconds=1)
    most_backoff: timedelta = timedelta(hours=1)
    most_retry_after: timedelta = MOST_RETRY_AFTER
    first_probe: timedelta = timedelta(seconds=5)
    most_probe: timedelta = timedelta(minutes=5)
    give_up: timedelta = timedelta(hours=72)
    breaks: int = 5
    halve_after: int = 5
    refused_alone: int = 20

    def __post_init__(self) -> None:
        if self.lease <= self.timeout:
            raise SettingsError("the lease of a claim must be longer than the request timeout; make it twice as long")


class RetryDecision(NamedTuple):
    """The result of an attempt: each delivery's new state, the destination's, and whether the attempt counts."""

    settled: list[DeliveryUpdate]
    destination_state: DestinationState
    counted: bool


def decide_retry(  # noqa: PLR0913  all that it may depend on, by name
    outcome: Outcome,
    sent: Sequence[Delivery],
    destination_state: DestinationState,
    *,
    status: int | None,
    now: datetime,
    jitter: float,
    policy: RetryPolicy,
) -> RetryDecision:
    """Decide about the deliveries that were `sent` in one request, given the destination's state before it.

    `status` is the answer's, None if there was none; `jitter` is in [0, 1). The deliveries of a batch that must wait
    are due together. An attempt made while the destination is paused is its probe. A 429, which is about the key and
    not the batch, holds the destination's other deliveries, too, MOST_HOLD at most.
    """
    decision = _decide_outcome(outcome, sent, destination_state, status=status, now=now, jitter=jitter, policy=policy)
    waits = [one.next_attempt_at for one in decision.settled if one.next_attempt_at is not None]
    if status != TOO_MANY or not waits:
        return decision
    before = destination_state.held_until
    held_until = min(*waits, _ceil_millisecond(now + MOST_HOLD))
    held_until = held_until if before is None else max(before, held_until)
    return decision._replace(destination_state=replace(decision.destination_state, held_until=held_until))


def _decide_outcome(  # noqa: PLR0911, PLR0913  one for each outcome; the same by name
    outcome: Outcome,
    sent: Sequence[Delivery],
    destination_state: DestinationState,
    *,
    status: int | None,
    now: datetime,
    jitter: float,
    policy: RetryPolicy,
) -> RetryDecision:
    match outcome:
        case Delivered():
            settled = [DeliveryUpdate(delivery.number, DeliveryState.DELIVERED, outcome.note) for delivery in sent]
            return RetryDecision(
                settled, replace(_resume_destination(destination_state, now), rejected=0), counted=True
            )
        case Rejected(reason):
            return _decide_rejected(reason, sent, destination_state, now, policy)
        case Retryable() if destination_state.paused is not None:
            paused = f"circuit open: {outcome.reason}" if outcome.breaks else destination_state.paused
            return _probe_failed(outcome, sent, replace(destination_state, paused=paused), now, policy)
        case Retryable():
            return _decide_retryable(
                outcome, sent, destination_state, status=status, now=now, jitter=jitter, policy=policy
            )
        case Misconfigured(reason) if destination_state.paused is not None:
            return _probe_failed(Retryable(reason), sent, replace(destination_state, paused=reason), now, policy)
        case Mixed(outcomes):
            return _decide_mixed(outcomes, sent, destination_state, now=now, jitter=jitter, policy=policy)
        case Misconfigured(reason):  # a 401, say: they stay pending, no attempt counts, and it is paused
            return RetryDecision(
                _due_again(sent, reason, now), _pause_destination(destination_state, reason, now, policy), counted=False
            )


def _decide_rejected(
    reason: str, sent: Sequence[Delivery], destination_state: DestinationState, now: datetime, policy: RetryPolicy
) -> RetryDecision:
    # so many were refused one after the other that the destination is paused for it
    hopeless = destination_state.rejected >= policy.refused_alone
    if len(sent) > 1:
        half = (len(sent) + 1) // 2
        settled = [structs.replace(one, together=half) for one in _due_again(sent, reason, now)]
        return RetryDecision(
            settled, destination_state if hopeless else _resume_destination(destination_state, now), counted=True
        )
    if hopeless:
        return _probe_failed(Retryable(reason), sent, destination_state, now, policy)
    refused = destination_state.rejected + 1
    after = replace(_resume_destination(destination_state, now), rejected=refused)
    if refused >= policy.refused_alone:
        after = _pause_destination(
            after, f"{refused} events in a row were refused alone; see its dead letters", now, policy
        )
    return RetryDecision(
        [DeliveryUpdate(delivery.number, DeliveryState.DEAD, reason) for delivery in sent], after, counted=True
    )


def _decide_mixed(  # noqa: PLR0913  the same by name
    outcomes: Sequence[Delivered | Rejected | Retryable | Resend],
    sent: Sequence[Delivery],
    destination_state: DestinationState,
    *,
    now: datetime,
    jitter: float,
    policy: RetryPolicy,
) -> RetryDecision:
    """Decide about each delivery by its own outcome. The destination answered as it should: it is no longer paused.

    Rejected ones count towards a pause only where the request had nothing that was taken.
    """
    settled = [
        _settle_alone(outcome, delivery, now=now, jitter=jitter, policy=policy)
        for outcome, delivery in zip(outcomes, sent, strict=True)
    ]
    rejected = sum(isinstance(outcome, Rejected) for outcome in outcomes)
    passed = any(isinstance(outcome, Delivered | Resend) for outcome in outcomes)
    after = replace(
        _resume_destination(destination_state, now),
        rejected=0 if passed else destination_state.rejected + rejected,
    )
    if after.rejected >= policy.refused_alone:
        told = f"{after.rejected} events in a row were refused; see its dead letters"
        after = _pause_destination(after, told, now, policy)
    return RetryDecision(settled, after, counted=True)


def _settle_alone(
    outcome: Delivered | Rejected | Retryable | Resend,
    delivery: Delivery,
    *,
    now: datetime,
    jitter: float,
    policy: RetryPolicy,
) -> DeliveryUpdate:
    match outcome:
        case Delivered():
            return DeliveryUpdate(delivery.number, DeliveryState.DELIVERED, outcome.note)
        case Rejected(reason):
            return DeliveryUpdate(delivery.number, DeliveryState.DEAD, reason)
        case Resend(reason):
            [again] = _due_again([delivery], reason, now)
            return structs.replace(again, counted=False)
        case Retryable(reason):
            at = _ceil_millisecond(now + _wait_time(outcome, [delivery], jitter, policy))
            [again] = _due_again([delivery], reason, at)
            return _given_up(again, reason, policy) if delivery.tried_for >= policy.give_up else again


def _decide_retryable(  # noqa: PLR0913  the same by name
    outcome: Retryable,
    sent: Sequence[Delivery],
    destination_state: DestinationState,
    *,
    status: int | None,
    now: datetime,
    jitter: float,
    policy: RetryPolicy,
) -> RetryDecision:
    failures = destination_state.failures + 1 if outcome.breaks else 0
    after = replace(destination_state, failures=failures)
    opens = failures >= policy.breaks
    if opens:
        after = _pause_destination(
            after, f"circuit open: {outcome.reason}", now, policy, wait=_requested_wait(outcome, policy)
        )
    again = _ceil_millisecond(now + _wait_time(outcome, sent, jitter, policy))
    settled = _due_again(sent, outcome.reason, again)
    if not opens and status is not None and status >= _ERROR and _should_halve(sent, policy):
        half = (len(sent) + 1) // 2
        settled = [structs.replace(one, together=half) for one in settled]
    over = {delivery.number for delivery in sent if delivery.tried_for >= policy.give_up}
    return RetryDecision(
        [_given_up(one, outcome.reason, policy) if one.number in over else one for one in settled], after, counted=True
    )


def _should_halve(sent: Sequence[Delivery], policy: RetryPolicy) -> bool:
    """Whether the batch has failed so often that one event in it is probably the cause.

    The circuit is still closed after `halve_after` failures, so other requests succeeded in between.
    """
    return len(sent) > 1 and min(delivery.attempts for delivery in sent) + 1 >= policy.halve_after


def _given_up(one: DeliveryUpdate, reason: str, policy: RetryPolicy) -> DeliveryUpdate:
    hours = policy.give_up / timedelta(hours=1)
    return DeliveryUpdate(one.number, DeliveryState.DEAD, f"given up after {hours:g} h of trying: {reason}")


def _wait_time(outcome: Retryable, sent: Sequence[Delivery], jitter: float, policy: RetryPolicy) -> timedelta:
    """Returns the time the upstream asked for, else full jitter over a doubling time; one for the whole batch.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    asked = _requested_wait(outcome, policy)
    if asked:
        return asked
    doublings = max(delivery.attempts for delivery in sent)
    return _double_time(policy.backoff, doublings, most=policy.most_backoff) * jitter


def _double_time(time: timedelta, doublings: int, *, most: timedelta) -> timedelta:
    return min(time * (1 << min(doublings, _MOST_DOUBLINGS)), most)


def _requested_wait(outcome: Retryable, policy: RetryPolicy) -> timedelta:
    """Returns the time the upstream asked for, zero if it did not; `Retry-After: 0` counts as not asked."""
    return max(timedelta(), min(outcome.retry_after or timedelta(), policy.most_retry_after))


# ------------------------------------------------------------------------------------------- the destination's state


def _pause_destination(
    destination_state: DestinationState,
    reason: str,
    now: datetime,
    policy: RetryPolicy,
    *,
    wait: timedelta = timedelta(),
) -> DestinationState:
    probe_at = _ceil_millisecond(now + max(policy.first_probe, min(wait, policy.most_probe)))
    return replace(destination_state, paused=reason, paused_at=now, probe_at=probe_at, probes=0, failures=0)


def _resume_destination(destination_state: DestinationState, now: datetime) -> DestinationState:
    """Returns the state after an answer as it should be: not paused, and no failures in a row."""
    if destination_state.paused is None:
        return replace(destination_state, failures=0)
    lasted = max(timedelta(), now - destination_state.paused_at) if destination_state.paused_at else timedelta()
    return replace(
        destination_state,
        paused=None,
        paused_at=None,
        probe_at=None,
        probes=0,
        failures=0,
        paused_for=destination_state.paused_for + lasted,
    )


def _probe_failed(
    outcome: Retryable,
    sent: Sequence[Delivery],
    destination_state: DestinationState,
    now: datetime,
    policy: RetryPolicy,
) -> RetryDecision:
    """Returns the decision to stay paused. What was sent is due with the next probe, behind all that was due before."""
    asked = _requested_wait(outcome, policy)
    probes = destination_state.probes + 1
    pause = _double_time(policy.first_probe, probes, most=policy.most_probe)
    probe_at = _ceil_millisecond(now + max(pause, min(asked, policy.most_probe)))
    after = replace(destination_state, probes=probes, probe_at=probe_at, failures=0)
    return RetryDecision(
        _due_again(sent, outcome.reason, max(probe_at, _ceil_millisecond(now + asked))), after, counted=False
    )


def _due_again(sent: Sequence[Delivery], reason: str, at: datetime) -> list[DeliveryUpdate]:
    return [
        DeliveryUpdate(delivery.number, DeliveryState.PENDING, reason, next_attempt_at=at, together=delivery.together)
        for delivery in sent
    ]


def _ceil_millisecond(at: datetime) -> datetime:
    """Round up to a whole millisecond: stores keep no finer time, and rounding down would send too early."""
    spare = timedelta(microseconds=at.microsecond % 1000)
    return at - spare + _MILLISECOND if spare else at
