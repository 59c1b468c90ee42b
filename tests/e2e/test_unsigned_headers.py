"""Headers that no signature covers: what comes of one genuine body that a stranger sends again under others.

Shopify signs the body alone. Every request here has a right signature; the topic, the webhook id, the shop and the test
flag are the stranger's to write. A genuine webhook must be told once, whatever came before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from peers import KEY, Serving, Upstream, listed, serving, trackbridge, until, upstream
from signed_requests import ORDER, SESSION, SHOPIFY_SECRET, STRIPE_SECRET, post, shopify, stripe

CONFIG = f"""
sources:
  shopify: {{secrets: ["{SHOPIFY_SECRET}"], vars: {{signup: customers/create, purchase: orders/paid}}}}
  by-create: {{mapping: shopify, secrets: ["{SHOPIFY_SECRET}"], vars: {{purchase: orders/create}}, scope: by-create}}
  pinned: {{mapping: shopify, secrets: ["{SHOPIFY_SECRET}"], vars: {{shop: made-up.myshopify.com}}}}
  eu-1: {{mapping: shopify, secrets: ["{SHOPIFY_SECRET}"], scope: eu}}
  eu-2: {{mapping: shopify, secrets: ["{SHOPIFY_SECRET}"], scope: eu}}
  pay-1: {{mapping: stripe, secrets: ["{STRIPE_SECRET}"], scope: pay}}
  pay-2: {{mapping: stripe, secrets: ["{STRIPE_SECRET}"], scope: pay}}
"""
REFUND = {
    "created_at": "2026-03-02T10:00:00Z",
    "processed_at": "2026-03-02T10:00:00Z",
    "refund_line_items": [],
    "transactions": [{"kind": "refund", "status": "success", "amount": "404.90", "currency": "EUR", "test": False}],
}
CUSTOMER = {"email": "ada@example.com", "state": "enabled", "created_at": "2026-03-01T10:00:00Z", "addresses": []}
CHECKOUT = {"total_price": "5.00", "currency": "EUR", "created_at": "2026-03-01T10:00:00Z", "line_items": []}
DISPUTE = {"type": "chargeback", "amount": "5.00", "currency": "EUR", "reason": "fraudulent", "status": "under_review"}


@dataclass
class Shop:
    """A running bridge and its upstream."""

    bridge: Serving
    peer: Upstream
    folder: Path

    def send(self, source: str, signed: tuple[dict[str, str], bytes], **headers: str) -> None:
        """Post it with other headers, and wait until it is settled."""
        before = self._seen()
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        assert post(f"{self.bridge.url}/webhooks/{source}", (signed[0] | more, signed[1])).status_code == 200
        until(lambda: self._seen() > before, what="the webhook")
        until(lambda: not listed(self.folder, "webhooks", state="received"), what="its outcome")

    def last(self) -> dict[str, Any]:
        """The newest webhook."""
        return dict(listed(self.folder, "webhooks")[0])

    def events(self, source: str) -> list[dict[str, Any]]:
        """A source's events that are no duplicates, oldest first."""
        found = [event for event in listed(self.folder, "events") if event["origin"] == f"source:{source}"]
        return [event for event in reversed(found) if not event["duplicate_of"]]

    def told(self, order_id: object) -> Sequence[dict[str, Any]]:
        """What the upstream was told of an order, once nothing is on its way."""
        until(lambda: not listed(self.folder, "deliveries", state="pending"), what="every delivery")
        return [event for event in self.peer.taken() if event["properties"].get("order_id") == str(order_id)]

    def _seen(self) -> int:
        """How many webhooks the bridge has given their place; to list them before would do it in its stead."""
        log = self.bridge.log.read_text()
        return log.count(" webhook.kept ") + log.count(" webhook.again ")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    config = tmp_path / "bridge.yaml"
    config.write_text(CONFIG)
    with upstream() as peer:
        settings = {"BRIDGE_TRACK_URL": peer.url, "BRIDGE_TRACK_KEY": KEY, "BRIDGE_TRACK_RATE": "0"}
        with serving(tmp_path, settings | {"BRIDGE_CONFIG": str(config)}, "--web", "1") as bridge:
            yield Shop(bridge, peer, tmp_path)


def order(number: int, **more: Any) -> dict[str, Any]:
    return ORDER | {"id": number} | more


# --------------------------------------------------------------------------------------------- under another topic


def test_an_unpaid_orders_body_that_comes_again_as_paid_is_set_aside_and_the_payment_is_told(shop: Shop) -> None:
    unpaid = shopify(order(1, financial_status="pending"), "orders/create", "w-1")
    shop.send("shopify", unpaid)
    assert shop.last()["state"] == "ignored"
    shop.send("shopify", unpaid, X_Shopify_Topic="orders/paid", X_Shopify_Webhook_Id="w-forged")
    assert shop.last()["state"] == "set_aside"
    assert "by its financial_status the order is not paid" in shop.last()["reason"]
    assert shop.told(1) == []
    shop.send("shopify", shopify(order(1), "orders/paid", "w-2"))
    [event] = shop.told(1)
    assert event["event_type"] == "purchase"


