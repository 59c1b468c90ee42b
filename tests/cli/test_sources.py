"""`trackbridge sources` shows an owner everything about each source, on 80 columns, and no secret."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from peers import typed
from store_made import apply_log

from bridge.core import dedupe_keys
from bridge.core.model import Webhook
from bridge.settings.sources import load_mappings
from bridge.store.engines import open_store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "a-made-up-secret-of-a-shop"


def listed(folder: Path, settings: dict[str, str], *words: str) -> dict[str, Any]:
    found = typed(folder, settings, "sources", "--format", "json", *words)
    assert (found.returncode, found.stderr) == (0, "")
    return {one["name"]: one for one in json.loads(found.stdout)}


def keep_webhook(folder: Path, source: str, topic: str, *, minute: int) -> None:
    async def kept() -> None:
        store = open_store(f"sqlite:///{folder / 'trackbridge.db'}")
        identity = (dedupe_keys.signed_webhook_key(source, topic),)
        at = NOON.replace(minute=minute)
        await store.keep([Webhook(source, topic, topic, at, b"{}", identity)])
        await apply_log(store, limit=9)
        await store.close()

    asyncio.run(kept())


def test_it_shows_address_mapping_secret_and_vars_of_each_source_without_a_store(tmp_path: Path) -> None:
    (tmp_path / "bridge.yaml").write_text(
        "sources:\n"
        f"  shop-eu: {{mapping: shopify, secrets: [{SECRET}], public_url: 'https://eu.example/hooks', vars: {{country: DE}}}}\n"
    )
    settings = {"BRIDGE_CONFIG": "bridge.yaml", "SHOP_EU_PURCHASE": "orders/create"}
    found = listed(tmp_path, settings)
    shop, stripe = found["shop-eu"], found["stripe"]
    assert (shop["address"], stripe["address"]) == ("https://eu.example/hooks", "/webhooks/stripe")
    assert (shop["mapping"], shop["title"], shop["secret"], stripe["secret"]) == ("shopify", "Shopify", True, False)
    given = {var["name"]: var for var in shop["vars"]}
    assert (given["country"]["value"], given["country"]["default"], given["country"]["choices"]) == ("DE", "", [])
    purchase, declared = given["purchase"], load_mappings(None)["shopify"].vars["purchase"]
    assert (purchase["value"], purchase["default"]) == ("orders/create", declared.default)
    assert purchase["choices"] == list(declared.allowed)
    assert (purchase["setting"], purchase["type"]) == ("SHOP_EU_PURCHASE", "choice")
    assert purchase["help"] == declared.help
    assert shop["last_webhook_at"] is None
    assert list(tmp_path.iterdir()) == [tmp_path / "bridge.yaml"]


def test_it_shows_the_time_and_topic_of_each_sources_last_webhook(tmp_path: Path) -> None:
    for minute, (source, topic) in enumerate([("stripe", "a"), ("stripe", "b"), ("shopify", "orders/paid")]):
        keep_webhook(tmp_path, source, topic, minute=minute)
    found = listed(tmp_path, {})
    assert (found["stripe"]["last_webhook_at"], found["stripe"]["last_topic"]) == ("2026-03-01T12:01:00.000Z", "b")
    assert found["shopify"]["last_topic"] == "orders/paid"
    said = typed(tmp_path, {}, "sources").stdout
    assert "  last webhook  2026-03-01 12:01:00 UTC, b\n" in said


@pytest.mark.parametrize("settings", [{}, {"STRIPE_WEBHOOK_SECRET": SECRET, "STRIPE_SIGNUP": "customer.created"}])
def test_its_text_fits_80_columns_and_never_holds_a_secret(tmp_path: Path, settings: dict[str, str]) -> None:
    for words in ((), ("--format", "json")):
        found = typed(tmp_path, settings, "sources", *words)
        assert found.returncode == 0
        assert SECRET not in found.stdout + found.stderr
        assert words or max(map(len, found.stdout.splitlines())) <= 80


def test_where_no_source_has_a_secret_it_says_how_to_add_one(tmp_path: Path) -> None:
    said = " ".join(typed(tmp_path, {}, "sources").stdout.split())
    assert said.startswith("No source takes webhooks yet")
    assert "SHOPIFY_WEBHOOK_SECRET=…" in said
    assert "NOT SET: set STRIPE_WEBHOOK_SECRET" in said
    assert "No source takes" not in typed(tmp_path, {"STRIPE_WEBHOOK_SECRET": SECRET}, "sources").stdout


def test_a_source_whose_mapping_has_errors_is_shown_with_the_first(tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "stripe.yaml").write_text("mapping: 1\nprovider: stripe\nevents: []\n")
    settings = {"BRIDGE_MAPPINGS": "mappings", "STRIPE_WEBHOOK_SECRET": SECRET}
    found = listed(tmp_path, settings)
    assert found["stripe"]["problem"].startswith("the mapping has errors: stripe.yaml:1:1: ")
    assert found["shopify"]["problem"] is None
    said = typed(tmp_path, settings, "sources").stdout
    assert "  problem       the mapping has errors: stripe.yaml:1:1: " in said


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"BRIDGE_PUBLIC_URL": "https://hooks.example"}, "https://hooks.example/webhooks/stripe"),
        ({"BRIDGE_PREFIX": "/bridge"}, "/bridge/webhooks/stripe"),
    ],
)
def test_the_address_is_the_public_one_where_that_is_set(
    tmp_path: Path, settings: dict[str, str], address: str
) -> None:
    assert listed(tmp_path, settings)["stripe"]["address"] == address
