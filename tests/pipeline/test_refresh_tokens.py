"""Refresh tokens that are good once: sealed in the store, used by one at a time, never lost, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from declaring import ACME, deliveries, document, platform, problems
from delivering import Seen, opened, rows, until
from peers import trackbridge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from upstreams.platform import serve_on_loopback
from upstreams.tokens import TokenEndpoint

from bridge.core.access_token import AccessToken, RotatingTokenSource, TokenSource
from bridge.core.delivery import DeliveryState, Misconfigured, Outgoing, Retryable
from bridge.core.errors import SettingsError, StoreUnavailable
from bridge.core.model import Event, Routed
from bridge.core.model import Route as EventRoute
from bridge.core.sealing import SealKeys
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.pipeline.access_tokens import AccessTokens, TokenRefused
from bridge.pipeline.deliver import DeliveryLoops
from bridge.pipeline.http_client import open_client
from bridge.pipeline.refresh_tokens import RefreshTokens
from bridge.store.protocol import RowFilter
from bridge.store.sqlite.store import SqliteStore

KEYS = SealKeys((b"k" * 32,))
KEY = base64.b64encode(KEYS.keys[0]).decode()
OAUTH = """\
  auth:
    kind: oauth2
    token_url: https://login.acme.example/oauth/token
    client_id: =destination.vars.client_id
    client_secret: =secrets.token
    refresh_token: =secrets.refresh_token
    scope: conversions
