"""Whether what was answered 200 is there: in the store, through its own promise, and at the sink.

Not concerned with how fast it came there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Coroutine
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from load import Seen
from servers import Sink
from wrong import hold

from bridge.store.engines import open_store
from bridge.store.protocol import RowFilter, Store

T = TypeVar("T")
PAGE = 1000


def asked(folder: Path, question: Callable[[Store], Coroutine[None, None, T]]) -> T:
    """What the folder's store answers to a question."""

    async def story() -> T:
        store = open_store(f"sqlite:///{folder / 'trackbridge.db'}")
        try:
            return await question(store)
        finally:
            await store.close()

    return asyncio.run(story())


def webhooks_kept(folder: Path, *seen: Seen) -> None:
    """Every webhook that was answered 200 is in the store, once, whole, and none that nobody sent."""

    async def numbers(store: Store) -> Counter[int]:
        found: Counter[int] = Counter()
        after = 0
        now = datetime.now(UTC)
        while (await store.state_counts()).unapplied:
            await store.split_batch(await store.claim_batch(now=now, limit=PAGE, lease=timedelta()), now=now)
        while page := await store.iter_webhooks(["shopify"], since=None, after=after, limit=PAGE):
            after = page[-1].number
            for webhook in page:
                number = int(webhook.id.removeprefix("w-"))
                hold(webhook.body.endswith(b'"id":%d}' % number), f"webhook {webhook.id} has another's body")
                found[number] += 1
        rows = await store.webhooks(RowFilter())
        odd = Counter(f"{row.state}: {row.reason}" for row in rows if row.state not in {"received", "translated"})
        hold(not odd, f"webhooks that became no event: {odd.most_common(3)}")
        return found

    _compare("in the store", asked(folder, numbers), *seen)


def events_kept(folder: Path, *seen: Seen) -> None:
    """The same for events that came by /v1/track."""

    async def numbers(store: Store) -> Counter[int]:
        return Counter(int(row.id.removeprefix("e-")) for row in await store.events(RowFilter()))

    _compare("in the store", asked(folder, numbers), *seen)


def arrived(sink: Sink, *seen: Seen) -> None:
    """Every order that was answered 200 came to the sink, and none that nobody sent; more than once is allowed."""
    _compare("at the sink", Counter(dict.fromkeys(map(int, sink.orders()), 1)), *seen)


def same(where: str, found: Counter[int], *, acknowledged: AbstractSet[int], sent: Container[int]) -> None:
    """What was found is all that was acknowledged, nothing that was not sent, and nothing twice."""
    lost = acknowledged - found.keys()
    invented = [number for number in found if number not in sent]
    doubled = [number for number, times in found.items() if times > 1]
    hold(not lost, f"{len(lost)} of {len(acknowledged)} answered 200 are not {where}, such as {sorted(lost)[:3]}")
    hold(not invented, f"{len(invented)} {where} were never sent, such as {invented[:3]}")
    hold(not doubled, f"{len(doubled)} are twice {where}, such as {doubled[:3]}")


def _compare(where: str, found: Counter[int], *seen: Seen) -> None:
    acknowledged = {number for one in seen for number in one.numbers()}
    sent = {number for one in seen for number in range(one.first, one.first + one.sent * one.ids)}
    same(where, found, acknowledged=acknowledged, sent=sent)
