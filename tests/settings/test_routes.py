"""Where an event goes, and what it follows there: by the keys that the ledger has of its order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from bridge import contract
from bridge.core.model import Event
from bridge.settings.destinations import make_destinations as destinations_of
from bridge.settings.destinations import make_router, with_scopes
from bridge.settings.load import load_configuration
from bridge.settings.model import Settings

CONFIG = """
destinations:
  google:
    {kind: google_ads, customer: "1234567890", events: {purchase: "555111"}, without_consent: send,
     oauth: '{"client_id": "c", "client_secret": "client-secret-1", "refresh_token": "refresh-token-1"}'}
  erp: {kind: webhook, url: "https://erp.example", secret: "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"}
api_keys: [{name: shop, key: "0123456789abcdef0123", scope: eu}, {name: other, key: "0123456789abcdef0124"}]
"""


def configured(folder: Any) -> Settings:
    (folder / "bridge.yaml").write_text(CONFIG)
    return load_configuration({"BRIDGE_CONFIG": str(folder / "bridge.yaml")}, None, tell=False)[0]


def event(event_type: str, *, key: str = "shop", scope: str = "eu", **properties: Any) -> Event:
    raw = {
        "event_type": event_type,
        "event_id": "evt_1",
        "properties": {"value": 5, "currency": "EUR", **properties},
        "user_data": {"email": "jane@mail.example"},
    }
    return contract.validate_event(
        raw,
        origin=f"key:{key}",
        scope=scope,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
        default_id="evt_x",
        dedupe=(),
    )


def test_a_refund_follows_the_purchase_of_its_order_and_scope_only_where_the_platform_has_that(tmp_path: Any) -> None:
    route = make_router(destinations_of(configured(tmp_path)))
    purchase, refund = event("purchase", order_id="7"), event("refund", order_id="7")
    google, erp = route(refund, None)
    assert google.skip is None
    assert purchase.conversion_keys[-1] in google.follows
    assert erp.follows == ()
    assert all(one.follows == () for one in route(purchase, None))
    other = route(event("refund", order_id="7", scope="us"), None)[0]
    assert purchase.conversion_keys[-1] not in other.follows


def test_a_refund_without_an_order_is_skipped_where_it_is_to_follow(tmp_path: Any) -> None:
    google, erp = make_router(destinations_of(configured(tmp_path)))(event("refund"), None)
    assert (google.skip, erp.skip) == ("lacks an order id", None)


def test_an_event_that_the_store_gives_follows_the_same_as_when_it_was_accepted(tmp_path: Any) -> None:
    settings = configured(tmp_path)
    route = make_router(destinations_of(settings))
    for key, scope in (("shop", "eu"), ("other", "track")):
        refund = event("refund", key=key, scope=scope, order_id="7")
        [kept] = with_scopes([structs.replace(refund, scope="")], settings)
        assert route(kept, None)[0].follows == route(refund, None)[0].follows != ()
