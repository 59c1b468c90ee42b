"""What is told of the event that another follows: its delivery, the sum of those before, and what the platform said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from msgspec import structs
from store_made import FREELY, NOW, Tell, after, all_of, attempt, claimed, event, order

from bridge.core.delivery import DeliveryState, DeliveryUpdate, FollowedEvent
from bridge.core.model import Route, Routed
from bridge.store.protocol import ClaimedDeliveries, RetentionPolicy, Store

ORDER = order("1001")
ONE = replace(FREELY, limit=1, concurrency=2)
"""One delivery a claim, and two claims at a time."""


def purchase(name: str = "bought", *, goes: bool = True, skip: str | None = None) -> Routed:
    return Routed(event(name, ORDER), (Route("track", skip),) if goes else ())


def refund(name: str, value: str | None, *, of: bytes = ORDER) -> Routed:
    return Routed(event(name, event_type="refund", value=value), (Route("track", None, (of,)),))


async def accepted(store: Store, *given: Routed, at: float = 0) -> None:
    for one in given:
        await store.accept_events([one], now=after(at))


async def ended(
    store: Store, held: ClaimedDeliveries, state: DeliveryState, *, at: float = 0, reason: str | None = None
) -> None:
    again = after(at + 3600) if state is DeliveryState.PENDING else None
    updates = all_of(held, state, reason=reason, next_attempt_at=again)
    now = after(at)
    standing = await store.destination_state("track", now=now)
    assert await store.record_attempt(held, replace(attempt(at=now), destination="track"), updates, standing, now=now)


async def told(store: Store, held: ClaimedDeliveries, *, at: float) -> Mapping[str, FollowedEvent]:
    """What each follower of a claim is told, by its event's id."""
    found = await store.find_followed(held, [one.number for one in held.deliveries], now=after(at))
    return {one.event_id: found[one.number] for one in held.deliveries if one.number in found}


async def bought(store: Store, *, note: str | None = None) -> None:
    """A purchase of 19.90 EUR that was delivered."""
    await accepted(store, purchase())
    await ended(store, await claimed(store), DeliveryState.DELIVERED, reason=note)


