"""Each told event of one order is numbered once, so that platforms take it as a conversion of its own."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace
from store_made import NOW, Tell, after, applied, claimed, event, order, routed, settled

from bridge.core.model import Route, Routed
from bridge.store.protocol import Store

TRACK = (Route("track"),)
A, B, C = b"a" * 16, b"b" * 16, b"c" * 16
ORDER = order("1001")


def payment_of(name: str, payment: bytes, of: bytes = ORDER) -> Routed:
    """A payment of an order, named by its own key."""
    one = replace(event(name, payment, of), dedupes=1, origin="source:stripe", mapping="stripe")
    return replace(routed(name), event=one)


async def paid(store: Store, name: str, payment: bytes) -> int:
    """A payment of order 1001; returns the number of its webhook."""
    return await settled(store, f"w-{name}", payment_of(name, payment), now=after(0))


async def numbers(store: Store, *, at: float) -> dict[str, int]:
    taken = await claimed(store, now=after(at))
    return {one.event_id: one.of_order for one in taken.deliveries}


def test_payments_of_one_order_are_numbered_as_they_are_told_and_a_duplicate_takes_no_number(tell: Tell) -> None:
    async def story(store: Store) -> None:
        for name, payment in (("deposit", A), ("again", A), ("balance", B), ("third", C)):
            await paid(store, name, payment)
        assert await numbers(store, at=5) == {"deposit": 1, "balance": 2, "third": 3}
        lease_over = timedelta(days=1) / timedelta(seconds=1)
        assert await numbers(store, at=lease_over) == {"deposit": 1, "balance": 2, "third": 3}

    tell(story)


def test_a_released_payment_of_a_told_order_is_numbered_too(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await paid(store, "deposit", A)
        await paid(store, "balance", A)
        [found] = (await (await applied(store)).find_duplicates(["balance"])).duplicates
        await store.release_duplicates([Routed(found.event, TRACK)], who="ann", now=NOW)
        await paid(store, "third", C)
        assert await numbers(store, at=5) == {"deposit": 1, "balance": 2, "third": 3}

    tell(story)


def test_an_unsent_payment_that_a_mended_mapping_gives_to_another_order_is_the_first_one_of_that(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await paid(store, "deposit", A)
        webhook = await paid(store, "balance", B)
        await store.remap_events(webhook, [payment_of("balance", B, order("1002"))], now=after(1))
        assert await numbers(store, at=5) == {"deposit": 1, "balance": 1}

    tell(story)
