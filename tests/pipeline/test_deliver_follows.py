"""Refunds at Google: each is told only of a purchase that Google surely took, as what is left of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from delivering import NOON, Seen, Time, delivery_loops, detail, lived, opened, rows, run
from hypothesis import given, settings
from hypothesis import strategies as st
from upstreams.google_ads import GoogleAdsUpstream

from bridge import contract
from bridge.core.delivery import DeliveryState, Outgoing, Response
from bridge.core.model import Event, Routed
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.language.files import load_kind
from bridge.destinations.reloadable import ReloadableDestination
from bridge.settings.destinations import make_router
from bridge.status.kept_request import rebuild_request
from bridge.store.protocol import RowFilter
from bridge.store.sqlite.store import SqliteStore

OAUTH = '{"client_id": "c", "client_secret": "client-secret-1", "refresh_token": "refresh-token-1"}'
MINUTE = timedelta(minutes=1)
PARTIAL = {
    "requestStatus": "PARTIAL_SUCCESS",
    "errorInfo": {"errorCounts": [{"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_EVENT_TOO_OLD"}]},
}
FAILED = {"requestStatus": "FAILED"}
PROCESSING = {"requestStatus": "PROCESSING"}


def google(**more: Any) -> ReloadableDestination:
    platform = load_kind("google_ads", None)
    assert platform is not None
    options = {
        "customer": "1234567890", "oauth": OAUTH, "without_consent": "send", "rate": "0",
        "events": {"purchase": "555111"}, **more,
    }  # fmt: skip
    return ReloadableDestination(DeclaredDestination.from_options(platform, "google", options), options)


@dataclass
class Shop:
    """A store, Google, and the time, which passes while nothing is to be done."""

    store: SqliteStore
    time: Time
    destination: ReloadableDestination = field(default_factory=google)
    ads: GoogleAdsUpstream = field(default_factory=GoogleAdsUpstream)
    lost: list[bool] = field(default_factory=list)
    """Of the next requests, whether the answer is lost."""

    async def tell(self, event_type: str, number: int, order: str, value: str, currency: str = "EUR") -> None:
        event = event_of(event_type, number, order, value, currency)
        routes = make_router({"google": self.destination})(event, None)
        await self.store.accept_events([Routed(event, routes)], now=self.time.now)

    async def send(self, outgoing: Outgoing) -> Response:
        """Hand a request to the fake of Google, or fetch a token."""
        if "oauth2.googleapis.com" in outgoing.url:
            return Response(200, {}, '{"access_token": "living", "expires_in": 3599}')
        request = httpx.Request(outgoing.method, outgoing.url, headers=dict(outgoing.headers), content=outgoing.body)
        given = await httpx.ASGITransport(app=self.ads.app).handle_async_request(request)
        await given.aread()
        if outgoing.method == "POST" and self.lost and self.lost.pop(0):
            return Response(None, failure="timeout", sent=True)
        return Response(given.status_code, {}, given.text)

    async def pass_time(self, time: timedelta) -> None:
        self.time.go_on(until=self.time.now + time)
        await lived(
            delivery_loops(self.store, self.time, self.send, destination=self.destination, seen=Seen()), self.time
        )

    async def outcomes(self) -> list[tuple[str, str | None]]:
        """State and reason of each delivery, oldest first; what Google calls a request is left out."""
        found = [(str(row.state), row.reason) for row in await rows(self.store)]
        return [(state, None if state == DeliveryState.DELIVERED else reason) for state, reason in found]

    @property
    def values(self) -> list[tuple[str, Any]]:
        """What Google was told, in order: ids and values."""
        return [(one["transactionId"], one["conversionValue"]) for one in self.ads.taken]


def event_of(event_type: str, number: int, order: str, value: str, currency: str) -> Event:
    raw = {
        "event_type": event_type,
        "event_id": f"evt_{number}",
        "timestamp": "2026-03-01T11:59:00Z",
        "properties": {"order_id": order, "value": Decimal(value), "currency": currency},
        "user_data": {"email": "jane@mail.example"},
    }
    return contract.validate_event(raw, origin="key:a", scope="track", received_at=NOON, default_id="evt_x", dedupe=())


async def in_shop(folder: Path, story: Any, **options: Any) -> None:
    async with opened(folder) as store:
        await story(Shop(store, Time(), google(**options)))


def test_a_refund_waits_until_google_took_its_purchase_and_says_what_is_left(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        await shop.tell("purchase", 1, "1001", "20")
        await shop.tell("refund", 2, "1001", "4.90")
        await shop.tell("refund", 3, "1001", "0.10")
        await shop.pass_time(5 * MINUTE)
        waits = ("pending", "the platform has not said yet what became of its purchase")
        assert await shop.outcomes() == [("delivered", None), waits, waits]
        await shop.pass_time(30 * MINUTE)
        assert shop.values == [("1001", 20), ("1001", 15.1), ("1001", 15)]
        assert await shop.outcomes() == [("delivered", None)] * 3
        assert sum(one.method == "GET" for one in shop.ads.received) == 1
        assert not shop.ads.faults
        _, refund, _ = [await detail(shop.store, row.id) for row in await rows(shop.store)]
        shown = rebuild_request(refund, lambda *_: (shop.destination, None))
        assert shown is not None
        assert shown.missing == "it said what was left of the event that it follows, which is not kept"

    run(lambda: in_shop(tmp_path, story))


def test_the_refund_of_a_purchase_of_last_month_asks_at_once(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        await shop.tell("purchase", 1, "1001", "20")
        await shop.pass_time(timedelta(days=30))
        await shop.tell("refund", 2, "1001", "5")
        await shop.pass_time(MINUTE)
        assert shop.values == [("1001", 20), ("1001", 15)]

    run(lambda: in_shop(tmp_path, story))


def test_a_refund_of_more_than_is_left_leaves_nothing_and_never_less(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        await shop.tell("purchase", 1, "1001", "20")
        for number in (2, 3):
            await shop.tell("refund", number, "1001", "15")
        await shop.pass_time(60 * MINUTE)
        assert shop.values == [("1001", 20), ("1001", 5), ("1001", 0)]

    run(lambda: in_shop(tmp_path, story))


def test_a_refund_is_skipped_where_google_may_not_know_its_purchase(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        shop.ads.dislikes = "1003"
        await shop.tell("refund", 1, "1001", "5")  # of an order that was never told
        for number, order in enumerate(("1002", "1003"), 2):
            await shop.tell("purchase", number, order, "20")
        await shop.pass_time(MINUTE)
        shop.ads.statuses = dict.fromkeys(shop.ads.requests, PARTIAL)
        for number, order in enumerate(("1002", "1003"), 4):
            await shop.tell("refund", number, order, "5")
        await shop.pass_time(60 * MINUTE)
        assert (await shop.outcomes())[0] == (
            "skipped",
            "its purchase or subscription was not sent here",
        )
        assert (await shop.outcomes())[3:] == [
            ("skipped", "its purchase may have been refused later"),
            ("skipped", "its purchase was refused or given up"),
        ]
        assert shop.values == [("1002", 20)]

    run(lambda: in_shop(tmp_path, story))


def test_a_refund_in_another_currency_or_of_one_of_several_payments_is_skipped(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        await shop.tell("purchase", 1, "1001", "20")
        await shop.tell("refund", 2, "1001", "5", "USD")
        await shop.pass_time(60 * MINUTE)
        assert (await shop.outcomes())[1] == ("skipped", "its purchase has another currency")
        assert shop.values == [("1001", 20)]

    run(lambda: in_shop(tmp_path, story))


def test_a_verdict_that_never_comes_is_asked_for_ever_more_seldom_and_given_up(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        shop.ads.statuses = {"request-1": PROCESSING}
        await shop.tell("purchase", 1, "1001", "20")
        await shop.tell("refund", 2, "1001", "5")
        await shop.pass_time(timedelta(days=4))
        assert (await shop.outcomes())[1] == ("skipped", "nobody knows what became of its purchase")
        assert sum(one.method == "GET" for one in shop.ads.received) < 25
        assert shop.values == [("1001", 20)]

    run(lambda: in_shop(tmp_path, story))


def test_what_can_be_sent_does_not_wait_for_many_questions_that_get_no_answer(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        for number in range(4):
            await shop.tell("purchase", number, f"100{number}", "20")
            await shop.pass_time(MINUTE)
        for number in range(4):
            await shop.tell("refund", 10 + number, f"100{number}", "5")
        await shop.pass_time(20 * MINUTE)
        shop.ads.requests.clear()  # Google knows none of them: its answers are 404
        asked = len(shop.ads.received)
        await shop.pass_time(12 * MINUTE)
        for number in range(4):
            await shop.tell("purchase", 20 + number, f"200{number}", "20")
        await shop.pass_time(MINUTE)
        assert len(shop.ads.taken) == 8
        assert [one.method for one in shop.ads.received[asked:]].count("GET") <= 4
        assert {reason for _, reason in (await shop.outcomes())[4:8]} == {
            "the platform has not said yet what became of its purchase"
        }

    run(lambda: in_shop(tmp_path, story))


def test_refunds_are_not_sent_where_the_operator_wants_none(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        await shop.tell("purchase", 1, "1001", "20")
        await shop.tell("refund", 2, "1001", "5")
        await shop.pass_time(60 * MINUTE)
        assert (await shop.outcomes())[1] == ("skipped", "refund is not among its events")

    run(lambda: in_shop(tmp_path, story, events={"purchase": "555111", "refund": None}))


TROUBLES = (None, 503, 429, {"bad": [0]}, "lost", PARTIAL, FAILED, PROCESSING)
"""What happens to the next request: nothing, what Google answers, that its answer is lost, or what is said later of it."""
STEP = st.tuples(
    st.sampled_from(("purchase", "refund", "refund")),
    st.sampled_from(("1001", "1002")),
    st.sampled_from(("0.1", "0.2", "20")),
    st.sampled_from(TROUBLES),
    st.sampled_from((0, 0.5, 40)),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(STEP, max_size=10), st.sampled_from((1, 3)))
def test_whatever_happens_google_is_never_told_of_more_than_the_purchase_or_of_an_id_it_has_not_seen(
    steps: Sequence[tuple[str, str, str, Any, float]], concurrency: int
) -> None:
    bought: dict[str, str] = {}
    for what, order, value, _, _ in steps:
        if what == "purchase":
            bought.setdefault(order, value)

    async def story(shop: Shop) -> None:
        shop.ads.sold = {order: float(value) for order, value in bought.items()}
        for number, step in enumerate(steps):
            await take_step(shop, number, *step)
        shop.ads.script.clear()
        await shop.pass_time(timedelta(days=5))
        assert not shop.ads.faults
        assert DeliveryState.PENDING not in {row.state for row in await rows(shop.store)}
        seen: dict[str, list[Decimal]] = {}
        for order, told in shop.values:
            seen.setdefault(order, []).append(Decimal(str(told)))
        for order, all_told in seen.items():
            whole = Decimal(bought[order])
            assert all(0 <= one <= whole for one in all_told)
            assert all_told[-1] in await possible_rests(shop.store, order, whole)

    with TemporaryDirectory() as folder:
        asyncio.run(in_shop(Path(folder), story, concurrency=str(concurrency)))


async def take_step(  # noqa: PLR0913, PLR0917  the parts of a step
    shop: Shop, number: int, what: str, order: str, value: str, trouble: Any, minutes: float
) -> None:
    if trouble == "lost":
        shop.lost.append(True)
    elif isinstance(trouble, dict) and "requestStatus" in trouble:
        shop.ads.statuses[f"request-{len(shop.ads.received) + 1}"] = trouble
    elif trouble is not None:
        shop.ads.script.append(trouble)
    await shop.tell(what, number, order, value)
    if minutes:
        await shop.pass_time(minutes * MINUTE)


async def possible_rests(store: SqliteStore, order: str, whole: Decimal) -> set[Decimal]:
    """What may be left of an order: less what was delivered, and perhaps what was given up after an answer was lost."""
    refunds = [one for one in await store.events(RowFilter()) if (one.order_id, one.event_type) == (order, "refund")]
    rests = {whole}
    for one in refunds:
        less = {rest - Decimal(one.value or 0) for rest in rests}
        rests = less if one.delivery == "delivered" else rests | less if one.delivery == "dead" else rests
    return {max(rest, Decimal(0)) for rest in rests}