OTHER_SHAPES: list[tuple[str, Any, str]] = [
    ("orders/paid", REFUND | {"id": 90, "order_id": 9}, "the body is no order"),
    ("orders/paid", CHECKOUT | {"id": 91, "token": "t"}, "the body is no order"),
    ("orders/paid", CUSTOMER | {"id": 92}, "the body is no order"),
    ("orders/paid", DISPUTE | {"id": 93, "order_id": 9}, "the body is no order"),
    ("orders/paid", [ORDER], "the body is no order"),
    ("orders/cancelled", ORDER, "the order was not cancelled"),
    ("refunds/create", ORDER, "the body is no refund"),
    ("refunds/create", DISPUTE | {"id": 94, "order_id": 9}, "the body is no refund"),
    ("checkouts/create", ORDER | {"token": "t"}, "the body is no checkout"),
    ("carts/create", CHECKOUT | {"id": 95, "token": "t"}, "the body is no cart"),
    ("customers/create", ORDER, "the body is no customer"),
    ("customers/create", {"shop_domain": "made-up.myshopify.com", "customer": {"id": 1}}, "the body is no customer"),
]


def test_a_body_that_has_not_its_topics_shape_is_set_aside_with_the_reason(shop: Shop) -> None:
    for number, (topic, body, reason) in enumerate(OTHER_SHAPES):
        shop.send("shopify", shopify(body, topic, f"w-{number}"))
        last = shop.last()
        assert (last["topic"], last["state"]) == (topic, "set_aside")
        assert reason in last["reason"]
        assert "the topic is not signed" in last["reason"]
    assert shop.events("shopify") == []


def test_a_body_that_came_first_under_an_ignored_topic_with_the_same_id_does_not_swallow_the_genuine_one(
    shop: Shop,
) -> None:
    genuine = shopify(order(2), "orders/paid", "w-2")
    for topic in ("orders/updated", "customers/create", "carts/create"):
        shop.send("shopify", genuine, X_Shopify_Topic=topic)
    assert shop.told(2) == []
    shop.send("shopify", genuine)
    assert len(shop.told(2)) == 1


def test_the_same_order_under_several_topics_is_told_once_and_seen_to_be_the_same_bytes(shop: Shop) -> None:
    for number, topic in enumerate(("orders/create", "orders/paid", "orders/updated")):
        shop.send("shopify", shopify(order(3), topic, f"w-{number}"))
    assert [row["state"] for row in listed(shop.folder, "webhooks")] == ["ignored", "translated", "ignored"]
    assert len(shop.told(3)) == 1
    found = json.loads(trackbridge(shop.folder, {}, "show", "wh_2", "--format", "json").stdout)
    assert (found["same_bytes_as"]["id"], found["same_bytes_as"]["topic"]) == ("wh_1", "orders/create")
    assert "same bytes as  wh_1 (shopify, orders/create)" in trackbridge(shop.folder, {}, "show", "wh_3").stdout
    first = json.loads(trackbridge(shop.folder, {}, "show", "wh_1", "--format", "json").stdout)
    assert first["same_bytes_as"] is None
    assert shop.bridge.log.read_text().count("same_bytes_as=wh_1") == 2


def test_one_purchase_is_told_where_orders_are_counted_when_created_and_the_body_comes_again_as_paid(
    shop: Shop,
) -> None:
    genuine = shopify(order(4), "orders/create", "w-4")
    shop.send("by-create", genuine)
    shop.send("by-create", genuine, X_Shopify_Topic="orders/paid")
    shop.send("by-create", genuine, X_Shopify_Webhook_Id="another")
    assert len(shop.told(4)) == 1


def test_a_paid_orders_body_that_comes_again_as_cancelled_cancels_nothing(shop: Shop) -> None:
    genuine = shopify(order(5), "orders/paid", "w-5")
    shop.send("shopify", genuine)
    shop.send("shopify", genuine, X_Shopify_Topic="orders/cancelled")
    assert [event["event_type"] for event in shop.events("shopify")] == ["purchase"]
    gone = order(5, cancelled_at="2026-03-03T10:00:00Z", financial_status="refunded")
    shop.send("shopify", shopify(gone, "orders/cancelled", "w-6"))
    assert [event["event_type"] for event in shop.events("shopify")] == ["purchase", "order_cancelled"]


# ------------------------------------------------------------------------------------------------ under another id


