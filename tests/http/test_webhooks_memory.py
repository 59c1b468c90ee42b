"""What a stranger's webhook may hold of the memory.

Nothing before its head could be genuine, little before its body is.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import StoreUnavailable
from bridge.core.model import Webhook
from bridge.http import body
from bridge.http.body import SMALL
from bridge.http.body_budget import BodyBudget
from bridge.http.peer_address import TrustedProxies
from bridge.http.refusals import RefusalCounter
from bridge.http.webhooks import WebhookReceiver
from bridge.settings.sources import load_mappings
from bridge.store.sqlite.store import SqliteStore
from bridge.store.status_views import RefusedRequests

SECRET = "a-secret-of-some-length"
LIMIT = 16 * SMALL
TOTAL = 4 * LIMIT
CHUNK = SMALL // 2
NOW = datetime(2026, 4, 14, tzinfo=UTC)
SHOPIFY = load_mappings(None)["shopify"].bind_source("shopify", secrets=(SECRET,), vars={})
"""The shipped mapping's source."""


class Disk(SqliteStore):
    """A store whose disk takes as long as the test wants, and may fail."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.disk = asyncio.Event()
        self.disk.set()
        self.broken = False

    async def keep(self, webhooks: Sequence[Webhook]) -> None:
        await self.disk.wait()
        if self.broken:
            raise StoreUnavailable("the disk is full")
        self.sizes += [len(webhook.body) for webhook in webhooks]

    async def add_refused(self, refused: Sequence[RefusedRequests]) -> None:
        """Counts of refused requests are about no memory."""


class Chunk(bytes):
    """Bytes that count how many of their kind somebody holds."""

    held = 0

    def __del__(self) -> None:
        Chunk.held -= 1


@dataclass
class Sender:
    """One who sends a request in chunks, each when it is let; what it saw is in `sent`."""

    chunks: list[bytes]
    headers: list[tuple[bytes, bytes]]
    client: str = "192.0.2.1"
    stops_after: int | None = None
    hangs_up: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    asked_before_the_answer: int = 0

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if not self.sent:
            self.asked_before_the_answer += 1
        await asyncio.sleep(0)
        if self.asked - 1 == self.stops_after:
            if not self.hangs_up:
                await self.gone.wait()
            return {"type": "http.disconnect"}
        if not self.chunks:
            return {"type": "http.disconnect"}
        content = self.chunks.pop(0)
        Chunk.held += 1
        return {"type": "http.request", "body": Chunk(content), "more_body": bool(self.chunks)}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def sender(
    size: int, *, signature: str | None = "right", declared: bool = True, chunk: int = CHUNK, **more: Any
) -> Sender:
    content = b'{"id":1,"x":"' + b"x" * (size - 15) + b'"}'
    headers = [(b"host", b"bridge"), (b"x-shopify-topic", b"orders/paid")]
    headers += [(b"content-length", str(size).encode())] if declared else [(b"transfer-encoding", b"chunked")]
    if signature:
        made = base64.b64encode(hmac.digest(SECRET.encode(), content, "sha256"))
        headers.append((b"x-shopify-hmac-sha256", made if signature == "right" else base64.b64encode(bytes(32))))
    return Sender([content[at : at + chunk] for at in range(0, size, chunk)], headers, **more)


@dataclass
class Seen:
    """Who watches."""

    outcomes: list[str] = field(default_factory=list)

    def count_webhook_request(self, source: str, outcome: str, *, seconds: float) -> None:
        self.outcomes.append(outcome)


@dataclass
class Place:
    """The endpoint on its own, its store and its budget."""

    store: Disk
    budget: BodyBudget
    seen: Seen
    receiver: WebhookReceiver

    async def ask(self, asked: Sender) -> Sender:
        scope = {
            "type": "http", "method": "POST", "path": "/webhooks/shopify", "query_string": b"",
            "path_params": {"source": "shopify"}, "headers": asked.headers, "client": (asked.client, 1),
        }  # fmt: skip
        await self.receiver(scope, asked.receive, asked.send)
        return asked

    def nothing_is_held(self) -> None:
        assert (self.budget.held, self.budget.held_large) == (0, 0)
        assert not self.budget.held_by
        assert not self.budget.small_arriving
        assert not self.budget.large_arriving
        assert Chunk.held == 0


def placed(*, trusted: Sequence[str] = (), now: Callable[[], float] = lambda: 0.0) -> Place:
    budget = BodyBudget(TOTAL, peer=TrustedProxies([ip_network(one) for one in trusted]).peer_of, now=now)
    store, seen = Disk(), Seen()
    return Place(
        store,
        budget,
        seen,
        WebhookReceiver(
            sources=lambda: {"shopify": SHOPIFY},
            store=store,
            limit=LIMIT,
            budget=budget,
            clock=lambda: NOW,
            notify=lambda: None,
            metrics=seen,
            refusals=RefusalCounter(store, clock=lambda: NOW, sources=tuple),
        ),
    )


@pytest.fixture(autouse=True)
def _counted_anew() -> None:
    Chunk.held = 0


def ran(story: Callable[[Place], Awaitable[None]], **more: Any) -> None:
    async def run() -> None:
        place = placed(**more)
        await story(place)
        place.nothing_is_held()

    asyncio.run(run())


# ------------------------------------------------------------------------------------------------- before the body


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("size", [100, LIMIT])
def test_without_the_signatures_header_401_comes_before_a_byte_is_asked_for(declared: bool, size: int) -> None:  # noqa: FBT001
    async def story(place: Place) -> None:
        asked = await place.ask(sender(size, signature=None, declared=declared))
        assert (asked.status, asked.asked_before_the_answer) == (401, 0)
        assert place.store.sizes == []

    ran(story)


def test_each_refusal_is_counted_for_its_reason() -> None:
    async def story(place: Place) -> None:
        await place.ask(sender(100, signature=None))
        await place.ask(sender(100, signature="wrong"))
        async with strangers(place, *slow(LIMIT, 1)):
            await place.ask(sender(LIMIT))
            assert place.seen.outcomes == ["refused:missing", "refused:mismatch", "no_room"]

    ran(story)


def test_a_wrong_signature_is_refused_when_the_body_is_there_and_nothing_of_it_is_held() -> None:
    async def story(place: Place) -> None:
        assert (await place.ask(sender(LIMIT, signature="wrong"))).status == 401

    ran(story)


def test_a_genuine_body_is_kept_whether_it_is_there_at_once_or_arrives_slowly() -> None:
    async def story(place: Place) -> None:
        for size, chunk in ((100, 100), (100, 7), (LIMIT, LIMIT), (LIMIT, CHUNK)):
            for declared in (True, False):
                assert (await place.ask(sender(size, chunk=chunk, declared=declared))).status == 200
        assert place.store.sizes == [100, 100, 100, 100, LIMIT, LIMIT, LIMIT, LIMIT]

    ran(story)


def test_of_many_unwanted_bodies_at_once_only_some_are_read_so_that_their_senders_see_the_answer() -> None:
    async def story(place: Place) -> None:
        many = [sender(LIMIT, signature=None, stops_after=3) for _ in range(2 * body.WASTED_AT_ONCE)]
        async with strangers(place, *many):
            assert {one.status for one in many} == {401}
            assert sum(one.asked > 0 for one in many) == body.WASTED_AT_ONCE
        alone = await place.ask(sender(LIMIT, signature=None))
        assert (alone.status, alone.chunks) == (401, [])

    ran(story)


# ------------------------------------------------------------------------------------------------------- the budget


@asynccontextmanager
async def strangers(place: Place, *senders: Sender) -> Any:
    """Those who send what they have and then wait, until the end of the block, when they hang up."""
    tasks = [asyncio.create_task(place.ask(one)) for one in senders]
    for _ in range(200):
        await asyncio.sleep(0)
    yield tasks
    for one in senders:
        one.gone.set()
    await asyncio.gather(*tasks, return_exceptions=True)


def slow(size: int, count: int, **more: Any) -> list[Sender]:
    """So many bodies of `size` bytes, of which all but the last chunk has come."""
    made = [sender(size, signature="wrong", **more) for _ in range(count)]
    for one in made:
        one.stops_after = len(one.chunks) - 1
    return made


def test_a_peer_whose_large_bodies_hold_its_share_gets_503_and_others_do_not() -> None:
    async def story(place: Place) -> None:
        async with strangers(place, *slow(LIMIT, 1)):
            refused = await place.ask(sender(LIMIT))
            headers = dict(refused.sent[0]["headers"])
            assert (refused.status, refused.asked_before_the_answer) == (503, 0)
            assert int(headers[b"retry-after"]) >= 1
            assert (await place.ask(sender(LIMIT, client="192.0.2.2"))).status == 200

    ran(story)


def test_through_a_trusted_proxy_the_share_is_that_of_the_address_it_names() -> None:
    async def story(place: Place) -> None:
        def named(one: Sender, address: str) -> Sender:
            one.headers.append((b"x-forwarded-for", address.encode()))
            return one

        async with strangers(place, *(named(one, "198.51.100.1") for one in slow(LIMIT, 1))):
            assert (await place.ask(named(sender(LIMIT), "198.51.100.1"))).status == 503
            assert (await place.ask(named(sender(LIMIT), "198.51.100.2"))).status == 200

    ran(story, trusted=["192.0.2.1"])


@pytest.mark.parametrize("chunk", [100, 7])
def test_through_a_proxy_that_is_not_known_small_genuine_webhooks_find_room_all_the_same(chunk: int) -> None:
    async def story(place: Place) -> None:
        large = [slow(LIMIT, 1, client=f"192.0.2.{number}")[0] for number in range(3)]
        async with strangers(place, *large, *slow(LIMIT, 20), *slow(SMALL, 40, chunk=SMALL // 4)):
            assert place.budget.held > TOTAL // 2
            for _ in range(20):
                assert (await place.ask(sender(100, chunk=chunk))).status == 200

    ran(story)


def test_a_small_body_that_makes_room_gets_503() -> None:
    async def story(place: Place) -> None:
        many = slow(SMALL, 2 * TOTAL // SMALL, chunk=SMALL // 4)
        async with strangers(place, *many):
            answered = [one.status for one in many if one.sent]
            assert set(answered) == {503}
            assert len(answered) >= len(many) // 4
            assert not many[-1].sent
            assert place.budget.held <= TOTAL

    ran(story)


@pytest.mark.parametrize("declared", [True, False])
def test_large_bodies_that_stall_make_room_for_genuine_ones_and_get_503(declared: bool) -> None:  # noqa: FBT001
    seconds = [0.0]

    async def story(place: Place) -> None:
        stalling = [slow(LIMIT, 1, client=f"192.0.2.{number}")[0] for number in range(1, 4)]
        async with strangers(place, *stalling):
            seconds[0] = 60.0
            assert (await place.ask(sender(LIMIT, client="192.0.2.9", declared=declared))).status == 200
            for _ in range(200):
                await asyncio.sleep(0)
            answered = [one for one in stalling if one.sent]
            assert [one.status for one in answered] == [503]
            assert b"retry-after" in dict(answered[0].sent[0]["headers"])

    ran(story, now=lambda: seconds[0])


def test_small_bodies_of_undeclared_length_find_room_beside_large_ones_that_stall() -> None:
    async def story(place: Place) -> None:
        stalling = [slow(LIMIT, 1, client=f"192.0.2.{number}")[0] for number in range(1, 4)]
        async with strangers(place, *stalling, *slow(LIMIT, 8, chunk=SMALL // 4, client="192.0.2.8")):
            assert (await place.ask(sender(1000, chunk=300, declared=False))).status == 200

    ran(story)


def test_what_waits_for_the_disk_is_held_and_more_gets_503_until_it_is_kept() -> None:
    async def story(place: Place) -> None:
        place.store.disk.clear()
        waiting = [sender(LIMIT, chunk=LIMIT) for _ in range(3)]
        small = [sender(SMALL, chunk=SMALL) for _ in range(LIMIT // SMALL)]
        async with strangers(place, *waiting, *small) as tasks:
            assert place.budget.held == TOTAL
            assert (await place.ask(sender(100))).status == 503
            place.store.disk.set()
            await asyncio.gather(*tasks)
            assert (await place.ask(sender(100))).status == 200
        assert {one.status for one in (*waiting, *small)} == {200}

    ran(story)


def test_one_who_hangs_up_in_the_middle_holds_nothing() -> None:
    async def story(place: Place) -> None:
        async with strangers(place, sender(LIMIT, stops_after=3, hangs_up=True)):
            place.nothing_is_held()

    ran(story)


def test_a_request_that_is_cancelled_in_the_middle_holds_nothing() -> None:
    async def story(place: Place) -> None:
        async with strangers(place, sender(LIMIT, stops_after=3)) as [task]:
            assert place.budget.held == 3 * CHUNK
            task.cancel()
            await asyncio.wait([task])
            assert place.budget.held == 0
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(story(placed()))


def test_a_body_that_takes_too_long_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read = body.read_body

    async def impatient(*given: Any, **more: Any) -> bytes:
        return await read(*given, **more, seconds=0.01)

    monkeypatch.setattr(body, "read_body", impatient)

    async def story(place: Place) -> None:
        for size in (SMALL, LIMIT):
            assert (await place.ask(sender(size, stops_after=1))).status == 408

    ran(story)


def test_a_store_that_cannot_keep_it_releases_it() -> None:
    async def story(place: Place) -> None:
        place.store.broken = True
        assert (await place.ask(sender(LIMIT))).status == 503

    ran(story)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(20, 2 * LIMIT),
            st.sampled_from([None, "wrong", "right"]),
            st.booleans(),
            st.sampled_from([SMALL // 4, CHUNK, LIMIT]),
            st.none() | st.integers(0, 5),
            st.booleans(),
            st.integers(0, 3),
        ),
        max_size=25,
    )
)
def test_whatever_comes_at_once_the_budget_holds_and_returns_to_nothing(asked: list[Any]) -> None:
    Chunk.held = 0

    async def story(place: Place) -> None:
        made = [
            sender(size, signature=signature, declared=declared, chunk=chunk, stops_after=stops, hangs_up=hangs,
                   client=f"192.0.2.{peer}")
            for size, signature, declared, chunk, stops, hangs, peer in asked
        ]  # fmt: skip
        async with strangers(place, *made):
            assert 0 <= place.budget.held <= TOTAL
        for (_, signature, *_), one in zip(asked, made, strict=True):
            if signature != "right":
                assert not one.sent or one.status != 200

    ran(story)
