"""An event is written over while its delivery may be anywhere: whoever has the old text, the new one goes out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from msgspec import structs
from store_made import (
    FREELY,
    LEASE,
    NOW,
    Opener,
    Tell,
    after,
    all_of,
    attempt,
    claimed,
    delivery,
    event,
    nothing_to_claim,
    order,
    routed,
    settled,
    states,
)

from bridge.core.delivery import DeliveryState
from bridge.core.model import Route, Routed
from bridge.store.protocol import ClaimedDeliveries, RowFilter, Store

ORIGIN = "source:shopify"
WIDE = replace(FREELY, concurrency=9)
NEW = b'{"event_id":"evt_1","new":true}'


async def made(store: Store, *names: str) -> int:
    """A webhook that made these events; its number."""
    return await settled(store, "a", *(routed(name, origin=ORIGIN) for name in names))


async def revised(store: Store, webhook: int, *names: str, at: float = 1) -> int:
    """Its events say something new."""
    new = [
        Routed(
            structs.replace(event(name, origin=ORIGIN), text=b'{"event_id":"%s","new":true}' % name.encode()),
            (Route("track"),),
        )
        for name in names
    ]
    return await store.rewrite_events(webhook, new, now=after(at))


async def ended(store: Store, found: ClaimedDeliveries, state: DeliveryState, *, at: float, wait: float = 0) -> None:
    how = {"next_attempt_at": after(at + wait)} if state is DeliveryState.PENDING else {"reason": "400 no"}
    ends = all_of(found, state, **(how if state is not DeliveryState.DELIVERED else {}))
    await store.record_attempt(found, attempt(at=after(at)), ends, found.destination_state, now=after(at))


def texts(found: ClaimedDeliveries) -> Sequence[bytes]:
    return [one.text for one in found.deliveries]


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DEAD])
def test_one_under_way_is_due_again_with_its_new_text_once_its_attempt_is_recorded(
    tell: Tell, state: DeliveryState
) -> None:
    async def story(store: Store) -> None:
        number = await made(store, "evt_1")
        old = await claimed(store)
        assert await revised(store, number, "evt_1") == 1
        assert await nothing_to_claim(store, now=after(2), pacing=WIDE)
        await ended(store, old, state, at=3)
        again = await claimed(store, now=after(3))
        assert (texts(again), again.deliveries[0].attempts) == ([NEW], 1)
        await ended(store, again, state, at=4)
        assert await states(store) == {"evt_1": state}
        assert await nothing_to_claim(store, now=after(99), pacing=WIDE)

    tell(story)


def test_one_under_way_that_must_wait_waits_and_goes_out_new(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await made(store, "evt_1")
        old = await claimed(store)
        await revised(store, number, "evt_1")
        await ended(store, old, DeliveryState.PENDING, at=3, wait=30)
        assert await nothing_to_claim(store, now=after(32))
        assert texts(await claimed(store, now=after(33))) == [NEW]

    tell(story)


def test_one_that_was_claimed_and_not_sent_goes_out_new_and_once(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await made(store, "evt_1")
        old = await claimed(store)
        await revised(store, number, "evt_1")
        await store.record_attempt(old, attempt(at=after(3)), [], old.destination_state, now=after(3))
        again = await claimed(store, now=after(3))
        assert texts(again) == [NEW]
        await ended(store, again, DeliveryState.DELIVERED, at=4)
        assert await states(store) == {"evt_1": "delivered"}

    tell(story)


def test_an_attempt_with_the_old_text_that_ends_after_its_lease_does_not_settle_the_new_one(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await made(store, "evt_1")
        old = await claimed(store)
        over = LEASE.total_seconds() + 1
        assert await revised(store, number, "evt_1", at=over) == 1
        await ended(store, old, DeliveryState.DELIVERED, at=over + 1)
        assert await states(store) == {"evt_1": "pending"}
        again = await claimed(store, now=after(over + 1))
        await ended(store, old, DeliveryState.DELIVERED, at=over + 2)
        assert texts(again) == [NEW]
        await ended(store, again, DeliveryState.PENDING, at=over + 3)
        assert texts(await claimed(store, now=after(over + 3))) == [NEW]

    tell(story)


def test_an_old_text_that_was_taken_does_not_make_the_new_one_delivered_that_was_not(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await made(store, "evt_1")
        old = await claimed(store)
        over = LEASE.total_seconds() + 1
        await revised(store, number, "evt_1", at=over)
        again = await claimed(store, now=after(over))
        assert texts(again) == [NEW]
        await ended(store, again, DeliveryState.DEAD, at=over + 1)
        await ended(store, old, DeliveryState.DELIVERED, at=over + 2)
        assert await states(store) == {"evt_1": "dead"}

    tell(story)


def test_only_what_is_revised_is_sent_again(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await made(store, "evt_1", "evt_2")
        old = await claimed(store)
        await revised(store, number, "evt_1")
        await ended(store, old, DeliveryState.DELIVERED, at=3)
        assert await states(store) == {"evt_1": "pending", "evt_2": "delivered"}

    tell(story)


def test_one_that_is_done_or_waits_is_due_at_once_and_starts_anew(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await made(store, "evt_1")
        first = await claimed(store)
        await ended(store, first, DeliveryState.DELIVERED, at=1)
        assert await revised(store, number, "evt_1", at=2) == 1
        again = await claimed(store, now=after(2))
        await ended(store, again, DeliveryState.DELIVERED, at=3)
        row = await delivery(store, "evt_1")
        assert (row.state, row.attempts) == ("delivered", 2)

    tell(story)


def test_another_processes_claim_is_seen(opener: Opener) -> None:
    async def story() -> None:
        sending, by_hand = opener(), opener()
        number = await made(sending, "evt_1")
        old = await claimed(sending)
        assert await revised(by_hand, number, "evt_1") == 1
        await ended(sending, old, DeliveryState.DELIVERED, at=3)
        assert texts(await claimed(sending, now=after(3))) == [NEW]
        for store in (sending, by_hand):
            await store.close()

    asyncio.run(story())


def test_an_event_that_is_new_and_a_duplicate_is_kept_and_not_counted_as_due(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_9", order("7"))], now=NOW)
        number = await made(store, "evt_1")
        new = [
            Routed(event("evt_1", origin=ORIGIN), ()),
            Routed(event("evt_2", order("7"), origin=ORIGIN), (Route("track"),)),
        ]
        assert await store.rewrite_events(number, new, now=after(1)) == 0
        [newest, *_] = await store.events(RowFilter())
        assert (newest.id, newest.duplicate_of) == ("evt_2", "evt_9")

    tell(story)
