"""One id upstream names one event, whoever gave it: a caller of one scope or another, or a webhook."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from store_made import NOW, TRACK, Opener, Tell, after, applied, claim_rows, complete, event, key, order, sent, settled

from bridge import contract
from bridge.core import dedupe_keys
from bridge.core.model import Accepted, Routed
from bridge.store.in_steps import replay_all
from bridge.store.protocol import EventDetail, Idempotency, Outcome, RetentionPolicy, RowFilter, Store
from bridge.store.sqlite.db import open_file
from bridge.store.sqlite.schema import STEPS
from bridge.store.sqlite.store import SqliteStore
from bridge.store.sqlite.tables import ledger

DAY = timedelta(days=1)
KEEPING = RetentionPolicy(bodies=30 * DAY, events=90 * DAY, ledger=400 * DAY)
BEFORE_IDS = 7
"""The version of the schema before event ids were unique upstream."""


def given_by(scope: str, name: str, *conversion_keys: bytes, origin: str = "key:web") -> Routed:
    return Routed(replace(event(name, *conversion_keys, origin=origin), id_scope=dedupe_keys.scope_name(scope)), TRACK)


def made_by(source: str, name: str, *conversion_keys: bytes) -> Routed:
    return Routed(event(name, *conversion_keys, origin=f"source:{source}"), TRACK)


async def one(store: Store, routed: Routed, seconds: float = 0) -> Accepted:
    (accepted,) = await store.accept_events([routed], now=after(seconds))
    return accepted


async def texts(store: Store) -> list[str]:
    """The event ids that stand in what is sent, oldest first."""
    rows = (await store.events(RowFilter()))[::-1]
    return [
        json.loads(found.text)["event_id"]
        for row in rows
        for found in await (await applied(store)).show_detail(row.id)
        if isinstance(found, EventDetail) and found.row.id == row.id
    ]


async def purged(store: Store, days: int) -> None:
    """Everything that is so many days old, and older than it may be, goes."""
    while (await store.purge(KEEPING, now=NOW + days * DAY, limit=1000)).more:
        pass


# ----------------------------------------------------------------------------------------------------------- scopes


def test_keys_of_one_scope_share_event_ids(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert await one(store, given_by("track", "e-1")) == Accepted("e-1")
        assert await one(store, given_by("track", "e-1", origin="key:app"), 1) == Accepted("e-1")
        assert len(await store.events(RowFilter())) == 1

    tell(story)


def test_another_scopes_event_gets_an_id_of_its_own_and_every_resend_gets_that_one(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "e-1"))
        other = await one(store, given_by("shop", "e-1"), 1)
        assert other.event_id != "e-1"
        assert other.given_event_id == "e-1"
        assert await one(store, given_by("shop", "e-1"), 2) == other
        assert await one(store, given_by("track", "e-1"), 2) == Accepted("e-1")
        assert await texts(store) == ["e-1", other.event_id]
        assert await sent(store, now=after(9)) == ["e-1", other.event_id]

    tell(story)


def test_an_id_that_was_made_for_an_event_is_known_as_its_id(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "e-1"))
        other = await one(store, given_by("shop", "e-1"))
        assert await one(store, given_by("shop", other.event_id)) == Accepted(other.event_id)
        assert len(await store.events(RowFilter())) == 2

    tell(story)


def test_an_id_that_was_made_cannot_be_taken_by_another_scope(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "e-1"))
        other = await one(store, given_by("shop", "e-1"))
        third = await one(store, given_by("pos", other.event_id))
        assert len({"e-1", other.event_id, third.event_id}) == 3
        assert third.given_event_id == other.event_id

    tell(story)


def test_who_takes_the_id_that_would_be_made_makes_nobody_lose_an_event(tell: Tell) -> None:
    async def story(store: Store) -> None:
        foreseen = next(contract.other_ids(dedupe_keys.scope_name("shop"), "e-1"))
        for name in ("e-1", foreseen):
            await one(store, given_by("track", name))
        other = await one(store, given_by("shop", "e-1"))
        assert other.event_id not in {"e-1", foreseen}
        assert await one(store, given_by("shop", "e-1"), 1) == other
        await sent(store, now=after(2))
        await purged(store, 91)
        assert await one(store, given_by("shop", "e-1"), 92 * 86400) == other

    tell(story)


def test_who_takes_a_long_chain_of_the_ids_that_would_be_made_makes_nobody_look_at_all_of_them(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_keys, looked_for = ledger.find_keys, list[bytes]()

    def counted(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
        looked_for.extend(keys)
        return find_keys(db, keys)

    async def story(store: Store) -> None:
        chain = list(islice(contract.other_ids(dedupe_keys.scope_name("shop"), "e-1"), 200))
        await store.accept_events([given_by("track", name) for name in ("e-1", *chain)], now=NOW)
        kept = len(await store.events(RowFilter()))
        monkeypatch.setattr(ledger, "find_keys", counted)
        other = await one(store, given_by("shop", "e-1"))
        assert other.event_id not in {"e-1", *chain}
        assert other.given_event_id == "e-1"
        assert await one(store, given_by("shop", "e-1"), 1) == other
        assert await one(store, given_by("shop", other.event_id), 2) == Accepted(other.event_id)
        assert len(await store.events(RowFilter())) == kept + 1
        for claim in range(5):
            await sent(store, now=after(3 + claim))
        await purged(store, 91)
        await one(store, given_by("shop", "e-1"), 92 * 86400)
        assert await store.events(RowFilter()) == []
        assert len(looked_for) < 100

    tell(story)


def test_a_batch_of_two_scopes_ids_says_it_of_each(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "e-2"))
        batch = [given_by("shop", f"e-{number}") for number in (1, 2, 2, 3)]
        first, second, again, third = await store.accept_events(batch, now=NOW)
        assert (first, third) == (Accepted("e-1"), Accepted("e-3"))
        assert second == again
        assert second.given_event_id == "e-2"
        assert await store.accept_events(batch, now=after(1)) == (first, second, again, third)
        assert len(await store.events(RowFilter())) == 4

    tell(story)


def test_the_made_id_is_the_same_after_the_event_was_purged(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "e-1"))
        other = await one(store, given_by("shop", "e-1"))
        await sent(store, now=after(1))
        await purged(store, 91)
        assert await store.events(RowFilter()) == []
        assert await one(store, given_by("shop", "e-1"), 92 * 86400) == other
        assert await one(store, given_by("track", "e-1"), 92 * 86400) == Accepted("e-1")
        assert (await one(store, given_by("pos", "e-1"), 92 * 86400)).given_event_id == "e-1"
        assert len(await store.events(RowFilter())) == 1

    tell(story)


def test_an_id_is_free_again_when_the_ledger_has_forgotten_it(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "e-1"))
        assert await one(store, given_by("shop", "e-1"), 400 * 86400) == Accepted("e-1")

    tell(story)


def test_a_duplicate_whose_id_is_taken_names_its_original_and_both_ids(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "e-1"))
        first = await one(store, given_by("shop", "e-1", order("7")))
        again = await one(store, given_by("shop", "e-2", order("7")))
        assert again == Accepted("e-2", first.event_id)
        taken = await one(store, given_by("pos", "e-2", order("7")))
        assert (taken.duplicate_of, taken.given_event_id) == (first.event_id, "e-2")
        assert await one(store, given_by("pos", "e-2", order("7"))) == taken

    tell(story)


def test_an_idempotency_key_answers_the_made_id_again(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "e-1"))
        request = Idempotency(key("request"), b"h" * 32)
        first = await store.accept_events([given_by("shop", "e-1")], now=NOW, idempotency=request)
        assert first[0].given_event_id == "e-1"
        assert await store.accept_events([given_by("shop", "e-1")], now=NOW, idempotency=request) == first

    tell(story)


def test_an_event_is_shown_by_the_id_that_it_was_given_and_by_the_one_that_was_made(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "e-1"))
        other = await one(store, given_by("shop", "e-1"))
        both = [found for found in await (await applied(store)).show_detail("e-1") if isinstance(found, EventDetail)]
        assert [(found.row.id, found.given_id) for found in both] == [("e-1", None), (other.event_id, "e-1")]
        assert len(await (await applied(store)).show_detail(other.event_id)) == 1

    tell(story)


def test_two_scopes_with_one_id_at_the_same_instant_end_with_two_ids(opener: Opener) -> None:
    async def story() -> None:
        stores = [opener() for _ in range(2)]
        for turn in range(20):
            answers = await asyncio.gather(
                *(
                    one(stores[n % 2], given_by(scope, f"e-{turn}"))
                    for n, scope in enumerate(("track", "shop", "pos", "track"))
                )
            )
            assert answers[0] == answers[3]
            assert len({answer.event_id for answer in answers}) == 3
        assert len(await stores[0].events(RowFilter())) == 60
        for store in stores:
            await store.close()

    asyncio.run(story())


# --------------------------------------------------------------------------------------------------------- webhooks


def test_a_webhooks_event_whose_id_a_caller_used_first_is_made_under_another(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "evt_1"))
        await settled(store, "a", made_by("shopify", "evt_1", order("7")))
        names = await texts(store)
        assert len(set(names)) == 2
        assert len(await store.deliveries(RowFilter())) == 2

    tell(story)


def test_a_replay_of_it_gives_the_same_id_again_and_makes_nothing_new(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "evt_1"))
        number = await settled(store, "a", made_by("shopify", "evt_1", order("7")))
        names = await texts(store)
        await replay_all(store, RowFilter(ids=(f"wh_{number}",)), now=after(5))
        (mine,) = await claim_rows(store, now=after(6), limit=9, lease=timedelta(seconds=9))
        ((known,),) = await complete(store, [Outcome(mine, (made_by("shopify", "evt_1", order("7")),))], now=after(6))
        assert known == Accepted(names[1], None, "evt_1")
        assert await texts(store) == names

    tell(story)


def test_what_is_written_over_keeps_the_id_that_it_got(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await one(store, given_by("track", "evt_1"))
        number = await settled(store, "a", made_by("shopify", "evt_1", order("7")))
        names = await texts(store)
        await sent(store, now=after(1))
        new = made_by("shopify", "evt_1", order("7"))
        new = replace(new, event=replace(new.event, text=b'{"event_id":"evt_1","n":2}'))
        assert await store.rewrite_events(number, [new], now=after(2)) == 1
        assert await texts(store) == names
        assert await sent(store, now=after(3)) == [names[1]]

    tell(story)


def test_an_id_that_a_webhook_made_is_not_a_callers(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await settled(store, "a", made_by("shopify", "evt_1"))
        assert (await one(store, given_by("track", "evt_1"))).given_event_id == "evt_1"

    tell(story)


def test_the_same_events_get_the_same_ids_in_another_store(tmp_path: Path) -> None:
    async def ids(name: str) -> list[str]:
        store = SqliteStore(str(tmp_path / name))
        await one(store, given_by("track", "evt_1"))
        await settled(store, "a", made_by("shopify", "evt_1"))
        await one(store, given_by("shop", "evt_1"))
        found = await texts(store)
        await store.close()
        return found

    assert asyncio.run(ids("a.db")) == asyncio.run(ids("b.db"))


# ------------------------------------------------------------------------------------------- stores of older versions


def test_a_store_that_knew_each_keys_ids_apart_still_knows_them_and_gives_none_away(tmp_path: Path) -> None:
    path = str(tmp_path / "old.db")
    open_file.prepare_file(path, steps=STEPS[:BEFORE_IDS])
    at = int(NOW.timestamp() * 1000)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for number, (origin, name) in enumerate([("key:web", "e-1"), ("key:app", "e-1"), ("source:shopify", "e-2")], 1):
            db.execute(
                """
                INSERT INTO events (number, id, door, event_type, test, text, occurred_at, created_at, notes, hashed,
                claims,
                    differs) VALUES (?, ?, ?, 'lead', 0, '{}', ?, ?, '', '', '', 0)
                """,
                (number, name, origin, at, at),
            )
            db.execute("INSERT INTO ledger VALUES (?, ?, ?)", (dedupe_keys.event_key(origin, name), number, at))
        body = (dedupe_keys.idempotency_key("key:web", "/v1/track", "once"), b"h" * 32, '[["e-1", null]]', at)
        db.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?)", body)

    async def story() -> None:
        store = SqliteStore(path)
        assert await one(store, given_by("track", "e-1", origin="key:web")) == Accepted("e-1")
        assert await one(store, given_by("track", "e-1", origin="key:app")) == Accepted("e-1")
        await settled(store, "a", made_by("shopify", "e-2"))
        assert len(await store.events(RowFilter())) == 3
        for routed in (given_by("track", "e-1", origin="key:new"), given_by("track", "e-2"), made_by("stripe", "e-2")):
            assert (await one(store, routed)).given_event_id == routed.event.id
        once = Idempotency(
            dedupe_keys.idempotency_key(dedupe_keys.scope_name("track"), "/v1/track", "once"), b"h" * 32,
            dedupe_keys.idempotency_key("key:web", "/v1/track", "once"),
        )  # fmt: skip
        assert await store.accept_events([given_by("track", "e-9")], now=NOW, idempotency=once) == (Accepted("e-1"),)
        await store.close()

    asyncio.run(story())


# -------------------------------------------------------------------------------------------------------- any order

WHO = st.sampled_from(["scope:track", "scope:shop", "source:shopify", "source:stripe"])
IDS = st.sampled_from(["a", "b", "c"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.tuples(WHO, IDS), min_size=1, max_size=4), max_size=12))
def test_whatever_is_given_in_whatever_order_one_upstream_id_is_one_event(
    tmp_path_factory: pytest.TempPathFactory, requests: list[list[tuple[str, str]]]
) -> None:
    folder = tmp_path_factory.mktemp("ids")

    async def story() -> None:
        store = SqliteStore(str(folder / "x.db"))
        answers: dict[tuple[str, str], Accepted] = {}
        for request in requests:
            routed = [
                made_by(who.removeprefix("source:"), name)
                if who.startswith("source:")
                else given_by(who.removeprefix("scope:"), name)
                for who, name in request
            ]
            for asked, answer in zip(request, await store.accept_events(routed, now=NOW), strict=True):
                assert answers.setdefault(asked, answer) == answer
                assert answer.given_event_id in {None, asked[1]}
        assert len({answer.event_id for answer in answers.values()}) == len(answers)
        assert sorted(await texts(store)) == sorted(answer.event_id for answer in answers.values())
        await store.close()

    asyncio.run(story())
