"""A key belongs to another one, as a payment does to an invoice: what is told late under the other is a duplicate."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from store_made import NOW, TRACK, Opener, Tell, after, applied, claim_rows, complete, event, keep, settled, webhook

from bridge.core.conversions import LedgerEffects
from bridge.core.model import Ignored, Routed
from bridge.store.protocol import Outcome, RowFilter, Store

PAYMENT, SECOND, INVOICE = b"p" * 16, b"s" * 16, b"i" * 16
RANKS = {PAYMENT: 20, SECOND: 20, INVOICE: 30}


def told(name: str, key: bytes, *, rank: int | None = None) -> Routed:
    """What a webhook of a payment, or the richer one of its invoice, tells."""
    one = replace(event(name, key), dedupes=1, origin="source:stripe", mapping="stripe")
    return Routed(replace(one, rank=RANKS[key] if rank is None else rank), TRACK)


async def tell_one(store: Store, name: str, key: bytes, *, at: float) -> int:
    return await settled(store, f"w-{name}", told(name, key), now=after(at))


async def link(store: Store, key: bytes, *, at: float, invoice: bytes = INVOICE) -> None:
    """A webhook says that the payment is of the invoice."""
    name = f"link-{key.hex()}"
    await keep(store, webhook(name, at=after(at)))
    [mine] = [one for one in await claim_rows(store, now=after(at)) if one.id == name]
    await complete(store, [Outcome(mine, Ignored("a link"), LedgerEffects(aliases=((key, invoice),)))], now=after(at))


async def originals(store: Store) -> dict[str, str | None]:
    """The events by id, each with the one that it repeats."""
    return {row.id: row.duplicate_of for row in await (await applied(store)).events(RowFilter())}


@pytest.mark.parametrize("is_linked_first", [True, False])
def test_an_invoice_that_is_told_after_its_payment_repeats_that(tell: Tell, *, is_linked_first: bool) -> None:
    async def story(store: Store) -> None:
        if is_linked_first:
            await link(store, PAYMENT, at=1)
        await tell_one(store, "payment", PAYMENT, at=2)
        if not is_linked_first:
            await link(store, PAYMENT, at=3)
        await tell_one(store, "invoice", INVOICE, at=4)
        await tell_one(store, "invoice again", INVOICE, at=5)
        assert await originals(store) == {"payment": None, "invoice": "payment", "invoice again": "payment"}

    tell(story)


def test_a_payment_that_is_told_after_its_invoice_repeats_that(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await link(store, PAYMENT, at=1)
        await tell_one(store, "invoice", INVOICE, at=2)
        await tell_one(store, "payment", PAYMENT, at=3)
        assert await originals(store) == {"invoice": None, "payment": "invoice"}

    tell(story)


def test_two_payments_of_one_invoice_are_two_also_when_the_invoice_repeated_the_first(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await link(store, PAYMENT, at=1)
        await link(store, SECOND, at=1)
        await tell_one(store, "payment", PAYMENT, at=2)
        await tell_one(store, "invoice", INVOICE, at=3)
        assert await store.recall_events([SECOND]) == {}
        await tell_one(store, "second", SECOND, at=4)
        assert await originals(store) == {"payment": None, "invoice": "payment", "second": None}

    tell(story)


def test_without_a_link_or_between_webhooks_of_one_rank_nothing_is_repeated(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await link(store, SECOND, at=1)
        await tell_one(store, "payment", PAYMENT, at=2)
        await tell_one(store, "second", SECOND, at=3)
        await settled(store, "w-as-rich", told("as rich", INVOICE, rank=20), now=after(4))
        assert await originals(store) == {"payment": None, "second": None, "as rich": None}

    tell(story)


def test_a_replay_of_an_invoice_that_repeats_its_payment_changes_nothing(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await link(store, PAYMENT, at=1)
        await tell_one(store, "payment", PAYMENT, at=2)
        invoice = await tell_one(store, "invoice", INVOICE, at=3)
        assert await store.remap_events(invoice, [told("invoice", INVOICE)], now=after(4)) == ()
        await link(store, SECOND, at=5)
        await tell_one(store, "second", SECOND, at=6)
        assert await originals(store) == {"payment": None, "invoice": "payment", "second": None}

    tell(story)


@pytest.mark.parametrize("is_linked_first", [True, False])
def test_two_stores_that_tell_both_at_once_tell_one_of_them(opener: Opener, *, is_linked_first: bool) -> None:
    async def story(one: Store, other: Store) -> None:
        for number in range(15):
            payment, invoice = b"p%15d" % number, b"i%15d" % number
            if is_linked_first:
                await link(one, payment, at=number, invoice=invoice)
            told_payment = one.accept_events([told(f"payment {number}", payment, rank=20)], now=NOW)
            if is_linked_first:
                told_invoice = other.accept_events([told(f"invoice {number}", invoice, rank=30)], now=NOW)
                await asyncio.gather(told_payment, told_invoice)
            else:
                await asyncio.gather(told_payment, link(other, payment, at=number, invoice=invoice))
                await other.accept_events([told(f"invoice {number}", invoice, rank=30)], now=NOW)
        assert list((await originals(one)).values()).count(None) == 15

    async def whole() -> None:
        stores = [opener() for _ in range(2)]
        await story(*stores)
        for store in stores:
            await store.close()

    asyncio.run(whole())
