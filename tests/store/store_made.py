"""Makes the nouns that store tests need, each in one short call. Not concerned with any engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bridge.core import dedupe_keys
from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.core.model import Accepted, Event, Ignored, Kept, Route, Routed, SetAside, Webhook
from bridge.store.protocol import (
    Batch,
    ClaimedDeliveries,
    DeliveryRow,
    DestinationState,
    EventDetail,
    Outcome,
    Pacing,
    RowFilter,
    Store,
)

NOW = datetime(2025, 3, 1, 12, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEASE = 20 * SECOND
FREELY = Pacing(limit=100, concurrency=1, spacing=timedelta(), lease=LEASE)
TRACK = (Route("track"),)

Story = Callable[[Store], Awaitable[None]]
Tell = Callable[[Story], None]


class Opener(Protocol):
    """Opens one and the same store, as often as it is called.

    A clock far ahead is believed at once, so that made-up time can pass in leaps; with a `trial` only after so many
    `ticks`.
    """

    def __call__(
        self, *, ledger_window: timedelta = ..., ticks: Callable[[], float] = ..., trial: timedelta = ...
    ) -> Store: ...


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def key(text: str) -> bytes:
    return dedupe_keys.signed_webhook_key("test", text)


def webhook(name: str, *keys: bytes, at: datetime = NOW, source: str = "shopify", body: bytes = b"{}") -> Webhook:
    return Webhook(
        source=source,
        id=name,
        topic="orders/paid",
        received_at=at,
        body=body,
        identity=keys or (key(name),),
        headers={"content-type": "application/json"},
        query={"shop": "a b"},
    )


def event(  # noqa: PLR0913  any of them may be the point
    name: str,
    *conversion_keys: bytes,
    origin: str = "key:web",
    event_type: str = "purchase",
    test: bool = False,
    value: str | None = "19.90",
    currency: str | None = "EUR",
) -> Event:
    return Event(
        id=name,
        origin=origin,
        event_type=event_type,
        test=test,
        text=b'{"event_id":"%s"}' % name.encode(),
        occurred_at=NOW,
        conversion_keys=conversion_keys,
        order_id="1001",
        value=value,
        currency=currency,
        notes=("shopify.yaml:3: left out",),
        hashed=("email",),
    )


def routed(name: str, *conversion_keys: bytes, routes: tuple[Route, ...] = TRACK, origin: str = "key:web") -> Routed:
    return Routed(event(name, *conversion_keys, origin=origin), routes)


def order(number: str, *, scope: str = "track", test: bool = False) -> bytes:
    return dedupe_keys.conversion_key(scope, "purchase", number, test=test)


def attempt(*, at: datetime = NOW, status: int | None = 200, counted: bool = True, answer: str = "ok") -> Attempt:
    return Attempt(
        destination="track",
        started_at=at,
        took=timedelta(milliseconds=120),
        status=status,
        outcome="delivered" if status == 200 else "later",
        answer=answer,
        counted=counted,
    )


def all_of(claimed: ClaimedDeliveries, state: DeliveryState, **how: object) -> list[DeliveryUpdate]:
    return [DeliveryUpdate(one.number, state, **how) for one in claimed.deliveries]  # type: ignore[arg-type]


async def keep(store: Store, *webhooks: Webhook) -> tuple[Kept, ...]:
    """Keep the webhooks of one request and give them rows of their own."""
    await store.keep(webhooks)
    return await apply_log(store)


async def apply_log(store: Store, *, limit: int = 10_000, now: datetime = NOW) -> tuple[Kept, ...]:
    """Give webhooks that were just kept rows of their own, as a worker does with a batch that fails."""
    while (await store.state_counts()).unapplied:
        batch = await store.claim_batch(now=now, limit=limit, lease=timedelta())
        if not batch.webhooks:
            break
        if kept := await store.split_batch(batch, now=now):  # rows that are due come by turns with the log's webhooks
            return kept
    return ()


async def applied(store: Store) -> Store:
    """The store, once every webhook that was kept has a row of its own: lists and details only look."""
    while await apply_log(store):
        pass
    return store


async def claim_rows(
    store: Store, *, now: datetime = NOW, limit: int = 100, lease: timedelta = LEASE
) -> tuple[Webhook, ...]:
    """Claim received webhooks that have rows of their own."""
    return (await store.claim_batch(now=now, limit=limit, lease=lease)).webhooks


async def complete(
    store: Store, outcomes: Sequence[Outcome], *, now: datetime = NOW
) -> tuple[tuple[Accepted, ...], ...]:
    """Complete claimed webhooks that have rows of their own; what became of the events of each."""
    completed = await store.complete_batch(Batch(tuple(one.webhook for one in outcomes)), outcomes, now=now)
    assert completed is not None
    return tuple(one.accepted for one in completed)


def again(number: int) -> Kept:
    """What is said of a webhook that was there before under that number."""
    return Kept(number, is_known=True, source="shopify", topic="orders/paid")


async def accepted(store: Store, *names: str, now: datetime = NOW, routes: tuple[Route, ...] = TRACK) -> None:
    await store.accept_events([routed(name, routes=routes) for name in names], now=now)


async def claimed(store: Store, *, now: datetime = NOW, pacing: Pacing = FREELY) -> ClaimedDeliveries:
    found = await store.claim_deliveries("track", now=now, pacing=pacing)
    assert found is not None
    return found


async def nothing_to_claim(store: Store, *, now: datetime = NOW, pacing: Pacing = FREELY) -> bool:
    return await store.claim_deliveries("track", now=now, pacing=pacing) is None


async def sent(store: Store, *, now: datetime = NOW, pacing: Pacing = FREELY) -> list[str]:
    """The ids that one request carries, all of them delivered."""
    found = await store.claim_deliveries("track", now=now, pacing=pacing)
    if found is None:
        return []
    settled = all_of(found, DeliveryState.DELIVERED)
    await store.record_attempt(found, attempt(at=now), settled, found.destination_state, now=now)
    return ids(found)


async def delivery(store: Store, event_id: str) -> DeliveryRow:
    """The one delivery of an event."""
    (found,) = await store.show_detail(event_id)
    assert isinstance(found, EventDetail)
    (row,) = found.deliveries
    return row


async def settled(store: Store, name: str, *events: Routed, now: datetime = NOW) -> int:
    """Keep a webhook, claim it and let it become those events; its number."""
    (kept,) = await keep(store, webhook(name, at=now))
    found = await claim_rows(store, now=now, limit=100, lease=LEASE)
    (mine,) = [one for one in found if one.number == kept.number]
    await complete(store, [Outcome(mine, events)], now=now)
    return kept.number


async def set_aside(store: Store, *names: str) -> None:
    await keep(store, *(webhook(name) for name in names))
    found = await claim_rows(store, now=NOW, limit=100, lease=LEASE)
    await complete(store, [Outcome(one, SetAside(f"x.yaml:1:1: {one.id}")) for one in found], now=NOW)


async def ignored(store: Store, *names: str, at: datetime = NOW) -> None:
    await keep(store, *(webhook(name, at=at) for name in names))
    found = await claim_rows(store, now=at, limit=100, lease=LEASE)
    await complete(store, [Outcome(one, Ignored("no rule for this topic")) for one in found], now=at)


async def dead(store: Store, *names: str, now: datetime = NOW) -> None:
    """Events whose delivery was refused for good."""
    await accepted(store, *names, now=now)
    found = await claimed(store, now=now)
    settled = all_of(found, DeliveryState.DEAD, reason="400 bad value")
    await store.record_attempt(found, attempt(at=now, status=400), settled, found.destination_state, now=now)


async def names_of_ids(store: Store) -> dict[str, str]:
    """The ids by what tests call them: `wh_1` is the oldest webhook, `dlv_1` the oldest delivery."""
    webhooks = [row.id for row in await (await applied(store)).webhooks(RowFilter())]
    deliveries = [row.id for row in await store.deliveries(RowFilter())]
    return {
        f"{kind}_{place}": name
        for kind, names in (("wh", webhooks), ("dlv", deliveries))
        for place, name in enumerate(reversed(names), 1)
    }


async def short_ids(store: Store, public_ids: Iterable[str]) -> list[str]:
    """What tests call these ids."""
    names = {name: one for one, name in (await names_of_ids(store)).items()}
    return [names[one] for one in public_ids]


async def named(store: Store, which: RowFilter) -> RowFilter:
    """The filter with the ids that the rows have in this store."""
    if which.ids is None:
        return which
    names = await names_of_ids(store)
    return replace(which, ids=tuple(names.get(one, one) for one in which.ids))


def number_of(public_id: str) -> int:
    return int(public_id.partition("_")[2])


async def stand(store: Store, destination_state: DestinationState, *, now: float = 0) -> None:
    """Make a destination stand so, by recording an attempt that carried nothing."""
    name = destination_state.destination
    before = await store.destination_state(name, now=NOW)
    nothing = ClaimedDeliveries(0, (), before)
    made = replace(attempt(status=401, counted=False), destination=name)
    wanted = replace(destination_state, version=before.version)
    assert await store.record_attempt(nothing, made, [], wanted, now=after(now))


async def states(store: Store) -> dict[str, str]:
    """Each delivery's state by its event."""
    return {row.event: str(row.state) for row in await store.deliveries(RowFilter())}


def ids(claimed: ClaimedDeliveries) -> list[str]:
    return [one.event_id for one in claimed.deliveries]


def numbers(found: Sequence[Webhook]) -> list[int]:
    return [one.number for one in found]
