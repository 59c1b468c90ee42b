"""Duplicates that a person tells as conversions of their own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace
from store_made import NOW, Tell, after, applied, claimed, event, names_of_ids, routed, settled

from bridge.core.errors import NotFound
from bridge.core.model import Route, Routed
from bridge.store.protocol import RowFilter, Store
from bridge.store.status_views import RemappedEvent, RemapResult

TRACK = (Route("track"),)
A, B, C, ONE = b"a" * 16, b"b" * 16, b"c" * 16, b"1" * 16


async def two_orders_under_one_key(store: Store) -> list[int]:
    """evt_1 was told; evt_2 is another order, and its duplicate by the key ONE of a mistaken mapping: their webhooks."""
    numbers = []
    for name, own in (("evt_1", A), ("evt_2", B)):
        one = replace(event(name), conversion_keys=(ONE, own), dedupes=2, origin="source:shopify", mapping="shopify")
        numbers.append(await settled(store, f"w-{name}", replace(routed(name), event=one)))
    return numbers


def test_a_released_duplicate_is_delivered_once_and_its_original_stays_as_it_is(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await two_orders_under_one_key(store)
        [found] = (await (await applied(store)).find_duplicates(["evt_2"])).duplicates
        assert found.original is not None
        assert (found.row.delivery, found.original.id) == ("duplicate", "evt_1")
        chosen = [Routed(found.event, TRACK)]
        assert await store.release_duplicates(chosen, who="ann", now=after(5)) == ("evt_2",)
        assert await store.release_duplicates(chosen, who="ann", now=after(6)) == ()
        assert [one.who for one in await store.actions_on("evt_2")] == ["ann"]
        rows = await store.events(RowFilter())
        assert [(row.id, row.duplicate_of, row.delivery) for row in rows] == [
            ("evt_2", None, "pending"), ("evt_1", None, "pending"),
        ]  # fmt: skip
        taken = await claimed(store, now=after(7))
        assert [one.event_id for one in taken.deliveries] == ["evt_1", "evt_2"]
        assert (await store.state_counts()).events == {("purchase", "fresh"): 2}

    tell(story)


def test_what_belongs_to_a_released_event_finds_it_and_what_both_have_stays_the_originals(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await two_orders_under_one_key(store)
        [found] = (await (await applied(store)).find_duplicates(["evt_2"])).duplicates
        await store.release_duplicates([Routed(found.event, TRACK)], who="ann", now=after(5))
        for name, key, original in (("evt_3", B, "evt_2"), ("evt_4", ONE, "evt_1"), ("evt_5", C, None)):
            again = replace(event(name), conversion_keys=(key,), dedupes=1, origin="source:shopify", mapping="shopify")
            await settled(store, f"w-{name}", replace(routed(name), event=again))
            [row] = [one for one in await store.events(RowFilter()) if one.id == name]
            assert row.duplicate_of == original

    tell(story)


def test_status_names_duplicates_that_differ_until_they_are_released(tell: Tell) -> None:
    async def story(store: Store) -> None:
        for name, value in (("evt_1", "19.90"), ("evt_2", "7.00"), ("evt_3", "19.90")):
            one = replace(event(name), conversion_keys=(ONE,), value=value)
            await settled(store, f"w-{name}", replace(routed(name), event=one))
        await applied(store)
        assert (await store.status_summary(now=NOW)).differing_ids == ("evt_2",)
        assert [row.id for row in await store.events(RowFilter(state="differing"))] == ["evt_2"]
        [found] = (await store.find_duplicates(["evt_2"])).duplicates
        await store.release_duplicates([Routed(found.event, TRACK)], who="ann", now=after(5))
        summary = await store.status_summary(now=NOW + timedelta(hours=1))
        assert (summary.differing, summary.differing_ids) == (0, ())

    tell(story)


def test_an_event_that_was_told_is_named_and_an_unknown_id_is_refused(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await two_orders_under_one_key(store)
        found = await (await applied(store)).find_duplicates(["evt_1", "evt_2"])
        assert [one.row.id for one in found.duplicates] == ["evt_2"]
        assert [row.id for row in found.told] == ["evt_1"]
        with pytest.raises(NotFound, match="nothing has the id"):
            await store.find_duplicates(["evt_2", "evt_9"])
        first = (await names_of_ids(store))["wh_1"]
        with pytest.raises(NotFound, match=f"{first} is no event"):
            await store.find_duplicates(["evt_2", first])

    tell(story)


def test_events_of_a_mended_mapping_move_to_its_keys_and_what_repeats_nothing_by_them_is_told(tell: Tell) -> None:
    async def story(store: Store) -> None:
        webhooks = await two_orders_under_one_key(store)
        await applied(store)
        told: list[RemappedEvent] = []
        for at, (name, own) in enumerate((("evt_1", A), ("evt_2", B)), start=1):
            number = webhooks[at - 1]
            mended = replace(event(name), conversion_keys=(own,), dedupes=1, origin="source:shopify", mapping="shopify")
            told += await store.remap_events(number, [replace(routed(name), event=mended)], now=after(at))
            assert await store.remap_events(number, [replace(routed(name), event=mended)], now=after(at)) == ()
        assert told == [
            RemappedEvent("evt_2", RemapResult.UNDECIDED, "evt_1", f"wh_{webhooks[1]}"),
            RemappedEvent("evt_2", RemapResult.TOLD),
        ]
        assert [(row.id, row.duplicate_of) for row in await store.events(RowFilter())] == [
            ("evt_2", None), ("evt_1", None),
        ]  # fmt: skip
        for name, key, original in (("evt_3", ONE, None), ("evt_4", A, "evt_1"), ("evt_5", B, "evt_2")):
            again = replace(event(name), conversion_keys=(key,), dedupes=1, origin="source:shopify", mapping="shopify")
            await settled(store, f"w-{name}", replace(routed(name), event=again))
            [row] = [one for one in await store.events(RowFilter()) if one.id == name]
            assert row.duplicate_of == original

    tell(story)


def test_a_duplicate_by_the_mended_keys_too_stays_one(tell: Tell) -> None:
    async def story(store: Store) -> None:
        webhooks = await two_orders_under_one_key(store)
        await applied(store)
        for at, (number, name) in enumerate(zip(webhooks, ("evt_1", "evt_2"), strict=True), start=1):
            mended = replace(event(name), conversion_keys=(C,), dedupes=1, origin="source:shopify", mapping="shopify")
            await store.remap_events(number, [replace(routed(name), event=mended)], now=after(at))
        rows = {row.id: row.duplicate_of for row in await store.events(RowFilter())}
        assert rows == {"evt_1": None, "evt_2": "evt_1"}

    tell(story)


def test_a_released_event_takes_no_key_from_another_event_that_has_it(tell: Tell) -> None:
    async def story(store: Store) -> None:
        first = replace(event("evt_0"), conversion_keys=(B,), dedupes=1, origin="source:shopify", mapping="shopify")
        await settled(store, "w-evt_0", replace(routed("evt_0"), event=first))
        await two_orders_under_one_key(store)
        [found] = (await (await applied(store)).find_duplicates(["evt_2"])).duplicates
        await store.release_duplicates([Routed(found.event, TRACK)], who="ann", now=after(5))
        again = replace(event("evt_3"), conversion_keys=(B,), dedupes=1, origin="source:shopify", mapping="shopify")
        await settled(store, "w-evt_3", replace(routed("evt_3"), event=again))
        [row] = [one for one in await store.events(RowFilter()) if one.id == "evt_3"]
        assert row.duplicate_of == "evt_0"

    tell(story)
