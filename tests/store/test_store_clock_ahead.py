"""A clock far ahead takes nothing away: not before an hour of monotonic time has passed with it."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_made import (
    FREELY,
    LEASE,
    NOW,
    SECOND,
    Opener,
    all_of,
    applied,
    apply_log,
    attempt,
    claim_rows,
    claimed,
    complete,
    event,
    ignored,
    keep,
    key,
    order,
    routed,
    sent,
    webhook,
)

from bridge.core.delivery import DeliveryState
from bridge.core.model import Accepted, EventNeeded, Ignored, Routed
from bridge.store.protocol import Idempotency, Outcome, RetentionPolicy, RowFilter, Store, WebhookDetail
from bridge.store.sqlite.db import open_file
from bridge.store.sqlite.db.clock_skew import ClockReadings
from bridge.store.sqlite.schema import STEPS
from bridge.store.sqlite.store import SqliteStore
from bridge.store.sqlite.tables import ledger

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
JUMP = 400 * DAY
BEFORE_CLOCK = 8
"""The version of the schema before a clock could be doubted."""
KEEPING = RetentionPolicy(bodies=30 * DAY, events=90 * DAY, ledger=400 * DAY)


@dataclass
class World:
    """A store, what its machine's clock says, and how long it runs."""

    opener: Opener
    store: Store
    now: datetime = NOW
    ran: timedelta = timedelta()

    def ticks(self) -> float:
        return self.ran.total_seconds()

    async def again(self, *, off: timedelta = timedelta()) -> None:
        """The process ends, and after a while another one begins."""
        await self.store.close()
        self.now += off
        self.store = self.opener(ticks=self.ticks, trial=HOUR)

    async def goes_on(self, length: timedelta, *, step: timedelta = MINUTE) -> None:
        """The loops go round for a while, and find nothing to do."""
        await self.looks()
        for _ in range(length // step):
            self.now += step
            self.ran += step
            await self.looks()

    async def looks(self) -> None:
        await self.store.claim_deliveries("nowhere", now=self.now, pacing=FREELY)

    async def swept(self) -> int:
        taken = 0
        while True:
            step = await self.store.purge(KEEPING, now=self.now, limit=5)
            taken += step.taken
            if not step.more:
                return taken

    async def says(self) -> tuple[datetime, datetime] | None:
        ahead = (await self.store.status_summary(now=self.now)).clock_ahead
        return (ahead.newest_at, ahead.believed_from) if ahead else None


Story = Callable[[World], Awaitable[None]]


@pytest.fixture
def tell(opener: Opener) -> Callable[[Story], None]:
    """Tells a story of one store and its clock."""

    async def whole(story: Story) -> None:
        world = World(opener, opener())
        await world.again()
        await world.looks()
        try:
            await story(world)
        finally:
            await world.store.close()

    return lambda story: asyncio.run(whole(story))


Tell = Callable[[Story], None]


async def names(store: Store) -> set[str]:
    """What the providers call the webhooks that are there."""
    shown = [
        found
        for row in await (await applied(store)).webhooks(RowFilter())
        for found in await (await applied(store)).show_detail(row.id)
    ]
    return {found.webhook.id for found in shown if isinstance(found, WebhookDetail)}


# --------------------------------------------------------------------------------------- a jump, and its correction


def test_a_clock_that_jumps_ahead_for_ten_minutes_and_back_takes_nothing_away(tell: Tell) -> None:
    async def story(world: World) -> None:
        await ignored(world.store, "old")
        await world.store.accept_events([routed("e-1", order("1"))], now=world.now)
        await sent(world.store, now=world.now)
        await world.store.accept_events([routed("e-2")], now=world.now)
        before = world.now
        world.now += JUMP
        await world.goes_on(10 * MINUTE)
        assert await world.swept() == 0
        assert await world.says() == (before, world.now + 50 * MINUTE)
        assert await world.store.accept_events([routed("e-3", order("1"))], now=world.now) == (Accepted("e-3", "e-1"),)
        assert await sent(world.store, now=world.now) == ["e-2"]
        world.now -= JUMP
        await world.goes_on(MINUTE)
        assert await world.says() is None
        assert await world.swept() == 0
        assert len(await (await applied(world.store)).webhooks(RowFilter())) == 1
        assert len(await world.store.events(RowFilter())) == 3
        assert await world.store.accept_events([routed("e-4", order("1"))], now=world.now) == (Accepted("e-4", "e-1"),)

    tell(story)


def test_a_delivery_is_not_given_up_by_a_clock_that_jumped_nor_after_it(tell: Tell) -> None:
    async def story(world: World) -> None:
        await world.store.accept_events([routed("e-1")], now=world.now)
        for jump in (timedelta(), JUMP, -JUMP):
            world.now += jump
            await world.looks()
            found = await claimed(world.store, now=world.now)
            assert found.deliveries[0].tried_for < HOUR
            later = all_of(found, DeliveryState.PENDING, reason="503", next_attempt_at=world.now + 30 * SECOND)
            await world.store.record_attempt(
                found, attempt(at=world.now, status=503), later, found.destination_state, now=world.now
            )
            await world.goes_on(MINUTE)

    tell(story)


def test_what_comes_in_while_the_clock_is_ahead_is_translated_and_delivered_then_and_afterwards(tell: Tell) -> None:
    async def story(world: World) -> None:
        world.now += JUMP
        await world.looks()
        await keep(world.store, webhook("meanwhile", at=world.now))
        (mine,) = await claim_rows(world.store, now=world.now, limit=9, lease=LEASE)
        await complete(world.store, [Outcome(mine, (routed("e-1"),))], now=world.now)
        assert await sent(world.store, now=world.now) == ["e-1"]
        await keep(world.store, webhook("placed", at=world.now))
        await world.store.keep([webhook("fresh", at=world.now)])
        await world.store.accept_events([routed("e-2")], now=world.now)
        world.now -= JUMP
        await world.goes_on(MINUTE)
        assert await sent(world.store, now=world.now) == ["e-2"]
        await apply_log(world.store, limit=9)
        found = await claim_rows(world.store, now=world.now + 10 * SECOND, limit=9, lease=LEASE)
        assert [one.id for one in found] == ["placed", "fresh"]

    tell(story)


def test_what_waits_for_its_time_waits_no_less_because_a_clock_jumped_and_was_set_right(tell: Tell) -> None:
    async def story(world: World) -> None:
        await world.store.accept_events([routed("e-1")], now=world.now)
        world.now += JUMP
        await world.looks()
        found = await claimed(world.store, now=world.now)
        later = all_of(found, DeliveryState.PENDING, reason="503", next_attempt_at=world.now + 30 * MINUTE)
        await world.store.record_attempt(
            found, attempt(at=world.now, status=503), later, found.destination_state, now=world.now
        )
        world.now += 10 * MINUTE - JUMP
        world.ran += 10 * MINUTE
        await world.looks()
        assert await sent(world.store, now=world.now + 19 * MINUTE) == []
        assert await sent(world.store, now=world.now + 31 * MINUTE) == ["e-1"]

    tell(story)


@pytest.mark.parametrize("jump", [JUMP, HOUR])
def test_what_was_on_its_way_to_the_store_when_the_clock_was_set_back_is_delivered_without_the_wait(
    tell: Tell, jump: timedelta
) -> None:
    async def story(world: World) -> None:
        world.now += jump
        await world.store.accept_events([routed("e-1")], now=world.now)
        found = await claimed(world.store, now=world.now)
        later = all_of(found, DeliveryState.PENDING, reason="503", next_attempt_at=world.now + 30 * SECOND)
        ahead = world.now
        world.now -= jump
        await world.looks()
        await world.store.accept_events([routed("e-2")], now=ahead)  # each read the clock before it was set right
        await world.store.record_attempt(
            found, attempt(at=ahead, status=503), later, found.destination_state, now=ahead
        )
        await world.goes_on(MINUTE)
        assert sorted(await sent(world.store, now=world.now)) == ["e-1", "e-2"]
        assert await world.says() is None

    tell(story)


def test_one_jump_that_was_corrected_does_not_hide_the_next(tell: Tell) -> None:
    async def story(world: World) -> None:
        await ignored(world.store, "old")
        for _ in range(3):
            world.now += JUMP
            await world.goes_on(40 * MINUTE)
            assert await world.swept() == 0
            assert await world.says()
            world.now -= JUMP
            await world.goes_on(MINUTE)

    tell(story)


def test_rows_from_the_future_do_not_keep_what_follows_them(tell: Tell) -> None:
    async def story(world: World) -> None:
        world.now += JUMP
        await world.looks()
        for number in range(12):  # more than a step looks at
            await keep(world.store, webhook(f"ahead-{number}", at=world.now))
        found = await claim_rows(world.store, now=world.now, limit=99, lease=LEASE)
        await complete(world.store, [Outcome(one, Ignored("no")) for one in found], now=world.now)
        await world.store.accept_events([routed(f"e-{number}", routes=()) for number in range(12)], now=world.now)
        world.now -= JUMP
        await world.looks()
        await ignored(world.store, "after")
        await world.store.accept_events([routed("e-after", routes=())], now=world.now)
        await world.goes_on(100 * DAY, step=DAY)
        await world.swept()
        assert "after" not in await names(world.store)
        assert "e-after" not in {row.id for row in await world.store.events(RowFilter())}

    tell(story)


# ------------------------------------------------------------------------------------------- a clock that is right


def test_after_a_hundred_days_off_the_purge_resumes_when_it_has_run_for_an_hour(tell: Tell) -> None:
    async def story(world: World) -> None:
        await ignored(world.store, "old")
        before = world.now
        await world.again(off=100 * DAY)
        await world.goes_on(59 * MINUTE)
        assert await world.swept() == 0
        assert await world.says() == (before, before + 100 * DAY + HOUR)
        await world.goes_on(2 * MINUTE)
        assert await world.says() is None
        assert await world.swept() == 2  # the webhook and its body
        assert await (await applied(world.store)).webhooks(RowFilter()) == []

    tell(story)


def test_a_process_that_ran_all_the_while_without_a_look_at_the_clock_believes_it(tell: Tell) -> None:
    async def story(world: World) -> None:
        await ignored(world.store, "old")
        world.now += 100 * DAY
        world.ran += 100 * DAY
        assert await world.swept() == 2

    tell(story)


def test_a_day_is_believed_at_once(tell: Tell) -> None:
    async def story(world: World) -> None:
        await world.again(off=DAY)
        await world.looks()
        assert await world.says() is None
        await world.again(off=DAY + MINUTE)
        await world.looks()
        assert await world.says() is not None

    tell(story)


def test_a_restart_in_the_middle_goes_on_where_the_hour_was_and_time_off_counts_for_nothing(tell: Tell) -> None:
    async def story(world: World) -> None:
        await ignored(world.store, "old")
        world.now += JUMP
        await world.goes_on(30 * MINUTE)
        await world.again(off=20 * MINUTE)
        await world.goes_on(29 * MINUTE)
        assert await world.swept() == 0
        assert await world.says() == (NOW, world.now + MINUTE)
        await world.again()
        await world.goes_on(2 * MINUTE)
        assert await world.swept() == 3  # the webhook, its body and its ledger key

    tell(story)


def test_two_processes_confirm_an_hour_once_and_not_each_half_of_it(opener: Opener) -> None:
    async def story() -> None:
        ran = timedelta()

        def ticks() -> float:
            return ran.total_seconds()

        stores = [opener(ticks=ticks, trial=HOUR) for _ in range(3)]
        now = NOW
        for store in stores:
            await store.claim_deliveries("nowhere", now=now, pacing=FREELY)
        now += JUMP
        for _ in range(59):
            for store in stores:
                await store.claim_deliveries("nowhere", now=now, pacing=FREELY)
            now, ran = now + MINUTE, ran + MINUTE
        assert (await stores[0].status_summary(now=now)).clock_ahead is not None
        for _ in range(2):
            await stores[0].claim_deliveries("nowhere", now=now, pacing=FREELY)
            now, ran = now + MINUTE, ran + MINUTE
        assert (await stores[0].status_summary(now=now)).clock_ahead is None
        for store in stores:
            await store.close()

    asyncio.run(story())


def test_a_clock_that_jumps_again_begins_its_hour_anew(tell: Tell) -> None:
    async def story(world: World) -> None:
        await ignored(world.store, "old")
        for jump in (JUMP, JUMP, -JUMP):
            world.now += jump
            await world.goes_on(40 * MINUTE)
            assert await world.swept() == 0
        await world.goes_on(21 * MINUTE)
        assert await world.says() is None

    tell(story)


def test_monotonic_time_that_did_not_pass_confirms_nothing(tell: Tell) -> None:
    async def story(world: World) -> None:
        world.now += JUMP
        for _ in range(200):
            world.now += 5 * MINUTE
            await world.looks()
        assert await world.says() is not None

    tell(story)


def test_a_store_of_an_earlier_version_has_a_believed_time_when_it_is_opened(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    open_file.prepare_file(path, steps=STEPS[:BEFORE_CLOCK])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO probes VALUES (1, ?)", (int(NOW.timestamp() * 1000),))

    async def story() -> None:
        store = SqliteStore(path)
        await store.claim_deliveries("nowhere", now=NOW + JUMP, pacing=FREELY)
        ahead = (await store.status_summary(now=NOW + JUMP)).clock_ahead
        assert ahead
        assert ahead.newest_at == NOW
        await store.close()

    asyncio.run(story())


# ------------------------------------------------------------------------------------------------- a first start


def test_a_first_start_with_a_clock_that_is_ahead_works_and_setting_it_right_poisons_nothing(opener: Opener) -> None:
    async def story() -> None:
        world = World(opener, opener(), now=NOW + JUMP)
        await world.again()
        await world.looks()
        await keep(world.store, webhook("a", at=world.now))
        (mine,) = await claim_rows(world.store, now=world.now, limit=9, lease=LEASE)
        await complete(world.store, [Outcome(mine, (routed("e-1"),))], now=world.now)
        assert await world.says() is None
        world.now = NOW
        await world.goes_on(MINUTE)
        await ignored(world.store, "b")
        assert await sent(world.store, now=world.now) == ["e-1"]
        world.now += JUMP
        await world.goes_on(MINUTE)
        assert await world.says() is not None
        assert await world.swept() == 0
        await world.store.close()

    asyncio.run(story())


# --------------------------------------------------------------------------------------------------- what waits


async def waiting(world: World, name: str) -> None:
    """A webhook waits for the event of order 7, an hour from its receipt."""
    await keep(world.store, webhook(name, at=world.now))
    found = await claim_rows(world.store, now=world.now, limit=9, lease=LEASE)
    wanting = EventNeeded((order("7"),), "purchase", world.now + HOUR)
    await complete(world.store, [Outcome(one, wanting) for one in found], now=world.now)


async def due(world: World) -> list[tuple[str, bool]]:
    found = await claim_rows(world.store, now=world.now, limit=9, lease=LEASE)
    return [(one.id, one.waited) for one in found]


def test_a_jump_ends_no_wait_for_an_event_and_neither_does_its_correction(tell: Tell) -> None:
    async def story(world: World) -> None:
        await waiting(world, "refund")
        world.now += JUMP
        for _ in range(10):
            await world.goes_on(MINUTE)
            assert await due(world) == []
        world.now -= JUMP
        await world.goes_on(MINUTE)
        assert await due(world) == []
        await world.goes_on(48 * MINUTE)
        assert await due(world) == []
        await world.goes_on(MINUTE)
        assert await due(world) == [("refund", True)]

    tell(story)


def test_the_event_ends_the_wait_while_the_clock_is_ahead(tell: Tell) -> None:
    async def story(world: World) -> None:
        await waiting(world, "refund")
        world.now += JUMP
        await world.looks()
        await world.store.accept_events([routed("e-1", order("7"))], now=world.now)
        assert await due(world) == [("refund", False)]

    tell(story)


def test_a_wait_that_was_written_after_the_clock_was_set_back_takes_its_hour_and_no_year(tell: Tell) -> None:
    async def story(world: World) -> None:
        world.now += JUMP
        await keep(world.store, webhook("refund", at=world.now))
        found = await claim_rows(world.store, now=world.now, limit=9, lease=LEASE)
        ahead = world.now
        world.now -= JUMP
        await world.looks()
        wanting = EventNeeded((order("7"),), "purchase", ahead + HOUR)
        await complete(world.store, [Outcome(one, wanting) for one in found], now=ahead)
        await world.goes_on(59 * MINUTE)
        assert await due(world) == []
        await world.goes_on(2 * MINUTE)
        assert await due(world) == [("refund", True)]

    tell(story)


def test_what_began_to_wait_while_the_clock_was_ahead_waits_its_hour_and_no_year(tell: Tell) -> None:
    async def story(world: World) -> None:
        world.now += JUMP
        await world.looks()
        await waiting(world, "before")
        await keep(world.store, webhook("unplaced", at=world.now))
        until = world.now + HOUR
        world.now -= JUMP
        await world.looks()
        world.now += 10 * SECOND
        found = await claim_rows(world.store, now=world.now, limit=9, lease=LEASE)
        assert [one.id for one in found] == ["unplaced"]
        await complete(world.store, [Outcome(found[0], EventNeeded((order("7"),), "purchase", until))], now=world.now)
        await world.goes_on(58 * MINUTE)
        assert await due(world) == []
        await world.goes_on(3 * MINUTE)
        assert await due(world) == [("before", True), ("unplaced", True)]

    tell(story)


# ------------------------------------------------------------------------------------------------------- it is told


def test_the_log_tells_a_clock_ahead_in_one_line_and_its_end_in_another(
    tell: Tell, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(world: World) -> None:
        world.now += JUMP
        await world.goes_on(30 * MINUTE)
        await world.again()
        await world.goes_on(31 * MINUTE)

    with caplog.at_level(logging.INFO, logger="trackbridge"):
        tell(story)
    said = [one.getMessage() for one in caplog.records if one.getMessage().startswith("clock.")]
    assert [one.split()[0] for one in said] == ["clock.ahead", "clock.believed"]
    assert "newest=2025-03-01T12:00:00+00:00" in said[0]
    assert "believed_from=2026-04-05T13:00:00+00:00" in said[0]


# ------------------------------------------------------------------------------------------------------- any clock

DEEDS = st.one_of(
    st.tuples(st.just("runs"), st.sampled_from([MINUTE, 5 * MINUTE, 20 * MINUTE])),
    st.tuples(st.just("runs"), st.sampled_from([5 * DAY, 40 * DAY, 200 * DAY])),
    st.tuples(st.just("is off"), st.sampled_from([HOUR, 3 * DAY, 150 * DAY])),
    st.tuples(st.just("is wrong for a while"), st.sampled_from([2 * DAY, 120 * DAY, JUMP, 5 * JUMP])),
    st.tuples(st.just("gets rows"), st.just(timedelta())),
)


class Truth:
    """Rows and when they truly came, beside a store that knows only what its clock says."""

    def __init__(self, world: World, path: str) -> None:
        self.world = world
        self.path = path
        self.true = NOW
        self.names = 0
        self.came: dict[str, datetime] = {}

    async def runs(self, length: timedelta) -> None:
        """In at most so many steps that a year is over soon."""
        step = max(MINUTE, length / 40)
        self.true += step * (length // step)
        await self.world.goes_on(length, step=step)

    async def comes(self) -> None:
        self.names += 1
        name = str(self.names)
        await ignored(self.world.store, name, at=self.world.now)
        request = Idempotency(key(f"r-{name}"), b"h" * 32)
        made = Routed(event(f"e-{name}", order(name)), ())
        await self.world.store.accept_events([made], now=self.world.now, idempotency=request)
        self.came[name] = self.true

    async def holds(self) -> None:
        """Nothing went before its time: no row, no key in the ledger, no answer to an Idempotency-Key."""
        await self.world.swept()
        events = {row.id.removeprefix("e-") for row in await self.world.store.events(RowFilter())}
        with closing(sqlite3.connect(self.path)) as db:
            keys = {order(name): name for name in self.came}
            known = {keys[key] for key in ledger.find_keys(db, list(keys))}
            answers = {
                json.loads(answer)[0][0].removeprefix("e-")
                for (answer,) in db.execute("SELECT answer FROM idempotency")
            }
        for there, kept in (
            (await names(self.world.store), KEEPING.events),
            (events, KEEPING.events),
            (known, KEEPING.ledger),
            (answers, 2 * DAY),
        ):
            assert {name for name, at in self.came.items() if at + kept > self.true} <= there


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(DEEDS, min_size=1, max_size=12))
def test_whatever_a_clock_does_for_a_while_nothing_goes_before_its_true_age(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, timedelta]]
) -> None:
    path = str(tmp_path_factory.mktemp("clock") / "x.db")

    def opened(*, ticks: Callable[[], float] = float, trial: timedelta = HOUR, **_: timedelta) -> Store:
        return SqliteStore(path, clocks=ClockReadings(ticks, trial=trial))

    async def story() -> None:
        world = World(opened, opened())
        await world.again()
        truth = Truth(world, path)
        await truth.comes()
        for what, length in steps:
            match what:
                case "runs":
                    await truth.runs(length)
                case "is off":
                    truth.true += length
                    await world.again(off=length)
                    await world.looks()
                case "gets rows":
                    await truth.comes()
                case _:
                    world.now += length
                    await truth.runs(20 * MINUTE)
                    await truth.comes()
                    await truth.holds()
                    world.now -= length
                    await world.looks()
            await truth.holds()
        await world.store.close()

    asyncio.run(story())
