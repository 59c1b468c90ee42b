"""One sender of a destination: claim, send, decide, record, one request at a time.

No error ends it: it waits for a store that is unavailable, and after a fault the lease makes the deliveries due again.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from bridge.core import log
from bridge.core.delivery import (
    Attempt,
    Delivered,
    Delivery,
    DeliveryState,
    DeliveryUpdate,
    Misconfigured,
    Mixed,
    Outcome,
    Outgoing,
    Rejected,
    Resend,
    Response,
    Retryable,
    Unsent,
)
from bridge.core.errors import StoreUnavailable
from bridge.core.heartbeat import Heartbeat, Ticks
from bridge.destinations.answer_words import status_text
from bridge.destinations.protocol import Destination
from bridge.pipeline.access_tokens import AccessTokens, TokenRefused
from bridge.pipeline.claim_lease import LEASE_OVER, ClaimLease, LeaseOverError
from bridge.pipeline.follow_orders import FollowedOrders
from bridge.pipeline.http_client import Send
from bridge.pipeline.kept_answer import clean_outcome, kept_answer, remove_request_key
from bridge.pipeline.retry_policy import RetryDecision, RetryPolicy, decide_retry
from bridge.store.protocol import ClaimedDeliveries, DestinationState, Pacing, Store

MANY = 50
"""Deliveries from which on a costly request is made in a thread: the other senders would wait for it."""
MOST_SPACING = timedelta(minutes=1)
"""Longest time between two requests, at a rate of one a minute; what waits longer waits since a clock was set back."""
EMPTY_CLAIM_DELAY = timedelta(milliseconds=20)
"""Shortest time between two claims that found nothing, however often the sender is notified."""
CLAIM_CONTENTION_DELAY = timedelta(milliseconds=100)
"""Time between two claims if deliveries are due but may not be claimed yet, as others claim them."""
BACKLOG = timedelta(minutes=5)
"""How old the oldest due delivery must be for newer ones to overtake it."""
NEWEST_EVERY = 5
"""While a backlog drains, every fifth request takes the newest deliveries."""
_MILLISECOND = timedelta(milliseconds=1)


class AttemptMetrics(Protocol):
    """Counts attempts: `outcome` is delivered, refused, later or pause."""

    def count_attempt(self, destination: str, outcome: str, *, seconds: float) -> None:
        """One request to a destination ended."""
        ...


@dataclass(frozen=True, slots=True)
class SenderDeps:
    """The store, the clock and whatever else all senders share.

    `ticks` are those of heartbeats; `uptime` goes on while the machine is suspended.
    """

    store: Store
    clock: Callable[[], datetime]
    ticks: Ticks
    uptime: Ticks
    sleep: Callable[[float], Awaitable[None]]
    jitter: Callable[[], float]
    metrics: AttemptMetrics
    policy: RetryPolicy
    idle: timedelta
    seldom: log.RateLimitedLog


class Sender:
    """Sends one request at a time to a destination, whose senders share `tokens`."""

    def __init__(self, destination: Destination, world: SenderDeps, tokens: AccessTokens) -> None:
        self.destination = destination.name
        self._destination = destination
        self._world = world
        self._tokens = tokens
        self._followed = FollowedOrders(destination, world.store, tokens, world.clock)
        self._wake = asyncio.Event()
        self._stopping = False
        self._not_before = world.clock()
        self._requests = 0
        self.heartbeat = Heartbeat(world.ticks)

    def notify(self) -> None:
        """Wake the sender: there may be something to deliver."""
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when the request under way is recorded."""
        self._stopping = True
        self._wake.set()

    async def run(self, send: Send) -> None:
        """Claim, send and record until stopped."""
        while not self._stopping:
            try:
                await self._run_round(send)
            except StoreUnavailable as error:
                self._handle_unavailable(error)
                await self._sleep_or_notified(self._world.idle)
            except Exception as error:  # noqa: BLE001  a fault of ours must not end the sender; the lease makes it due again
                self._handle_fault(error)
                self.heartbeat.record_failure()
                await self._sleep_or_notified(self._world.idle)

    async def _run_round(self, send: Send) -> None:
        held = self._not_before - self._world.clock()
        if timedelta() < held <= MOST_SPACING:  # beyond, the clock was set back
            await self._sleep_or_notified(min(held, self._world.idle))
            self.heartbeat.record_wait()
            return
        self._wake.clear()
        if self._stopping:
            return
        lease = ClaimLease(self._world.uptime, self._world.policy)
        claimed = await self._claim_deliveries()
        if claimed is None:
            await self._wait_for_work()
        else:
            try:
                await self._make_attempt(claimed, lease.guard(send))
            except LeaseOverError:
                await self._give_back(claimed)
        self.heartbeat.record_success()

    async def _claim_deliveries(self) -> ClaimedDeliveries | None:
        destination, now = self._destination, self._world.clock()
        spacing = _request_spacing(destination.rate)
        beyond = BACKLOG if self._requests % NEWEST_EVERY == NEWEST_EVERY - 1 else None
        pacing = Pacing(
            destination.batch, destination.concurrency, spacing, self._world.policy.lease, newest_beyond=beyond
        )
        claimed = await self._world.store.claim_deliveries(destination.name, now=now, pacing=pacing)
        if claimed is not None:
            self._not_before = now + spacing
            self._requests += 1
        return claimed

    # -- one request

    async def _make_attempt(self, claimed: ClaimedDeliveries, send: Send) -> None:
        """Send the first request; the deliveries not in it are released when the attempt is recorded."""
        found = await self._followed.find_followed(claimed, send)
        outgoing = found if isinstance(found, Unsent) else (await self._make_requests(found))[0]
        if isinstance(outgoing, Unsent):
            await self._record_unsent(claimed, outgoing)
            return
        started_at = self._world.clock()
        response, outgoing, refused = await self._send_request(outgoing, send)
        ended_at = self._world.clock()
        answered = refused or self._read_answer(response, sent=len(outgoing.deliveries), now=ended_at)
        outcome = clean_outcome(answered, outgoing)
        attempt = Attempt(
            destination=self._destination.name,
            started_at=started_at,
            took=max(timedelta(), ended_at - started_at),
            status=response.status,
            outcome=_outcome_word(outcome),
            answer=kept_answer(response, outgoing),
            ambiguous=response.status is None and response.sent,
            made_by=outgoing.made_by,
        )
        before, decision = await self._record_attempt(claimed, outgoing.deliveries, outcome, attempt, ended_at)
        self._log_attempt(replace(attempt, counted=decision.counted), outgoing.deliveries, before, decision, ended_at)

    async def _make_requests(self, deliveries: Sequence[Delivery]) -> Sequence[Outgoing | Unsent]:
        make, now = self._destination.make_requests, self._world.clock()
        if self._destination.is_costly and len(deliveries) > MANY:
            return await asyncio.to_thread(make, deliveries, now=now)
        return make(deliveries, now=now)

    async def _give_back(self, claimed: ClaimedDeliveries) -> None:
        """Record that nothing was sent; what the claim still holds is due at once."""
        now = self._world.clock()
        updates = tuple(
            DeliveryUpdate(one.number, DeliveryState.PENDING, LEASE_OVER, next_attempt_at=now, together=one.together)
            for one in claimed.deliveries
        )
        await self._record_unsent(claimed, Unsent(claimed.deliveries, updates), answer=LEASE_OVER)

    async def _record_unsent(self, claimed: ClaimedDeliveries, unsent: Unsent, *, answer: str = "") -> None:
        """Record what becomes of deliveries without a request; the destination's state stays as it was."""
        now = self._world.clock()
        states = {update.state for update in unsent.updates}
        outcome = "skipped" if states == {DeliveryState.SKIPPED} else "unsent"
        attempt = Attempt(self._destination.name, now, timedelta(), None, outcome, answer, counted=False)
        store, state = self._world.store, claimed.destination_state
        while True:
            try:
                if await store.record_attempt(claimed, attempt, unsent.updates, state, now=now):
                    break
                state = await store.destination_state(self._destination.name, now=now)
            except StoreUnavailable as error:
                self._handle_unavailable(error)
                await self._sleep_or_notified(self._world.idle)
        self._not_before = now  # no request was made, so the next one need not wait
        name = self._destination.name
        log.log_line(
            "delivery.unsent", deliveries=_format_ids(unsent.deliveries), destination=name, count=len(unsent.updates),
            outcome=outcome, why=answer or None,
        )  # fmt: skip

    async def _send_request(
        self, outgoing: Outgoing, send: Send
    ) -> tuple[Response, Outgoing, Misconfigured | Retryable | None]:
        """The answer, the request that got it, and why there was none for want of a token."""
        try:
            if outgoing.token_source is not None:
                response, outgoing = await self._tokens.send_with_token(outgoing, outgoing.token_source, send)
            else:
                response = await send(outgoing)
        except TokenRefused as error:
            return Response(None, failure=error.outcome.reason), outgoing, error.outcome
        except LeaseOverError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a sender does, the attempt is recorded
            self._handle_fault(error)
            response = Response(None, failure=f"a fault of trackbridge: {type(error).__name__}", sent=True)
        return remove_request_key(response, outgoing), outgoing, None

    def _read_answer(self, response: Response, *, sent: int, now: datetime) -> Outcome:
        try:
            return self._destination.read_response(response, sent=sent, now=now)
        except Exception as error:  # noqa: BLE001  an answer that cannot be read must not be asked for without end
            self._handle_fault(error)
            return Retryable(f"a fault of trackbridge: {type(error).__name__}", breaks=True)

    async def _record_attempt(
        self, claimed: ClaimedDeliveries, sent: Sequence[Delivery], outcome: Outcome, attempt: Attempt, now: datetime
    ) -> tuple[DestinationState, RetryDecision]:
        """Record the attempt, retrying while the store is unavailable: an unrecorded request would be made twice."""
        jitter, policy = self._world.jitter(), self._world.policy
        store, state = self._world.store, claimed.destination_state
        while True:
            decision = decide_retry(outcome, sent, state, status=attempt.status, now=now, jitter=jitter, policy=policy)
            counted = replace(attempt, counted=decision.counted)
            try:
                if await store.record_attempt(claimed, counted, decision.settled, decision.destination_state, now=now):
                    return state, decision
                state = await store.destination_state(self._destination.name, now=now)  # another sender has changed it
            except StoreUnavailable as error:
                self._handle_unavailable(error)
                await self._sleep_or_notified(self._world.idle)

    # -- waiting

    async def _wait_for_work(self) -> None:
        """Wait until something is due or this sender is notified; not longer than the idle time."""
        await self._sleep_or_notified(EMPTY_CLAIM_DELAY)
        now = self._world.clock()
        due = await self._world.store.next_due(self._destination.name, now=now)
        left = self._world.idle if due is None else min(self._world.idle, due - now)
        if left <= timedelta():
            await self._sleep_or_notified(CLAIM_CONTENTION_DELAY)
            return
        sleeping = asyncio.ensure_future(self._sleep_or_notified(left))
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()

    async def _sleep_or_notified(self, time: timedelta) -> None:
        await self._world.sleep(time.total_seconds())

    # -- logging

    def _handle_unavailable(self, error: StoreUnavailable) -> None:
        self.heartbeat.record_failure()
        self._world.seldom.warn(
            "deliver.waits", now=self._world.clock(), destination=self._destination.name, why=str(error)
        )

    def _handle_fault(self, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{frames[-1].name}:{frames[-1].lineno}" if frames else None
        self._world.seldom.warn(
            "deliver.fault",
            now=self._world.clock(),
            destination=self._destination.name,
            error=type(error).__name__,
            place=place,
        )

    def _log_attempt(
        self,
        attempt: Attempt,
        sent: Sequence[Delivery],
        before: DestinationState,
        decision: RetryDecision,
        now: datetime,
    ) -> None:
        name, after, again = self._destination.name, decision.destination_state, _next_attempt(decision.settled)
        dead = [one for one in decision.settled if one.state is DeliveryState.DEAD]
        log.log_line(
            "delivery.attempted", deliveries=_format_ids(sent), destination=name, count=len(sent),
            number=max(delivery.attempts for delivery in sent) + 1, outcome=attempt.outcome, status=attempt.status,
            why=attempt.answer if attempt.status is None else None, ms=attempt.took / _MILLISECOND,
            wait=_seconds_until(again, now),
            counted=None if attempt.counted else "no", ambiguous=attempt.ambiguous or None, dead=len(dead) or None,
        )  # fmt: skip
        if dead:
            self._warn_of_dead(dead, attempt, now)
        if after.paused is not None and before.paused is None:
            self._warn_of_pause(after, attempt, now)
        elif after.paused is None and before.paused is not None:
            paused_for = after.paused_for - before.paused_for
            log.log_line("destination.resumed", destination=name, seconds=paused_for.total_seconds())
        self._world.metrics.count_attempt(name, attempt.outcome, seconds=attempt.took.total_seconds())

    def _warn_of_pause(self, after: DestinationState, attempt: Attempt, now: datetime) -> None:
        """Warn of a pause; the upstream's own words are in the store, as for dead letters."""
        name, why = self._destination.name, after.paused
        mend = None
        if self._destination.quotes_answers and attempt.status is not None and attempt.outcome != "refused":
            why, mend = status_text(attempt.status), "see trackbridge status"
        log.log_warning(
            "destination.paused", destination=name, why=why, probe_in=_seconds_until(after.probe_at, now), mend=mend
        )

    def _warn_of_dead(self, dead: Sequence[DeliveryUpdate], attempt: Attempt, now: datetime) -> None:
        """Warn of dead letters; the destination's words are in the store, as they may hold personal data."""
        self._world.seldom.warn(
            "delivery.dead", now=now, count=len(dead), destination=self._destination.name, deliveries=_format_ids(dead),
            reason="refused" if attempt.outcome == "refused" else "given_up", status=attempt.status,
            mend=f"see trackbridge show dlv_{dead[0].number}; once it is mended, trackbridge retry --all-dead",
        )  # fmt: skip


def _request_spacing(rate: int) -> timedelta:
    """Returns the time between two requests of `rate` a minute, rounded up to milliseconds."""
    return timedelta(milliseconds=-(-60_000 // rate)) if rate else timedelta()


def _outcome_word(outcome: Outcome | Resend) -> str:
    match outcome:
        case Delivered():
            return "delivered"
        case Rejected():
            return "refused"
        case Retryable():
            return "later"
        case Misconfigured():
            return "pause"
        case Mixed(outcomes):
            return _outcome_word(Delivered() if any(isinstance(one, Delivered) for one in outcomes) else outcomes[0])
        case Resend():
            return "later"


def _next_attempt(settled: Sequence[DeliveryUpdate]) -> datetime | None:
    return min((one.next_attempt_at for one in settled if one.next_attempt_at is not None), default=None)


def _seconds_until(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else max(0.0, (at - now).total_seconds())


def _format_ids(sent: Sequence[Delivery | DeliveryUpdate]) -> str:
    """Returns the public ids, runs of them as first..last, so that a batch's line stays readable."""
    return ",".join(f"dlv_{a}" if a == b else f"dlv_{a}..dlv_{b}" for a, b in _consecutive_runs(sent))


def _consecutive_runs(sent: Sequence[Delivery | DeliveryUpdate]) -> Iterator[tuple[int, int]]:
    numbers = sorted(delivery.number for delivery in sent)
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
