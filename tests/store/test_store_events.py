"""Events are made by one set of rules, whatever their origin is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace
from store_made import (
    NOW,
    SECOND,
    TRACK,
    Opener,
    Tell,
    accepted,
    after,
    applied,
    event,
    key,
    order,
    routed,
    sent,
    settled,
)

from bridge.core.errors import IdempotencyConflict
from bridge.core.model import Accepted, Route, Routed
from bridge.store.protocol import EventDetail, Idempotency, RowFilter, Store

FIRST = Idempotency(key("request"), b"h" * 32)
OTHER = Idempotency(key("request"), b"o" * 32)


async def shown(store: Store, event_id: str) -> EventDetail:
    (found,) = await (await applied(store)).show_detail(event_id)
    assert isinstance(found, EventDetail)
    return found


def test_an_accepted_event_stands_as_it_came(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert await store.accept_events([routed("evt_1")], now=NOW) == (Accepted("evt_1"),)
        found = await shown(store, "evt_1")
        made = event("evt_1")
        assert (found.origin, found.text, found.notes, found.hashed) == (
            made.origin,
            made.text,
            made.notes,
            made.hashed,
        )
        assert (found.row.webhook, found.row.event_type, found.row.test) == (None, "purchase", False)
        assert found.row.created_at == NOW

    tell(story)


def test_a_request_is_accepted_all_or_none(tell: Tell) -> None:
    async def story(store: Store) -> None:
        broken = Routed(replace(event("evt_2"), event_type=None), TRACK)
        with pytest.raises(AttributeError):
            await store.accept_events([routed("evt_1", order("7")), broken], now=NOW, idempotency=FIRST)
        assert await store.events(RowFilter()) == []
        assert await store.deliveries(RowFilter()) == []
        assert await store.accept_events([routed("evt_3", order("7"))], now=NOW, idempotency=OTHER) == (
            Accepted("evt_3"),
        )

    tell(story)


def test_the_same_event_id_of_one_origin_is_one_event(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_1", order("7"))], now=NOW)
        assert await store.accept_events([routed("evt_1", order("8"))], now=after(1)) == (Accepted("evt_1"),)
        answers = await store.accept_events([routed("evt_2"), routed("evt_2")], now=NOW)
        assert answers == (Accepted("evt_2"), Accepted("evt_2"))
        assert len(await store.events(RowFilter())) == 2
        assert len(await store.deliveries(RowFilter())) == 2

    tell(story)


def test_an_event_that_was_not_made_again_took_no_claim(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_1")], now=NOW)
        await store.accept_events([routed("evt_1", order("8"))], now=NOW)
        assert await store.accept_events([routed("evt_2", order("8"))], now=NOW) == (Accepted("evt_2"),)

    tell(story)


def test_two_origins_may_give_the_same_event_id_and_both_events_are_shown_by_it(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_1", origin="key:web")], now=NOW)
        await store.accept_events([routed("evt_1", origin="key:app")], now=NOW)
        found = await (await applied(store)).show_detail("evt_1")
        assert [one.origin for one in found if isinstance(one, EventDetail)] == ["key:web", "key:app"]

    tell(story)


@pytest.mark.parametrize("shared", [0, 1])
def test_an_event_with_either_claim_taken_is_a_duplicate_and_goes_nowhere(tell: Tell, shared: int) -> None:
    async def story(store: Store) -> None:
        conversion_keys = [order("1"), order("2")]
        await store.accept_events([routed("evt_1", *conversion_keys)], now=NOW)
        other = [order("3"), order("4")]
        other[shared] = conversion_keys[1 - shared]
        assert await store.accept_events([routed("evt_2", *other)], now=NOW) == (Accepted("evt_2", "evt_1"),)
        found = await shown(store, "evt_2")
        assert found.row.duplicate_of == "evt_1"
        assert found.deliveries == ()

    tell(story)


def test_a_duplicate_takes_its_free_claims_for_the_original(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_1", order("1"))], now=NOW)
        await store.accept_events([routed("evt_2", order("1"), order("2"))], now=NOW)
        await store.accept_events([routed("evt_3", order("2"), order("3"))], now=NOW)
        assert await store.accept_events([routed("evt_4", order("3"))], now=NOW) == (Accepted("evt_4", "evt_1"),)

    tell(story)


def test_an_event_whose_claims_belong_to_two_originals_is_a_duplicate_of_the_older(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_1", order("1")), routed("evt_2", order("2"))], now=NOW)
        answers = await store.accept_events([routed("evt_3", order("2"), order("1"))], now=NOW)
        assert answers == (Accepted("evt_3", "evt_1"),)
        assert await store.accept_events([routed("evt_4", order("2"))], now=NOW) == (Accepted("evt_4", "evt_2"),)

    tell(story)


def test_an_event_whose_two_claims_are_the_same_is_no_duplicate_of_itself(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert await store.accept_events([routed("evt_1", order("1"), order("1"))], now=NOW) == (Accepted("evt_1"),)
        assert await store.accept_events([routed("evt_1", order("1"))], now=NOW) == (Accepted("evt_1"),)

    tell(story)


def test_a_duplicate_sent_again_answers_the_same(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_1", order("1")), routed("evt_2", order("1"))], now=NOW)
        assert await store.accept_events([routed("evt_2", order("9"))], now=NOW) == (Accepted("evt_2", "evt_1"),)

    tell(story)


def test_test_and_live_never_meet_nor_do_scopes(tell: Tell) -> None:
    async def story(store: Store) -> None:
        answers = await store.accept_events(
            [
                routed("evt_1", order("1")),
                routed("evt_2", order("1", test=True)),
                routed("evt_3", order("1", scope="shop")),
            ],
            now=NOW,
        )
        assert answers == (Accepted("evt_1"), Accepted("evt_2"), Accepted("evt_3"))

    tell(story)


def test_a_claim_is_the_same_for_events_of_either_origin(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "a", routed("evt_1", order("1"), origin="source:shopify"))
        assert await store.accept_events([routed("evt_2", order("1"))], now=NOW) == (Accepted("evt_2", "evt_1"),)

    tell(story)


def test_the_same_conversion_at_the_same_time_has_one_original(tell: Tell) -> None:
    async def story(store: Store) -> None:
        answers = await asyncio.gather(
            *(store.accept_events([routed(f"evt_{n}", order("1"))], now=NOW) for n in range(50)),
        )
        originals = [one.event_id for (one,) in answers if one.duplicate_of is None]
        assert len(originals) == 1
        assert {one.duplicate_of for (one,) in answers} == {None, originals[0]}
        assert len(await store.deliveries(RowFilter())) == 1

    tell(story)


def test_a_claim_older_than_the_window_blocks_nothing_and_is_taken_anew(opener: Opener) -> None:
    window = timedelta(days=30)

    async def story() -> None:
        store = opener(ledger_window=window)
        try:
            await store.accept_events([routed("evt_1", order("1"))], now=NOW)
            late = NOW + window
            before = await store.accept_events([routed("evt_2", order("1"))], now=late - SECOND)
            assert before == (Accepted("evt_2", "evt_1"),)
            assert await store.accept_events([routed("evt_3", order("1"))], now=late) == (Accepted("evt_3"),)
            assert await store.accept_events([routed("evt_4", order("1"))], now=late) == (Accepted("evt_4", "evt_3"),)
            assert await store.accept_events([routed("evt_1")], now=late) == (Accepted("evt_1"),)
        finally:
            await store.close()

    asyncio.run(story())


def test_a_known_idempotency_key_with_the_same_body_answers_the_same_and_keeps_nothing(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_0", order("1"))], now=NOW)
        first = await store.accept_events([routed("evt_1"), routed("evt_2", order("1"))], now=NOW, idempotency=FIRST)
        again = await store.accept_events([routed("evt_3"), routed("evt_4")], now=after(1), idempotency=FIRST)
        assert first == again == (Accepted("evt_1"), Accepted("evt_2", "evt_0"))
        assert len(await store.events(RowFilter())) == 3

    tell(story)


def test_a_known_idempotency_key_with_another_body_is_a_conflict_and_keeps_nothing(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_1")], now=NOW, idempotency=FIRST)
        with pytest.raises(IdempotencyConflict):
            await store.accept_events([routed("evt_2")], now=NOW, idempotency=OTHER)
        assert [row.id for row in await store.events(RowFilter())] == ["evt_1"]

    tell(story)


def test_an_idempotency_key_used_by_many_at_once_makes_its_events_once(tell: Tell) -> None:
    async def story(store: Store) -> None:
        answers = await asyncio.gather(
            *(store.accept_events([routed(f"evt_{n}")], now=NOW, idempotency=FIRST) for n in range(20))
        )
        assert len(set(answers)) == 1
        assert len(await store.events(RowFilter())) == 1

    tell(story)


def test_a_skipped_delivery_is_kept_with_its_reason_and_never_claimed(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.accept_events([routed("evt_1", routes=(Route("track", skip="test event"),))], now=NOW)
        (row,) = (await shown(store, "evt_1")).deliveries
        assert (row.state, row.reason, row.next_attempt_at) == ("skipped", "test event", None)
        assert await sent(store, now=after(9)) == []

    tell(story)


@pytest.mark.engines("sqlite")  # where the clock is the caller's: else the server's gives the order
def test_deliveries_go_out_in_the_order_in_which_their_events_were_accepted(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", now=after(1))
        await accepted(store, "evt_2", now=after(0.5))  # its request read the clock before the other's did
        await accepted(store, "evt_3", now=after(1))
        assert await sent(store, now=after(1)) == ["evt_1", "evt_2", "evt_3"]

    tell(story)


def test_a_clock_that_is_set_back_does_not_hold_up_what_comes_in_afterwards(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "evt_1", now=after(3600))
        await accepted(store, "evt_2", now=NOW)
        assert "evt_2" in await sent(store, now=NOW)

    tell(story)
