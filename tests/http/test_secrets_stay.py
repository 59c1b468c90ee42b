"""No secret of a destination is shown or kept, whatever an upstream repeats of the request that it was sent."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from console_app import HERE, KEYS, OWNER, SAME_ORIGIN
from peers import typed
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from upstreams.kinds import FAKES
from upstreams.platform import serve_on_loopback

from bridge.app import SingleProcessApp
from bridge.core.delivery import DeliveryState
from bridge.destinations.language.files import known_kinds, load_kind
from bridge.settings.load import load_configuration
from bridge.store.engines import open_store
from bridge.store.protocol import RowFilter

STATUSES = {"rejecting": 400, "pausing": 403, "unauthorized": 401, "broken": 500}
"""What each upstream answers with; the one of the fifth destination of each kind takes no connection."""
DOWN = "http://127.0.0.1:9"
CALLER = "a-callers-made-up-key-0001"
ACCESS_TOKEN = "ya29.a-made-up/access+token="
GOOGLE = {"client_id": "c-1", "client_secret": "GOCSPX/made+up=0001", "refresh_token": "1//refresh+made=up"}
OAUTH1 = {
    "consumer_key": "ck/made+up=0001", "consumer_secret": "cs/made+up=0001", "token": "tk/made+up=0001",
    "token_secret": "ts/made+up=0001",
}  # fmt: skip


def secrets_of(kind: str) -> dict[str, str]:
    """Values for the secrets of a kind, with letters that addresses, JSON and forms spell in their own ways."""
    platform = load_kind(kind, None)
    assert platform is not None
    if kind == "google_ads":
        return {"oauth": json.dumps(GOOGLE)}
    return {name: json.dumps(OAUTH1) if kind == "x" else f"{kind}/{name}+made=up" for name in platform.parts.secrets}


ALL_SECRETS = {
    *(text for kind in known_kinds(None) for text in secrets_of(kind).values() if kind not in {"x", "google_ads"}),
    *OAUTH1.values(), GOOGLE["client_secret"], GOOGLE["refresh_token"], ACCESS_TOKEN,
}  # fmt: skip
NEVER_SENT = {OAUTH1["consumer_secret"], OAUTH1["token_secret"], "webhook/secret+made=up"}
"""They only sign."""
WITHOUT_SECRETS = {"plausible"}
EMAIL, BROWSER_IP = "jane@mail.example", "203.0.113.9"
COMMANDS = (
    "list deliveries", "list deliveries --format json", "list events", "status", "status --format json", "coverage",
    "show dlv_1", "show dlv_2 --format json",
)  # fmt: skip
USUAL = {"host", "accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent"}


class EchoUpstream:
    """Answers with what it got, in the places where platforms put their reasons, and in some spelling."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.got = ""
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])

    async def _answer(self, request: Request) -> Response:
        headers = [f"{name}: {value}" for name, value in request.headers.items() if name not in USUAL]
        got = " ".join([request.url.query, *headers, (await request.body()).decode()])
        self.got += got
        match self.status:
            case 400:
                error = {"message": got, "code": 100, "error_user_msg": got, "status": "INVALID_ARGUMENT"}
                return JSONResponse({"message": got, "error": error, "reason": got, "detail": got}, 400)
            case 403:
                return JSONResponse({"error": quote(got, safe="")}, 403)
            case 401:
                return PlainTextResponse(got, 401)
            case _:
                return PlainTextResponse(base64.b64encode(got.encode()).decode(), self.status)


def find_spellings(secret: str) -> set[str]:
    """The forms in which a secret is looked for."""
    once = quote(secret, safe="")
    return {
        secret,
        quote(secret),
        once,
        quote(once, safe=""),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode().rstrip("=")[:-1],
    }


def destinations(urls: Mapping[str, str], tokens: str) -> dict[str, Any]:
    """Of every shipped kind one destination for each of these upstreams."""
    made: dict[str, Any] = {}
    for kind in known_kinds(None):
        fake, platform = FAKES[kind], load_kind(kind, None)
        assert platform is not None
        for mood, url in urls.items():
            own = f"{url}/in" if "url" in platform.parts.vars and kind != "segment" else url
            options = {**fake.settings, **secrets_of(kind), "kind": kind, "url": own, "rate": "0"}
            if platform.parts.purpose != "own":
                options["without_consent"] = "send"
            if kind == "google_ads":
                options["token_url"] = url if mood == "unauthorized" else tokens
            made[f"{kind}-{mood}"] = options
    return made


