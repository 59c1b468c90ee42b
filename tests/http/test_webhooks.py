"""The endpoint of webhooks in its application: which requests it gets, and what is answered when it breaks."""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from bridge.app import SingleProcessApp
from bridge.core.model import Webhook
from bridge.settings.load import load_configuration
from bridge.store.sqlite.store import SqliteStore

SECRET = "a-secret-of-some-length"
BODY = b'{"id":1}'
SIGNED = {"X-Shopify-Hmac-Sha256": base64.b64encode(hmac.digest(SECRET.encode(), BODY, "sha256")).decode()}


class Broken(SqliteStore):
    """A store with a fault that nobody foresaw."""

    async def keep(self, webhooks: Sequence[Webhook]) -> None:
        raise ZeroDivisionError


def asked(store: SqliteStore, method: str, path: str) -> httpx.Response:
    [answer] = all_asked(store, (method, path, SIGNED))
    return answer


def all_asked(
    store: SqliteStore, *requests: tuple[str, str, dict[str, str]], setting: str = "SHOPIFY_WEBHOOK_SECRET"
) -> list[httpx.Response]:
    """The answers of one bridge to requests, each a method, a path and headers."""

    async def ask() -> list[httpx.Response]:
        environment = {setting: SECRET, "BRIDGE_WEBHOOK_LIMIT": "100"}
        http = SingleProcessApp(*load_configuration(environment, None, tell=False), store).http
        transport = httpx.ASGITransport(http, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://bridge") as client:
            answers = [
                await client.request(method, path, content=BODY, headers=headers) for method, path, headers in requests
            ]
        await store.close()
        return answers

    return asyncio.run(ask())


def test_a_fault_of_ours_is_answered_500_as_json(tmp_path: Path) -> None:
    answer = asked(Broken(str(tmp_path / "t.db")), "POST", "/webhooks/shopify")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/json")
    assert answer.json() == {"success": False, "error": "a fault of ours; send it again later"}


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("POST", "/webhooks/shopify", 200, None),
        ("POST", "/webhooks/sh%6Fpify", 200, None),
        ("GET", "/webhooks/shopify", 405, "this address takes POST"),
        ("HEAD", "/webhooks/shopify", 405, ""),
        ("POST", "/webhooks/stripe", 503, "this source has no secret yet; the operator must set it"),
        ("POST", "/webhooks/nobody", 404, "no source of that name; see the addresses that serve prints at its start"),
        (
            "POST",
            "/webhooks/shopify%0A",
            404,
            "no source of that name; see the addresses that serve prints at its start",
        ),
        ("POST", "/webhooks/", 404, "there is nothing at this address"),
        ("POST", "/webhooks/shopify/", 404, "there is nothing at this address"),
        ("POST", "/webhooks/shopify/more", 404, "there is nothing at this address"),
        ("POST", "/more/webhooks/shopify", 404, "there is nothing at this address"),
        ("GET", "/v1/track", 405, "this address takes POST"),
    ],
)
def test_the_endpoint_gets_what_is_for_a_source_and_nothing_else(
    tmp_path: Path, method: str, path: str, status: int, error: str | None
) -> None:
    answer = asked(SqliteStore(str(tmp_path / "t.db")), method, path)
    assert answer.status_code == status
    if error != "":
        assert answer.json().get("error") == error


WRONG = {"X-Shopify-Hmac-Sha256": base64.b64encode(b"x" * 32).decode()}
REFUSED: list[tuple[str, str, dict[str, str]]] = [
    ("POST", "/webhooks/shopify", WRONG),
    ("POST", "/webhooks/shopify", WRONG),
    ("POST", "/webhooks/shopify", {}),
    ("POST", "/webhooks/shopify", {"X-Shopify-Hmac-Sha256": "-"}),
    ("POST", "/webhooks/shopify", SIGNED | {"Content-Length": "101"}),
    ("GET", "/webhooks/shopify", SIGNED),
    ("POST", "/webhooks/stripe", SIGNED),
    ("POST", "/webhooks/a-strangers-idea", SIGNED),
    ("POST", "/webhooks/another-idea", SIGNED),
    ("POST", "/webhooks/shopify", SIGNED | {"X-Shopify-Topic": "x" * 8192}),
    ("POST", "/webhooks/shopify", SIGNED),
]


def test_what_is_refused_is_told_once_by_source_and_reason_with_the_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = all_asked(SqliteStore(str(tmp_path / "t.db")), *REFUSED)
    assert [one.status_code for one in answers] == [401, 401, 401, 401, 413, 405, 503, 404, 404, 431, 200]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.partition(" mend=")[0] for line in lines] == [
        "webhook.refused source=shopify reason=mismatch",
        "webhook.refused source=shopify reason=missing",
        "webhook.refused source=shopify reason=malformed",
        "webhook.refused source=shopify reason=too_large",
        "webhook.refused source=shopify reason=method",
        "webhook.refused source=stripe reason=no_secret",
        "webhook.refused reason=unknown_source",
        "webhook.refused source=shopify reason=headers",
    ]
    assert answers[-2].json()["error"] == "the headers that say what this webhook is are over 8 KiB; send shorter ones"
    assert all(" mend=" in line for line in lines)
    assert "idea" not in caplog.text


def test_a_webhook_that_arrives_late_is_told_with_the_remedy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = int(time.time()) - 3600
    signature = hmac.new(SECRET.encode(), f"{old}.".encode() + BODY, "sha256").hexdigest()
    headers = {"Stripe-Signature": f"t={old},v1={signature}"}
    [answer] = all_asked(
        SqliteStore(str(tmp_path / "t.db")), ("POST", "/webhooks/stripe", headers), setting="STRIPE_WEBHOOK_SECRET"
    )
    assert answer.status_code == 401
    assert "webhook.refused source=stripe reason=stale mend=" in caplog.text
    assert "clock" in caplog.text


@pytest.mark.parametrize(
    "query", ["api_key=a-key-of-a-caller", "API%5FKEY=a-key-of-a-caller&a=1", "a=1;api_key=a-key-of-a-caller"]
)
def test_an_api_key_in_a_webhooks_address_reaches_no_file_of_the_store(tmp_path: Path, query: str) -> None:
    store = SqliteStore(str(tmp_path / "t.db"))
    kept: list[Webhook] = []
    keep = store.keep

    async def noted(webhooks: Sequence[Webhook]) -> None:
        kept.extend(webhooks)
        await keep(webhooks)

    store.keep = noted  # type: ignore[method-assign]
    assert asked(store, "POST", f"/webhooks/shopify?{query}").status_code == 200
    assert [("key-of-a-caller" in repr(one), one.query.get("a", "1")) for one in kept] == [(False, "1")]
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"key-of-a-caller" not in held
