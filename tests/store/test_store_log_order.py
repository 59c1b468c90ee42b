"""A wait ends when all that was received before its end has been looked at, in whatever order it was kept."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from store_made import LEASE, SECOND, Tell, after, complete, keep, order, webhook

from bridge.core.model import EventNeeded, Ignored
from bridge.store.protocol import Outcome, Store


async def looked_at(store: Store, *, at: float) -> list[str]:
    """Have all that is to be claimed ignored, one by one; returns the names in that order."""
    names: list[str] = []
    while (batch := await store.claim_batch(now=after(at), limit=1, lease=LEASE)).webhooks:
        names += [one.id for one in batch.webhooks]
        await store.complete_batch(batch, [Outcome(one, Ignored("no")) for one in batch.webhooks], now=after(at))
    return names


@pytest.mark.parametrize("step", [10, 29])
def test_a_wait_does_not_end_before_a_webhook_is_looked_at_that_was_kept_after_the_clock_was_set_back(
    tell: Tell, step: float
) -> None:
    async def story(store: Store) -> None:
        refund = webhook("refund", b"r" * 16)
        [kept] = await keep(store, refund)
        waits = EventNeeded((order("1"),), "purchase", after(0) + 30 * SECOND)
        await complete(store, [Outcome(replace(refund, number=kept.number), waits)], now=after(0))
        for name, at in (("first", 60.0), ("second", 60.0), ("sale", step)):
            await store.keep([webhook(name, name.encode() * 16, at=after(at))])
        assert await looked_at(store, at=60) == ["first", "second", "sale", "refund"]

    tell(story)