def event() -> dict[str, Any]:
    return {
        "event_type": "purchase",
        "timestamp": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds"),
        "user_id": "customer-7",
        "properties": {"order_id": "7", "value": 5, "currency": "EUR"},
        "user_data": {"email": EMAIL, "country": "DE"},
        "context": {
            "twclid": "T1",
            "li_fat_id": "L1",
            "page_url": "https://shop.example/",
            "ip": BROWSER_IP,
            "user_agent": "Mozilla/5.0",
        },
    }


@contextmanager
def echoing() -> Iterator[tuple[dict[str, EchoUpstream], dict[str, str], str]]:
    """The upstreams, the address of each, and that of one which gives Google's tokens."""
    with ExitStack() as stack:
        upstreams = {mood: EchoUpstream(status) for mood, status in STATUSES.items()}
        urls = {mood: stack.enter_context(serve_on_loopback(one.app)) for mood, one in upstreams.items()}
        tokens = Starlette(
            routes=[
                Route(
                    "/{path:path}",
                    lambda _: JSONResponse({"access_token": ACCESS_TOKEN, "expires_in": 3600}),
                    methods=["POST"],
                )
            ]
        )
        yield upstreams, urls | {"down": DOWN}, stack.enter_context(serve_on_loopback(tokens))


async def shown_by(folder: Path, count: int) -> dict[str, str]:
    """Deliver one event to all of them; what the store, the console and /metrics then hold and show, by where."""
    environment = {"BRIDGE_STORE": f"sqlite:///{folder / 'a.db'}", "BRIDGE_CONFIG": str(folder / "bridge.yaml")}
    store = open_store(environment["BRIDGE_STORE"])
    app = SingleProcessApp(*load_configuration(environment, None), store, console_keys=KEYS).http
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 4711), raise_app_exceptions=False)
    shown: dict[str, str] = {}
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client, app.router.lifespan_context(app):
        sent = await client.post("/v1/track", json=event(), headers={"Authorization": f"Bearer {CALLER}"})
        assert sent.status_code == 200
        told = sent.json()["event_id"]
        async with asyncio.timeout(20):
            while True:
                rows = await store.deliveries(RowFilter())
                if len(rows) == count and all(row.reason or row.state == DeliveryState.DELIVERED for row in rows):
                    break
                await asyncio.sleep(0.05)
        for row in rows:
            shown[f"show {row.destination}"] = repr(await store.show_detail(row.id))
        await client.post("/ui/login", data={"key": OWNER}, headers=SAME_ORIGIN)
        forms = [f"events/{told}{form}" for form in ("", ".json")]
        pages = ["", "destinations", "destinations.json", "needs", "events", *forms]
        for page in pages:
            answer = await client.get(f"/ui/{page}")
            assert answer.status_code == 200, page
            shown[f"console {page}"] = answer.text
        assert "made again by ga4.yaml" in shown[f"console events/{told}"]
        shown["metrics"] = (await client.get("/metrics")).text
    return shown


def stored_values(folder: Path) -> str:
    """Everything that the database holds, and its files as they are."""
    with closing(sqlite3.connect(folder / "a.db")) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [repr(row) for table in tables for row in db.execute(f'SELECT * FROM "{table}"')]
    files = [path.read_bytes().decode("latin-1") for path in folder.rglob("a.db*") if path.is_file()]
    return "\n".join([*rows, *files])


def test_no_secret_is_logged_listed_shown_or_stored_whatever_an_upstream_repeats(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with echoing() as (upstreams, urls, tokens):
        made = destinations(urls, tokens)
        config = {"destinations": made, "api_keys": [{"name": "caller", "key": CALLER}]}
        (tmp_path / "bridge.yaml").write_text(json.dumps(config))
        shown = asyncio.run(shown_by(tmp_path, len(made)))
    for line in COMMANDS:
        done = typed(tmp_path, {"BRIDGE_STORE": "sqlite:///a.db", "BRIDGE_CONFIG": "bridge.yaml"}, *line.split())
        shown[line] = done.stdout + done.stderr
    logged = [one.getMessage() for one in caplog.records if one.name != "uvicorn.access"]  # which the upstreams write
    shown |= {"log": "\n".join(logged), "store": stored_values(tmp_path)}
    spellings = {one: secret for secret in ALL_SECRETS for one in find_spellings(secret)}
    got = "".join(upstream.got for upstream in upstreams.values())
    assert {secret for one, secret in spellings.items() if one in got} == ALL_SECRETS - NEVER_SENT
    assert [(where, secret) for where, text in shown.items() for one, secret in spellings.items() if one in text] == []
    for kind in known_kinds(None):
        assert kind in WITHOUT_SECRETS or "[" in shown[f"show {kind}-rejecting"].partition("answer=")[2], kind
    assert [one for one in (EMAIL, BROWSER_IP, "customer-7") if one in shown["log"]] == []
