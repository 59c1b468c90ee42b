"""Access tokens: fetched before they are needed, renewed, shared, and kept in no place; over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from delivering import Seen, opened, rows, until
from upstreams.google_ads import GoogleAdsUpstream
from upstreams.platform import serve_on_loopback
from upstreams.tokens import TokenEndpoint
from upstreams.x import KEYS, XUpstream

from bridge.app import utc_now
from bridge.core.access_token import AccessToken, TokenDenied, TokenRequest
from bridge.core.delivery import DeliveryState, Outgoing, Response
from bridge.core.errors import SettingsError
from bridge.core.model import Event, Route, Routed
from bridge.destinations.kinds import make_destination
from bridge.destinations.protocol import Destination
from bridge.pipeline.access_tokens import AccessTokens
from bridge.pipeline.deliver import DeliveryLoops
from bridge.pipeline.retry_policy import RetryPolicy
from bridge.store.protocol import RowFilter
from bridge.store.sqlite.store import SqliteStore

REFRESH = {"client_id": "client-1", "client_secret": "client-secret-1", "refresh_token": "refresh-1"}


@dataclass
class Google:
    """Google's two servers, and what a destination of it needs."""

    ads: GoogleAdsUpstream
    tokens: TokenEndpoint
    options: dict[str, Any] = field(default_factory=dict)

    def destination(self, **more: Any) -> Destination:
        return make_destination("google_ads", "mine", self.options | more)


@pytest.fixture
def google(request: pytest.FixtureRequest) -> Iterator[Google]:
    tokens = TokenEndpoint(**getattr(request, "param", {}))
    ads = GoogleAdsUpstream(tokens=tokens)
    with serve_on_loopback(ads.app) as ads.url, serve_on_loopback(tokens.app) as token_url:
        options = {"url": ads.url, "token_url": token_url, "without_consent": "send", "rate": "0", **ads.settings}
        yield Google(ads, tokens, options | {"service_account": tokens.service_account})


def purchase(number: int) -> Routed:
    one = {
        "event_type": "purchase",
        "event_id": f"evt_{number}",
        "timestamp": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds"),
        "properties": {"order_id": f"order-{number}", "value": 5, "currency": "EUR"},
        "user_data": {"email": "jane@mail.example", "country": "DE"},
        "context": {"twclid": "T1"},
    }
    made = Event(
        id=f"evt_{number}",
        origin="key:one",
        event_type="purchase",
        test=False,
        text=json.dumps(one).encode(),
        occurred_at=datetime.now(UTC),
    )
    return Routed(made, (Route("mine"),))


@asynccontextmanager
async def delivering(store: SqliteStore, destination: Destination) -> AsyncIterator[None]:
    loops = DeliveryLoops(
        store=store,
        destinations=[destination],
        clock=lambda: datetime.now(UTC),
        metrics=Seen(),
        jitter=lambda: 0.0,
        policy=RetryPolicy(first_probe=timedelta(milliseconds=100)),
        idle=timedelta(milliseconds=50),
    )
    running = asyncio.create_task(loops.run())
    try:
        yield
    finally:
        await loops.stop(timedelta(seconds=10))
        await running


def delivers(folder: Path, destination: Destination, numbers: range, *, then: Callable[[], None] = lambda: None) -> str:
    """Deliver events, and more of them after `then`; what the store keeps of it."""

    async def all_delivered(store: SqliteStore) -> bool:
        return {row.state for row in await rows(store)} == {DeliveryState.DELIVERED}

    async def test() -> str:
        async with opened(folder) as store, delivering(store, destination):
            for number in numbers:
                await store.accept_events([purchase(number)], now=datetime.now(UTC))
                await until(lambda: all_delivered(store))
                then()
            shown = [await store.show_detail(row.id) for row in await store.deliveries(RowFilter())]
            return repr(shown)

    return asyncio.run(test())


@pytest.mark.timeout(60)
def test_a_service_account_gets_a_token_once_for_many_requests(tmp_path: Path, google: Google) -> None:
    kept = delivers(tmp_path, google.destination(), range(3))
    assert (len(google.ads.taken), len(google.tokens.asked)) == (3, 1)
    assert google.ads.faults == google.tokens.faults == []
    assert not any(token in kept for token in google.tokens.living)


@pytest.mark.timeout(60)
def test_a_refresh_token_does_as_well(tmp_path: Path, google: Google) -> None:
    options = {name: text for name, text in google.options.items() if name != "service_account"}
    one = make_destination("google_ads", "mine", options | {"oauth": json.dumps(REFRESH)})
    delivers(tmp_path, one, range(2))
    assert [asked["grant_type"] for asked in google.tokens.asked] == ["refresh_token"]