def test_a_genuine_redelivery_is_a_duplicate(shop: Shop) -> None:
    genuine = shopify(order(6), "orders/paid", "w-6")
    shop.send("shopify", genuine)
    shop.send("shopify", genuine)
    assert len(listed(shop.folder, "webhooks")) == len(shop.told(6)) == 1


def test_an_order_and_a_refund_that_come_again_under_fresh_ids_are_told_once(shop: Shop) -> None:
    refund = REFUND | {"id": 70, "order_id": 7}
    for name in ("w-7", "w-7", "forged-1", "forged-2"):
        shop.send("shopify", shopify(order(7), "orders/paid", name))
        shop.send("shopify", shopify(refund, "refunds/create", f"r-{name}"))
    assert [event["event_type"] for event in shop.told(7)] == ["purchase", "refund"]
    assert len(listed(shop.folder, "webhooks")) == 2


def test_other_bytes_under_a_known_id_are_a_webhook_of_their_own(shop: Shop) -> None:
    shop.send("shopify", shopify(order(8), "orders/updated", "w-8"))
    shop.send("shopify", shopify(order(9), "orders/paid", "w-8"))
    assert len(shop.told(9)) == 1


# ---------------------------------------------------------------------------------------- under another test flag


def test_a_genuine_order_that_came_first_as_a_test_is_told_live_once(shop: Shop) -> None:
    genuine = shopify(order(10), "orders/paid", "w-10")
    shop.send("shopify", genuine, X_Shopify_Test="true")
    [event] = shop.events("shopify")
    assert not event["test"]
    shop.send("shopify", genuine)
    assert len(shop.told(10)) == 1


def test_a_test_order_is_no_live_one_whatever_its_header_says(shop: Shop) -> None:
    shop.send("shopify", shopify(order(11, test=True), "orders/paid", "w-11"), X_Shopify_Test="false")
    [event] = shop.events("shopify")
    assert event["test"]
    assert shop.told(11) == []


def test_a_customer_that_came_first_as_a_test_is_told_live_all_the_same(shop: Shop) -> None:
    genuine = shopify(CUSTOMER | {"id": 12}, "customers/create", "w-12")
    shop.send("shopify", genuine, X_Shopify_Test="true")
    shop.send("shopify", genuine)
    assert [event["test"] for event in shop.events("shopify")] == [True, False]
    until(shop.peer.taken, what="the customer")
    assert [event["user_id"] for event in shop.peer.taken()] == ["12"]


# -------------------------------------------------------------------------------------------- under another shop


def test_a_webhook_of_another_shop_than_the_pinned_one_is_set_aside_and_swallows_nothing(shop: Shop) -> None:
    genuine = shopify(order(13), "orders/paid", "w-13")
    shop.send("pinned", genuine, X_Shopify_Shop_Domain="evil.myshopify.com")
    assert shop.last()["state"] == "set_aside"
    assert "of another shop than the var `shop` names" in shop.last()["reason"]
    shop.send("pinned", genuine)
    assert len(shop.told(13)) == 1


def test_the_shop_that_a_body_names_counts_and_not_the_headers(shop: Shop) -> None:
    link = "https://{}/1/orders/abc/authenticate?key=made-up"
    other = order(14, order_status_url=link.format("other.myshopify.com"))
    shop.send("pinned", shopify(other, "orders/paid", "w-14"))
    assert shop.last()["state"] == "set_aside"
    own = order(15, order_status_url=link.format("made-up.myshopify.com"))
    shop.send("pinned", shopify(own, "orders/paid", "w-15"), X_Shopify_Shop_Domain="evil.myshopify.com")
    [event] = shop.told(15)
    assert event["context"]["page_url"].startswith("https://made-up.myshopify.com/")


# ------------------------------------------------------------------------------------------- at another source


def test_the_same_bytes_at_another_source_of_the_secret_are_told_once_in_their_scope_and_said_in_status(
    shop: Shop,
) -> None:
    genuine = shopify(order(16), "orders/paid", "w-16")
    shop.send("eu-1", genuine)
    shop.send("eu-2", genuine)
    assert len(shop.told(16)) == 1
    assert "same bytes as  wh_1 (eu-1, orders/paid)" in trackbridge(shop.folder, {}, "show", "wh_2").stdout
    status = json.loads(trackbridge(shop.folder, {}, "status", "--format", "json").stdout)
    [note] = [one["sentence"] for one in status["notes"] if one["cause"] == "same_bytes"]
    assert note.startswith("eu-2: 1 webhooks have the bytes of webhooks of eu-1")
    assert "`scope`" in note


def test_a_stripe_event_at_another_source_of_the_secret_is_told_once_in_their_scope(shop: Shop) -> None:
    shop.send("pay-1", stripe(SESSION))
    shop.send("pay-2", stripe(SESSION))
    assert len(shop.told("A-1001")) == 1
