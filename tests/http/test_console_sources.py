"""The console's page of sources: what to enter and tick at the provider, what was refused and why, and no secret."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path

from console_app import AUDITOR, Console, with_console
from store_made import TRACK, event, order

from bridge.app import utc_now
from bridge.core.model import Routed
from bridge.store.status_views import RefusedRequests

SECRET = "an-invented-signing-secret-of-some-length"
SETTINGS = {
    "SHOPIFY_WEBHOOK_SECRET": SECRET, "SHOPIFY_POINT_OF_SALE": "counted", "BRIDGE_PUBLIC_URL": "https://hooks.shop.test",
}  # fmt: skip


async def page_of(console: Console) -> str:
    """The words of the page."""
    answer = await console.client.get("/ui/sources")
    assert answer.status_code == 200
    assert SECRET not in answer.text
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text)).split()).replace(" , ", ", ")


def test_a_source_says_what_to_enter_and_tick_at_its_provider_and_never_its_secret(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)
        words = await page_of(console)
        assert "https://hooks.shop.test/webhooks/shopify" in words
        assert "Secret set" in words
        assert "not set: put the signing secret that Stripe shows into STRIPE_WEBHOOK_SECRET" in words
        assert "At Stripe, tick: checkout.session.completed, " in words
        assert words.index("webhooks/shopify") < words.index("webhooks/stripe"), "those with a secret come first"
        answer = await console.client.get("/ui/sources.json")
        assert SECRET not in answer.text
        shopify, stripe = answer.json()
        assert (shopify["name"], shopify["secret"], stripe["name"], stripe["secret"]) == (
            "shopify",
            True,
            "stripe",
            False,
        )
        assert "refunds/create" in shopify["topics"]
        assert "invoice_payment.paid" in stripe["topics"], (
            "what only says which webhooks are of one payment is sent, too"
        )
        till = next(var for var in shopify["vars"] if var["name"] == "point_of_sale")
        assert (till["value"], till["default"], till["choices"]) == ("counted", "ignored", ["ignored", "counted"])
        assert till["help"] in words
        assert "One of ignored, counted" in words

    with_console(tmp_path, story, settings=SETTINGS)


def test_requests_that_were_refused_have_their_cause_and_remedy_at_their_source(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)
        assert "nothing has come yet" in await page_of(console)
        at = utc_now() - timedelta(minutes=1)
        await console.store.add_refused([RefusedRequests("shopify", "mismatch", 2, at, at)])
        words = await page_of(console)
        assert "2 requests refused because the signature does not fit the secret" in words
        assert "The secret in SHOPIFY_WEBHOOK_SECRET does not fit: copy it again" in words
        shopify, stripe = (await console.client.get("/ui/sources.json")).json()
        assert [one["cause"] for one in shopify["findings"]] == ["mismatch"]
        assert stripe["findings"] == []

    with_console(tmp_path, story, settings=SETTINGS)


def test_until_the_first_webhook_comes_the_first_page_leads_to_it(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)
        first = (await console.client.get("/ui/")).text
        assert "Connect Shopify" in first, "its secret is set"
        assert "https://hooks.shop.test/webhooks/shopify" in first
        assert "<code>refunds/create</code>" in first
        assert "A secret is set. It is shown nowhere." in first
        assert "BRIDGE_TRACK_URL" in first, "there is no destination yet"
        stripe = (await console.client.get("/ui/start?source=stripe")).text
        assert "STRIPE_WEBHOOK_SECRET=" in stripe
        at = utc_now()
        await console.store.add_refused([RefusedRequests("shopify", "mismatch", 2, at, at)])
        for path in ("/ui/start", "/ui/start/refused?source=shopify"):
            page = (await console.client.get(path)).text
            assert "the signature does not fit the secret" in page
            assert SECRET not in page
        start = (await console.client.get("/ui/start")).text
        assert "it does not fit the signature of what came" in start, "the step of the secret is not done"
        assert "SHOPIFY_WEBHOOK_SECRET=" in start
        assert "does not fit" not in (await console.client.get("/ui/start/refused?source=stripe")).text
        await console.store.accept_events([Routed(event("evt_a", order("1001")), TRACK)], now=at)
        assert "<h1>Home</h1>" in (await console.client.get("/ui/")).text

    with_console(tmp_path, story, settings=SETTINGS)