"""
FILE = (
    ACME.replace("  auth: {kind: bearer, token: =secrets.token}\n", OAUTH)
    .replace("vars:\n", "vars:\n  client_id: {needed: true}\n")
    .replace("secrets:\n", "secrets:\n  refresh_token: {help: The first one.}\n")
)
CLIENT = {"client_id": "client-1", "token": "client-secret-1"}


@dataclass
class Acme:
    """A platform with a token endpoint that takes each refresh token once, and what a destination of it needs."""

    tokens: TokenEndpoint
    url: str = ""
    token_url: str = ""
    taken: int = 0

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        if request.headers["authorization"].removeprefix("Bearer ") not in self.tokens.living:
            return JSONResponse({"error": "unauthorized"}, 401)
        self.taken += 1
        return JSONResponse({})

    def options(self, **more: Any) -> dict[str, Any]:
        usual = {"pixel": "p1", "without_consent": "send", "rate": "0", **CLIENT, "refresh_token": "refresh-1"}
        return usual | {"url": self.url, "token_url": self.token_url} | more

    def destination(self, *, file: str = FILE, **more: Any) -> DeclaredDestination:
        return DeclaredDestination.from_options(platform(file), "mine", self.options(**more))

    @property
    def used(self) -> list[str]:
        return [form["refresh_token"] for form in self.tokens.asked]


@pytest.fixture
def acme(request: pytest.FixtureRequest) -> Iterator[Acme]:
    one = Acme(TokenEndpoint(rotates=True, **getattr(request, "param", {})))
    with serve_on_loopback(one.app) as one.url, serve_on_loopback(one.tokens.app) as one.token_url:
        yield one


def now() -> datetime:
    return datetime.now(UTC)


def request_of(destination: DeclaredDestination) -> Outgoing:
    recent = document(timestamp=now().isoformat(timespec="seconds"))
    [made] = destination.make_requests(deliveries(recent), now=now())
    assert isinstance(made, Outgoing)
    return made


async def send_some(
    store: SqliteStore, destination: DeclaredDestination, count: int = 1, keys: SealKeys = KEYS
) -> None:
    """Send so many requests, each with a token of its own process."""
    async with open_client(timedelta(seconds=10)) as send:
        for _ in range(count):
            tokens = AccessTokens(now, RefreshTokens(store, keys, clock=now))
            made = request_of(destination)
            assert made.token_source is not None
            response, _ = await tokens.send_with_token(made, made.token_source, send)
            assert response.status == 200


def on(folder: Path, story: Callable[[SqliteStore], Awaitable[None]], kind: type[SqliteStore] = SqliteStore) -> None:
    async def whole() -> None:
        store = kind(str(folder / "store.db"))
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(whole())


def test_each_refresh_uses_the_newest_token_and_the_store_holds_none_in_clear(tmp_path: Path, acme: Acme) -> None:
    on(tmp_path, lambda store: send_some(store, acme.destination(), 2))
    on(tmp_path, lambda store: send_some(store, acme.destination()))
    assert acme.used[0] == "refresh-1"
    assert len(set(acme.used)) == acme.taken == 3
    assert {form["scope"] for form in acme.tokens.asked} == {"conversions"}
    assert acme.tokens.faults == []
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for secret in {*acme.used, *acme.tokens.refresh_tokens, *acme.tokens.living, *CLIENT.values()}:
        assert secret.encode() not in kept


def test_two_that_share_a_store_never_use_the_same_token(tmp_path: Path, acme: Acme) -> None:
    async def story(first: SqliteStore) -> None:
        second = SqliteStore(str(tmp_path / "store.db"))
        await asyncio.gather(*(send_some(store, acme.destination(), 3) for store in (first, second)))
        await second.close()

    on(tmp_path, story)
    assert (acme.taken, len(set(acme.used)), acme.tokens.faults) == (6, 6, [])


def purchase(number: int) -> Routed:
    text = json.dumps(document(event_id=f"evt_{number}", timestamp=now().isoformat(timespec="seconds"))).encode()
    made = Event(f"evt_{number}", "key:one", "purchase", test=False, text=text, occurred_at=now())
    return Routed(made, (EventRoute("mine"),))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("acme", [{"lives": 0}], indirect=True)
def test_send_event_beside_delivery_takes_its_turn_and_nothing_of_a_token_is_told(tmp_path: Path, acme: Acme) -> None:
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "acme.yaml").write_text(FILE)
    (tmp_path / "bridge.yaml").write_text(
        "destinations: " + json.dumps({"mine": {"kind": "acme", "test": True, **acme.options()}})
    )
    (tmp_path / "event.json").write_text(json.dumps({"event_type": "purchase", "user_data": {"email": "a@b.example"}}))
    environment = {"BRIDGE_SEAL_KEY": KEY, "BRIDGE_DESTINATIONS": "kinds", "BRIDGE_STORE": "sqlite:///x.db"}

    async def story() -> str:
        async with opened(tmp_path) as store:
            loops = DeliveryLoops(
                store=store,
                destinations=[acme.destination()],
                clock=now,
                metrics=Seen(),
                idle=timedelta(milliseconds=50),
                seal_keys=KEYS,
            )
            running = asyncio.create_task(loops.run())
            typing = asyncio.create_task(
                asyncio.to_thread(
                    trackbridge, tmp_path, environment, "send-event", "mine", "event.json", "--config", "bridge.yaml"
                )
            )
            number = 0
            while not typing.done():
                number += 1
                await store.accept_events([purchase(number)], now=now())
                loops.notify()
                await asyncio.sleep(0.05)

            async def all_delivered() -> bool:
                return {row.state for row in await rows(store)} == {DeliveryState.DELIVERED}

            await until(all_delivered)
            await loops.stop(timedelta(seconds=10))
            await running
            done = await typing
            assert done.returncode == 0, done.stderr
            shown = [await store.show_detail(row.id) for row in await store.deliveries(RowFilter())]
            return f"{done.stdout}{done.stderr}{shown}"

    told = asyncio.run(story())
    assert acme.tokens.faults == []
    assert len(set(acme.used)) == len(acme.used) >= 3
    for secret in {*acme.used, *acme.tokens.refresh_tokens, *acme.tokens.living, CLIENT["token"]}:
        assert secret not in told


def refused(folder: Path, destination: DeclaredDestination, keys: SealKeys = KEYS) -> Misconfigured | Retryable:
    found: list[Misconfigured | Retryable] = []

    async def story(store: SqliteStore) -> None:
        with pytest.raises(TokenRefused) as caught:
            await send_some(store, destination, keys=keys)
        found.append(caught.value.outcome)

    on(folder, story)
    return found[0]


def test_a_refused_refresh_token_pauses_until_the_settings_have_another_one(tmp_path: Path, acme: Acme) -> None:
    on(tmp_path, lambda store: send_some(store, acme.destination()))
    acme.tokens.refresh_tokens.clear()
    outcome = refused(tmp_path, acme.destination())
    assert isinstance(outcome, Misconfigured)
    assert "no longer accepts the refresh token; get a new one" in outcome.reason
    acme.tokens.refresh_tokens.add("refresh-2")
    on(tmp_path, lambda store: send_some(store, acme.destination(refresh_token="refresh-2"), 2))
    on(tmp_path, lambda store: send_some(store, acme.destination(refresh_token="")))
    assert acme.used[-3] == "refresh-2"
    assert (acme.taken, len(set(acme.used))) == (4, 5)


def test_a_store_that_was_sealed_with_another_key_pauses_and_a_replaced_key_opens(tmp_path: Path, acme: Acme) -> None:
    on(tmp_path, lambda store: send_some(store, acme.destination()))
    other = b"n" * 32
    outcome = refused(tmp_path, acme.destination(), SealKeys((other,)))
    assert isinstance(outcome, Misconfigured)
    assert "sealed with another BRIDGE_SEAL_KEY" in outcome.reason
    assert len(acme.used) == 1, "a token that may have been replaced is not tried"
    on(tmp_path, lambda store: send_some(store, acme.destination(), keys=SealKeys((other, KEYS.keys[0]))))
    on(tmp_path, lambda store: send_some(store, acme.destination(), keys=SealKeys((other,))))
    assert acme.taken == 3


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"client_id": "client-2"}, "of another client or another address"),
        ({"file": FILE.replace("login.acme", "login.other")}, "of another client or another address"),
        ({"refresh_token": ""}, None),
    ],
)
def test_a_kept_token_is_sent_only_for_its_client_to_its_address(
    tmp_path: Path, acme: Acme, changed: dict[str, str], told: str | None
) -> None:
    on(tmp_path, lambda store: send_some(store, acme.destination()))
    if told is None:
        on(tmp_path, lambda store: send_some(store, acme.destination(**changed)))
        return
    assert told in refused(tmp_path, acme.destination(**changed)).reason
    assert len(acme.used) == 1


def test_without_any_refresh_token_it_pauses_and_says_so(tmp_path: Path, acme: Acme) -> None:
    outcome = refused(tmp_path, acme.destination(refresh_token=""))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.startswith("there is no refresh token yet")


@pytest.mark.parametrize("acme", [{"script": [503]}], indirect=True)
def test_an_endpoint_that_fails_is_asked_again_with_the_same_token(tmp_path: Path, acme: Acme) -> None:
    assert isinstance(refused(tmp_path, acme.destination()), Retryable)
    on(tmp_path, lambda store: send_some(store, acme.destination()))
    assert acme.used == ["refresh-1", "refresh-1"]


def test_a_new_token_is_kept_before_the_access_token_is_used(tmp_path: Path, acme: Acme) -> None:
    seen: list[int] = []

    class Troubled(SqliteStore):
        async def keep_refresh_token(self, *args: Any, **more: Any) -> bool:
            seen.append(acme.taken)
            if len(seen) < 3:
                raise StoreUnavailable("the disk is full")
            return await super().keep_refresh_token(*args, **more)

    on(tmp_path, lambda store: send_some(store, acme.destination()), Troubled)
    assert seen == [0, 0, 0]
    on(tmp_path, lambda store: send_some(store, acme.destination()))
    assert (acme.taken, acme.tokens.faults) == (2, [])


def test_who_is_cancelled_while_the_answer_is_under_way_keeps_the_new_token(tmp_path: Path, acme: Acme) -> None:
    async def story(store: SqliteStore) -> None:
        began, goes_on = asyncio.Event(), asyncio.Event()

        async def ask(_chosen: TokenSource) -> AccessToken:
            began.set()
            await goes_on.wait()
            return AccessToken("a-made-up-token", timedelta(hours=1), "refresh-2")

        source = acme.destination().token_source
        assert isinstance(source, RotatingTokenSource)
        refreshing = asyncio.create_task(RefreshTokens(store, KEYS, clock=now).refresh(source, ask))
        await began.wait()
        refreshing.cancel()
        await asyncio.sleep(0)
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await refreshing

    on(tmp_path, story)
    acme.tokens.refresh_tokens.add("refresh-2")
    on(tmp_path, lambda store: send_some(store, acme.destination()))
    assert (acme.taken, acme.used) == (1, ["refresh-2"])


def test_id_and_secret_go_in_the_header_where_the_file_says_so(tmp_path: Path, acme: Acme) -> None:
    file = FILE.replace("    scope: conversions\n", "    client_auth: basic\n")
    on(tmp_path, lambda store: send_some(store, acme.destination(file=file)))
    assert "client_secret" not in acme.tokens.asked[0]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("token_url: https://login", "token_url: http://login", "token_url must begin with https:// and name a host"),
        (
            "token_url: https://login.acme.example/oauth/token",
            "token_url: =items[0].url",
            "must not depend on an event",
        ),
        ("    token_url: https://login.acme.example/oauth/token\n", "", "token_url"),
    ],
)
def test_check_refuses_a_file_whose_tokens_would_be_asked_for_at_no_safe_address(old: str, new: str, told: str) -> None:
    assert problems(FILE) == []
    assert any(told in one for one in problems(FILE.replace(old, new), "error"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("scope: conversions", "client_auth: digest", "client_auth of its authentication must be one of post, basic"),
        ("    client_secret: =secrets.token\n", "    client_auth: basic\n", "client_auth: basic needs a client_secret"),
        ("client_id: =destination.vars.client_id", "client_id: =''", "the client_id of its authentication is missing"),
    ],
)
def test_what_could_ask_for_no_token_is_refused_at_start(acme: Acme, old: str, new: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        acme.destination(file=FILE.replace(old, new))


def test_without_a_seal_key_it_is_refused_at_start_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "acme.yaml").write_text(FILE)
    options = {"kind": "acme", "pixel": "p1", "without_consent": "send", **CLIENT}
    (tmp_path / "bridge.yaml").write_text("destinations:\n  mine: " + json.dumps(options))
    done = trackbridge(tmp_path, {"BRIDGE_DESTINATIONS": "kinds"}, "serve", "--config", "bridge.yaml")
    assert done.returncode == 1
    assert "bridge.yaml:2:9: destination `mine`: its refresh token is kept sealed in the store" in done.stderr
    assert "BRIDGE_SEAL_KEY is not set; make a key with `openssl rand -base64 32`" in done.stderr
