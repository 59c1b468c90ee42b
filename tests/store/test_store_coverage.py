"""What became of deliveries is counted by reason, and match keys by event, in the transaction that changes them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace
from old_stores import put_back_money
from store_made import (
    NOW,
    Tell,
    accepted,
    after,
    all_of,
    attempt,
    claimed,
    dead,
    event,
    order,
    routed,
    sent,
)

from bridge.core.delivery import DeliveryState
from bridge.core.match_keys import find_match_keys
from bridge.core.model import Route, Routed
from bridge.store.in_steps import retry_all
from bridge.store.protocol import DEFAULT_RETENTION, RowFilter, Store
from bridge.store.sqlite.db import open_file

DAY = timedelta(days=1)
LATER = after(2 * 3600)


async def counts(store: Store, *, destination: str = "track") -> dict[tuple[str, str], int]:
    found = (await store.read_outcomes(since=NOW - 400 * DAY)).outcomes
    counted: Counter[tuple[str, str]] = Counter()
    for one in found:
        if one.destination == destination:
            counted[one.state, one.reason] += one.count
    return dict(counted)


async def skipped(store: Store, *names: str, reason: str, at: float = 0) -> None:
    """Events whose delivery was skipped when its turn came."""
    await accepted(store, *names)
    found = await claimed(store, now=after(at))
    updates = all_of(found, DeliveryState.SKIPPED, reason=reason)
    await store.record_attempt(found, attempt(at=after(at)), updates, found.destination_state, now=after(at))


def test_each_end_of_a_delivery_is_counted_with_its_reason(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "a", "b")
        await sent(store)
        await dead(store, "c")
        await accepted(store, "d", routes=(Route("track", "no consent"),))
        await skipped(store, "e", reason="no identifiers")
        await accepted(store, "waits")
        found = await store.read_outcomes(since=NOW)
        assert await counts(store) == {
            ("delivered", ""): 2,
            ("dead", "400 bad value"): 1,
            ("skipped", "no consent"): 1,
            ("skipped", "no identifiers"): 1,
        }
        assert found.waiting == {("track", "purchase"): 1}
        assert found.rejected == {"track": (1, 3)}
        assert {one.event_type for one in found.outcomes} == {"purchase"}

    tell(story)


def test_what_one_request_delivers_is_counted_by_type_and_beyond_fifty_types_as_other(tell: Tell) -> None:
    async def story(store: Store) -> None:
        made = [routed(f"e{number}") for number in range(100)]
        typed = [replace(one, event=replace(one.event, event_type=f"type {n % 60}")) for n, one in enumerate(made)]
        await store.accept_events(typed, now=NOW)
        assert len(await sent(store)) == 100
        found = (await store.read_outcomes(since=NOW)).outcomes
        told = {one.event_type: one.count for one in found}
        assert (len(told), told["type 1"]) == (51, 2)
        assert told["other"] >= 10  # which ten types are counted so is the engine's
        assert sum(told.values()) == 100
        assert (await store.state_counts()).deliveries == {("track", "delivered"): 100}

    tell(story)


def test_a_dead_letter_that_is_retried_is_counted_where_it_stands_then(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await dead(store, "a", "b")
        await retry_all(store, RowFilter(state="dead"), now=NOW)
        assert await counts(store) == {}
        await sent(store)
        assert await counts(store) == {("delivered", ""): 2}
        totals = (await store.read_totals()).deliveries
        assert totals == {("track", "dead", "400 bad value"): 2, ("track", "delivered", ""): 2}

    tell(story)


def test_a_reason_of_an_upstream_is_cut_and_a_type_is_not_repeated_in_it(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await skipped(store, "a", reason="x" * 90)
        await accepted(store, "b", routes=(Route("track", "purchase is not among its events"),))
        assert await counts(store) == {("skipped", "x" * 60): 1, ("skipped", "not among its events"): 1}

    tell(story)


def test_a_day_and_destination_has_fifty_reasons_at_most(tell: Tell) -> None:
    async def story(store: Store) -> None:
        for number in range(60):
            await skipped(store, f"e{number}", reason=f"reason {number}")
        found = await counts(store)
        assert len(found) == 51
        assert found["skipped", "other"] == 10

    tell(story)


def test_an_event_that_grew_too_old_while_it_waited_is_told_apart(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await skipped(store, "came old", reason="too old", at=1)
        await skipped(store, "waited", reason="too old", at=2 * 3600)
        assert await counts(store) == {("skipped", "too old"): 1, ("skipped", "too old while it waited"): 1}

    tell(story)


def test_the_match_keys_of_told_events_are_counted_and_those_of_tests_and_duplicates_are_not(tell: Tell) -> None:
    text = b'{"user_data":{"email":"a@b.test"},"context":{"fbclid":"x","ip":"1.1.1.1"},"consent":{"ads":false}}'

    def made(name: str, *keys: bytes, test: bool = False) -> Routed:
        return Routed(replace(event(name, *keys, test=test), text=text), ())

    async def story(store: Store) -> None:
        await store.accept_events([made("a", order("1")), made("again", order("1")), made("t", test=True)], now=NOW)
        await store.accept_events([routed("bare")], now=NOW + DAY)
        found = (await store.read_outcomes(since=NOW)).match_keys
        assert {(one.day.day - NOW.day, one.key): one.count for one in found} == {
            (0, ""): 1,
            (0, "email"): 1,
            (0, "fbc"): 1,
            (0, "consent"): 1,
            (1, ""): 1,
        }
        assert (await store.read_totals()).match_keys == {"email": 1, "fbc": 1, "consent": 1}

    tell(story)


def test_a_match_key_needs_a_value_and_the_browser_its_address() -> None:
    assert find_match_keys(b'{"user_data":{"email":" ","phone":null},"context":{"user_agent":"x"}}') == ()
    assert find_match_keys(b'{"context":{"user_agent":"x","ip":"::1","wbraid":"w"}}') == (
        "browser and address",
        "gclid",
    )
    assert find_match_keys(b'{"user_data":[]}') == ()
    assert find_match_keys(b"no JSON") == ()


def test_a_day_is_forgotten_with_its_events_and_what_was_ever_counted_stays(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await accepted(store, "a")
        await sent(store)
        before = await store.read_totals()
        while (await store.purge(DEFAULT_RETENTION, now=NOW + 100 * DAY, limit=100)).more:
            pass
        assert await counts(store) == {}
        assert (await store.read_outcomes(since=NOW - DAY)).counted_since is None
        assert await store.read_totals() == before

    tell(story)


def test_an_older_store_is_counted_as_far_as_it_is_kept(tmp_path: Path) -> None:
    path = put_back_money(tmp_path / "store.db")
    with closing(sqlite3.connect(path)) as db:  # some of each end, and persons that are known by different keys
        db.execute("UPDATE deliveries SET state = 'delivered' WHERE number % 3 = 0")
        db.execute("UPDATE deliveries SET state = 'skipped', reason = 'no consent' WHERE number % 3 = 1")
        db.execute(
            """UPDATE events SET text = '{"user_data": {"phone": "+49"}, "context": {"fbclid": "x", "gclid": " "}}' WHERE number % 2 = 0"""
        )
        db.commit()
    open_file.prepare_file(str(path))
    with closing(sqlite3.connect(path)) as db:
        stand = db.execute(
            "SELECT destination, state, count(*) FROM deliveries WHERE state <> 'pending' GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
        found = db.execute(
            "SELECT destination, state, sum(n) FROM delivery_reasons GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
        texts = db.execute("SELECT text FROM events WHERE duplicate_of IS NULL AND NOT test").fetchall()
        keys = dict(db.execute("SELECT key, sum(n) FROM match_keys GROUP BY 1").fetchall())
    assert found == stand
    assert len(found) > 1
    expected = Counter(key for (text,) in texts for key in ("", *find_match_keys(bytes(str(text), "utf-8"))))
    assert keys == expected
    assert len(keys) > 2
