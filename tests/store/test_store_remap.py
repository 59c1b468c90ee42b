"""Events whose mapping was mended: what was attempted stays told, and what never was becomes what is made now."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from store_made import (
    TRACK,
    Tell,
    after,
    applied,
    attempt,
    claimed,
    delivery,
    event,
    nothing_to_claim,
    sent,
    settled,
)

from bridge.core.model import Event, Ignored, Route, Routed, WebhookState
from bridge.store.protocol import RowFilter, Store
from bridge.store.status_views import RemappedEvent, RemapResult

WRONG, A, B = b"w" * 16, b"a" * 16, b"b" * 16


def made(name: str, *keys: bytes, event_type: str = "purchase", value: str = "19.90") -> Event:
    """An event of a Shopify webhook; its text says its value, too."""
    one = replace(event(name, *keys, origin="source:shopify", event_type=event_type, value=value), mapping="shopify")
    text = b'{"event_id":"%s","value":%s}' % (name.encode(), value.encode())
    return replace(one, text=text, dedupes=len(keys))


def routed(one: Event, *routes: Route) -> Routed:
    return Routed(one, routes or TRACK)


async def originals(store: Store) -> dict[str, str | None]:
    """The events by id, each with the one that it repeats."""
    return {row.id: row.duplicate_of for row in await (await applied(store)).events(RowFilter())}


async def kept_apart(store: Store, name: str, *keys: bytes) -> bool:
    """Whether a new event with these keys is told as a conversion of its own."""
    await settled(store, f"w-{name}", routed(made(name, *keys)), now=after(60))
    return (await originals(store))[name] is None


@pytest.mark.parametrize("routes", [TRACK, (), (Route("track", skip="not among its events"),)])
def test_an_event_that_was_never_attempted_becomes_what_the_mended_mapping_makes(
    tell: Tell, routes: tuple[Route, ...]
) -> None:
    async def story(store: Store) -> None:
        number = await settled(store, "w-1", Routed(made("evt_1", WRONG), routes))
        mended = made("evt_now", A, event_type="subscription", value="7.00")
        done = await store.remap_events(number, [routed(mended)], now=after(1))
        assert done == (RemappedEvent("evt_1", RemapResult.CHANGED),)
        assert await store.remap_events(number, [routed(mended)], now=after(2)) == ()
        taken = await claimed(store, now=after(70))
        assert [one.text for one in taken.deliveries] == [b'{"event_id":"evt_1","value":7.00}']
        [row] = await store.events(RowFilter())
        assert (row.event_type, row.value) == ("subscription", "7.00")
        counts = (await store.state_counts()).events
        assert {of: n for of, n in counts.items() if n} == {("subscription", "fresh"): 1}
        assert await kept_apart(store, "evt_2", WRONG)
        assert not await kept_apart(store, "evt_3", A)

    tell(story)


def test_an_event_with_any_attempt_or_one_under_way_stays_as_it_was_told(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await settled(store, "w-1", routed(made("evt_1", WRONG)))
        found = await claimed(store, now=after(1))
        mended = [routed(made("evt_1", A, value="7.00"))]
        assert await store.remap_events(number, mended, now=after(2)) == ()
        waits = await store.destination_state("track", now=after(3))
        await store.record_attempt(found, attempt(at=after(3), status=500), [], waits, now=after(3))
        assert (await store.events(RowFilter()))[0].value == "19.90"
        assert not await kept_apart(store, "evt_2", A)
        assert await kept_apart(store, "evt_3", WRONG)

    tell(story)


def test_an_event_that_was_never_attempted_and_repeats_another_one_now_is_not_sent(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "w-1", routed(made("evt_1", A)))
        assert await sent(store, now=after(1)) == ["evt_1"]
        number = await settled(store, "w-2", routed(made("evt_2", WRONG)))
        done = await store.remap_events(number, [routed(made("evt_2", A, value="7.00"))], now=after(1))
        assert done == (RemappedEvent("evt_2", RemapResult.REPEATS, "evt_1"),)
        assert await nothing_to_claim(store, now=after(5))
        assert (await store.status_summary(now=after(5))).differing_ids == ("evt_2",)
        assert (await store.state_counts()).events == {("purchase", "fresh"): 1, ("purchase", "duplicate"): 1}

    tell(story)


def test_an_event_that_was_never_attempted_and_is_made_no_more_is_gone_and_may_be_made_again(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await settled(store, "w-1", routed(made("evt_1", A)), routed(made("evt_2", B)))
        done = await store.remap_events(number, [routed(made("evt_2", B))], now=after(1))
        assert done == (RemappedEvent("evt_1", RemapResult.WITHDRAWN),)
        assert await originals(store) == {"evt_2": None}
        both = [routed(made("evt_1", A)), routed(made("evt_2", B))]
        assert await store.remap_events(number, both, now=after(2)) == (RemappedEvent("evt_1", RemapResult.ADDED),)
        assert await sent(store, now=after(70)) == ["evt_2", "evt_1"]

    tell(story)


def test_events_that_were_told_keep_their_keys_where_the_mended_mapping_makes_fewer(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await settled(store, "w-1", routed(made("evt_1", A)), routed(made("evt_2", B)))
        assert await sent(store, now=after(1)) == ["evt_1", "evt_2"]
        assert await store.remap_events(number, [routed(made("evt_2", B))], now=after(1)) == (
            RemappedEvent("evt_1", RemapResult.NO_LONGER_MADE),
        )
        assert not await kept_apart(store, "evt_3", A)
        assert (await delivery(store, "evt_1")).attempts == 1

    tell(story)


def test_keys_of_a_duplicate_that_is_made_no_more_are_free_except_those_that_others_have(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "w-1", routed(made("evt_1", WRONG)))
        assert await sent(store, now=after(1)) == ["evt_1"]
        number = await settled(store, "w-2", routed(made("evt_2", WRONG, A, B)))
        await settled(store, "w-3", routed(made("evt_3", WRONG, B)))
        why = Ignored("no rule for this topic")
        done = await store.remap_events(number, (), now=after(2), ignored=why)
        assert done == (RemappedEvent("evt_2", RemapResult.WITHDRAWN),)
        [row] = [one for one in await store.webhooks(RowFilter()) if one.id == f"wh_{number}"]
        assert (row.state, row.reason) == (WebhookState.IGNORED, why.reason)
        assert await originals(store) == {"evt_1": None, "evt_3": "evt_1"}
        assert await kept_apart(store, "evt_4", A)
        assert not await kept_apart(store, "evt_5", B)
        assert not await kept_apart(store, "evt_6", WRONG)

    tell(story)


def test_a_duplicate_by_the_mended_keys_too_leads_by_these_to_its_original(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "w-1", routed(made("evt_1", WRONG)))
        assert await sent(store, now=after(1)) == ["evt_1"]
        number = await settled(store, "w-2", routed(made("evt_2", WRONG, A)))
        assert await store.remap_events(number, [routed(made("evt_2", WRONG, B))], now=after(2)) == ()
        assert await originals(store) == {"evt_1": None, "evt_2": "evt_1"}
        assert await kept_apart(store, "evt_3", A)
        assert not await kept_apart(store, "evt_4", B)

    tell(story)


def test_what_was_sent_and_is_made_no_more_is_listed_until_it_is_made_again(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await settled(store, "w-1", routed(made("evt_1", A)))
        assert await sent(store, now=after(1)) == ["evt_1"]
        gone = RowFilter(state="no_longer_made")
        done = await store.remap_events(number, (), now=after(2), ignored=Ignored("not counted"))
        assert done == (RemappedEvent("evt_1", RemapResult.NO_LONGER_MADE),)
        assert await store.remap_events(number, (), now=after(3), ignored=Ignored("not counted")) == ()
        assert [row.state for row in await store.webhooks(RowFilter())] == [WebhookState.TRANSLATED]
        assert [row.id for row in await store.events(gone)] == ["evt_1"]
        assert (await store.status_summary(now=after(3))).no_longer_made_ids == ("evt_1",)
        assert not await kept_apart(store, "evt_2", A)
        await store.remap_events(number, [routed(made("evt_1", A))], now=after(4))
        assert await store.events(gone) == []

    tell(story)


def test_duplicates_of_an_event_whose_keys_change_are_named_to_be_decided_anew(tell: Tell) -> None:
    async def story(store: Store) -> None:
        number = await settled(store, "w-1", routed(made("evt_1", WRONG)))
        assert await sent(store, now=after(1)) == ["evt_1"]
        other = await settled(store, "w-2", routed(made("evt_2", WRONG)))
        await store.accept_events([replace(routed(made("evt_3", WRONG)), routes=TRACK)], now=after(1))
        undecided = [
            RemappedEvent("evt_2", RemapResult.UNDECIDED, "evt_1", f"wh_{other}"),
            RemappedEvent("evt_3", RemapResult.UNDECIDED, "evt_1"),
        ]
        assert [*await store.remap_events(number, [routed(made("evt_1", A))], now=after(2))] == undecided
        assert await store.remap_events(number, [routed(made("evt_1", A))], now=after(3)) == ()

    tell(story)