def test_a_refund_is_told_how_its_purchase_was_delivered_and_its_value(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await bought(store, note="request-1")
        await accepted(store, refund("back", "4.9"))
        [one] = (await told(store, await claimed(store, now=after(1)), at=1)).values()
        assert (one.event_type, one.state, one.note, one.verdict) == ("purchase", "delivered", "request-1", None)
        assert (one.value, one.currency, one.own_value, one.own_currency) == ("19.90", "EUR", "4.9", "EUR")
        assert (one.told, one.is_busy, one.of_order, one.delivered_at) == (Decimal(0), False, 1, NOW)

    tell(story)


def test_a_purchase_that_is_pending_skipped_dead_or_never_went_there_is_told_as_such(tell: Tell) -> None:
    async def story(store: Store) -> None:
        states = {}
        for number, (given, end) in enumerate((
            (True, DeliveryState.PENDING), (True, DeliveryState.DEAD), (True, DeliveryState.SKIPPED), (False, None),
        )):  # fmt: skip
            key, at = order(str(number)), number * 10
            made = event(f"bought-{number}", key)
            await accepted(store, Routed(made, (Route("track"),) if given else ()), at=at)
            if end is not None:
                await ended(store, await claimed(store, now=after(at + 1)), end, at=at + 1)
            await accepted(store, refund(f"back-{number}", "1", of=key), at=at + 2)
            held = await claimed(store, now=after(at + 3))
            [one] = (await told(store, held, at=at + 3)).values()
            states[number] = one.state
            await ended(store, held, DeliveryState.SKIPPED, at=at + 3)
        await accepted(store, refund("back-of-nothing", "1", of=order("never told")), at=50)
        [nothing] = (await told(store, await claimed(store, now=after(51)), at=51)).values()
        assert states == {0: "pending", 1: "dead", 2: "skipped", 3: None}
        assert nothing == FollowedEvent(own_value="1", own_currency="EUR", since=after(50))

    tell(story)


def test_what_was_delivered_before_is_summed_exactly_and_what_was_not_is_left_out(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await bought(store)
        ends = (DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.DELIVERED, DeliveryState.PENDING)
        for number, (value, end) in enumerate(zip(("0.1", "5", "0.2", "7"), ends, strict=True), 1):
            await accepted(store, refund(f"back-{number}", value), at=number * 10)
            await ended(store, await claimed(store, now=after(number * 10)), end, at=number * 10)
        await accepted(store, refund("last", "1"), at=100)
        [one] = (await told(store, await claimed(store, now=after(101)), at=101)).values()
        assert one.told == Decimal("0.3")

    tell(story)


def test_of_two_refunds_of_an_order_that_are_claimed_together_the_second_is_told_to_wait(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await bought(store)
        await accepted(store, refund("first", "1"), refund("second", "2"), at=1)
        busy = {
            name: one.is_busy for name, one in (await told(store, await claimed(store, now=after(2)), at=2)).items()
        }
        assert busy == {"first": False, "second": True}

    tell(story)


def test_of_two_claims_the_later_one_is_told_to_wait_until_the_other_is_recorded(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await bought(store)
        await accepted(store, refund("first", "1"), refund("second", "2"), at=1)
        earlier = await claimed(store, now=after(2), pacing=ONE)
        later = await claimed(store, now=after(2), pacing=ONE)
        assert [one.is_busy for one in (await told(store, earlier, at=2)).values()] == [False]
        assert [one.is_busy for one in (await told(store, later, at=2)).values()] == [True]
        await ended(store, earlier, DeliveryState.DELIVERED, at=3)
        [one] = (await told(store, later, at=3)).values()
        assert (one.is_busy, one.told) == (False, Decimal(1))

    tell(story)


def test_a_second_payment_of_the_order_is_counted(tell: Tell) -> None:
    async def story(store: Store) -> None:
        for name, key in (("deposit", b"a" * 16), ("balance", b"b" * 16)):
            made = structs.replace(event(name, key, ORDER), dedupes=1, mapping="stripe", origin="source:stripe")
            await accepted(store, Routed(made, (Route("track"),)))
        await ended(store, await claimed(store), DeliveryState.DELIVERED)
        await accepted(store, refund("back", "1"), at=1)
        [one] = (await told(store, await claimed(store, now=after(2)), at=2)).values()
        assert one.of_order == 2

    tell(story)


def test_a_verdict_holds_for_every_refund_of_the_order_as_long_as_its_purchase_has_that_request(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await bought(store, note="request-1")
        for number, note, verdict in ((1, "request-0", "refused"), (2, "request-1", "")):
            await accepted(store, refund(f"back-{number}", "1"), at=number * 10)
            held = await claimed(store, now=after(number * 10))
            [one] = (await told(store, held, at=number * 10)).values()
            assert one.verdict is None
            await store.keep_verdict("track", [held.deliveries[0].number], note=note, verdict=verdict)
            await ended(store, held, DeliveryState.DELIVERED, at=number * 10)
        await accepted(store, refund("last", "1"), at=100)
        [one] = (await told(store, await claimed(store, now=after(101)), at=101)).values()
        assert one.verdict == ""

    tell(story)


def test_a_delivery_that_waited_without_a_request_has_not_been_tried_yet(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, refund("back", "1"))
        held = await claimed(store)
        waits = DeliveryUpdate(held.deliveries[0].number, DeliveryState.PENDING, "its purchase", after(3600))
        unsent = replace(attempt(status=None, counted=False), outcome="unsent")
        assert await store.record_attempt(held, unsent, [waits], held.destination_state, now=NOW)
        again = await claimed(store, now=after(3600))
        assert [(one.attempts, one.tried_for) for one in again.deliveries] == [(0, timedelta())]

    tell(story)


def test_what_was_purged_is_not_followed_any_more(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await bought(store)
        day = timedelta(days=1) / timedelta(seconds=1)
        await accepted(store, refund("back", "1"), at=100 * day)
        purging = RetentionPolicy(bodies=timedelta(days=1), events=timedelta(days=30), ledger=timedelta(days=400))
        while (await store.purge(purging, now=after(100 * day), limit=100)).more:
            pass
        [one] = (await told(store, await claimed(store, now=after(100 * day)), at=100 * day)).values()
        assert one.state is None

    tell(story)