@pytest.mark.timeout(60)
def test_a_token_that_is_refused_is_renewed_and_the_request_made_again_at_once(tmp_path: Path, google: Google) -> None:
    delivers(tmp_path, google.destination(), range(2), then=google.tokens.revoke)
    assert (len(google.ads.taken), len(google.tokens.asked)) == (2, 2)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("google", [{"lives": 60}], indirect=True)
def test_a_token_that_lives_shorter_than_it_is_renewed_early_is_used_all_the_same(
    tmp_path: Path, google: Google
) -> None:
    delivers(tmp_path, google.destination(), range(2))
    assert len(google.ads.taken) == 2


@pytest.mark.parametrize(("lasts", "renewed"), [(60, 30), (400, 200), (3600, 3300), (0, 0)])
def test_a_token_is_renewed_five_minutes_before_its_end_and_a_short_lived_one_in_the_middle(
    lasts: int, renewed: int
) -> None:
    began = datetime(2026, 3, 5, 10, tzinfo=UTC)
    now = began
    fetched: list[datetime] = []

    class Source:
        def make_token_request(self, at: datetime) -> TokenRequest:
            fetched.append(at)
            return TokenRequest("https://tokens.example", {}, b"")

        def read_token_answer(self, status: int | None, text: str) -> AccessToken | TokenDenied:
            return AccessToken(f"{text}{status}", timedelta(seconds=lasts))

    async def send(_outgoing: Outgoing) -> Response:
        return Response(200)

    async def story() -> None:
        nonlocal now
        tokens = AccessTokens(lambda: now)
        for seconds in (0, renewed - 1, renewed, renewed):
            now = began + timedelta(seconds=max(0, seconds))
            await tokens.send_with_token(Outgoing("https://platform.example", {}, b"", ()), Source(), send)

    asyncio.run(story())
    assert sorted({(at - began).total_seconds() for at in fetched}) == sorted({0.0, float(renewed)})
    assert len(fetched) == (2 if lasts else 4)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("google", [{"script": ["invalid_grant", 503]}], indirect=True)
def test_a_grant_that_is_refused_pauses_with_the_remedy_until_it_is_good(tmp_path: Path, google: Google) -> None:
    options = {name: text for name, text in google.options.items() if name != "service_account"}
    one = make_destination("google_ads", "mine", options | {"oauth": json.dumps(REFRESH)})
    paused: list[str] = []

    async def test() -> None:
        async with opened(tmp_path) as store:
            await store.accept_events([purchase(1)], now=datetime.now(UTC))

            async def resumed() -> bool:
                state = await store.destination_state("mine", now=utc_now())
                paused.extend([state.paused] if state.paused else [])
                return {row.state for row in await rows(store)} == {DeliveryState.DELIVERED}

            async with delivering(store, one):
                await until(resumed)
            [row] = await rows(store)
            assert row.attempts == 1

    asyncio.run(test())
    assert any("an OAuth app in *Testing* loses it after 7 days" in reason for reason in paused)


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("not JSON at all", "the key file of a service account as JSON"),
        (
            json.dumps({"client_email": "a@b.example", "private_key": "nonsense"}),
            "the private key of the service account",
        ),
        (json.dumps({"client_id": "a"}), "JSON with client_id, client_secret, refresh_token"),
    ],
)
def test_a_secret_for_google_that_is_none_is_refused_at_start(secret: str, told: str) -> None:
    options = {"customer": "1", "events": {"purchase": "5"}, "without_consent": "send", "service_account": secret}
    with pytest.raises(SettingsError) as caught:
        make_destination("google_ads", "mine", options)
    assert told in str(caught.value)
    assert "nonsense" not in str(caught.value)


def test_a_kind_that_fetches_no_token_takes_no_address_for_one() -> None:
    options = {"pixel_id": "1", "access_token": "a-made-up-token", "without_consent": "send"}
    with pytest.raises(SettingsError, match="meta fetches no tokens; take out `token_url`"):
        make_destination("meta", "mine", options | {"token_url": "https://proxy.example"})


@pytest.mark.timeout(60)
def test_x_accepts_the_signature_of_oauth_1_over_its_own_address(tmp_path: Path) -> None:
    fake = XUpstream()
    with serve_on_loopback(fake.app) as fake.url:
        one = make_destination("x", "mine", {"url": fake.url, "without_consent": "send", "rate": "0", **fake.settings})
        kept = delivers(tmp_path, one, range(2))
    assert (len(fake.taken), fake.faults) == (2, [])
    assert not any(text in kept for name, text in KEYS.items() if "secret" in name)


def test_keys_of_oauth_1_that_are_incomplete_are_refused_at_start() -> None:
    options = {"pixel_id": "o1abc", "events": {"purchase": "tw-o1abc-o2def"}, "without_consent": "send"}
    with pytest.raises(SettingsError, match="consumer_key, consumer_secret, token, token_secret"):
        make_destination("x", "mine", options | {"oauth": json.dumps({"consumer_key": "a"})})
