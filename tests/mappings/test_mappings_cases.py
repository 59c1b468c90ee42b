"""What the shipped mappings make of situations that store owners reported.

The bodies lie beside the checkout and are no part of it; what is right was read off their table.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from shipped import NOW, load, outcome, translation

from bridge import signature
from bridge.core import json_text
from bridge.core.conversions import KnownConversion
from bridge.core.json_text import Json
from bridge.core.model import Request, Translated
from bridge.mapping.engine.recall import NoEarlierEvents

CASES = Path(__file__).parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="the collected cases are not beside this checkout")
PLAN_CREATED = {"subscription": "customer.subscription.created"}


def come_to(name: str, *, topic: str = "", settings: dict[str, str] | None = None) -> Json:
    """What the body of that name comes to; a Stripe body names its topic itself."""
    provider = name.split("_")[1]
    headers = {"X-Shopify-Topic": topic} if topic else {}
    return outcome(translation(provider, headers, (CASES / f"{name}.json").read_bytes(), settings or {}))


def only(came: Json) -> Json:
    """The one event that it came to."""
    assert isinstance(came, list), came
    [event] = came
    return event


def items_total(event: Json) -> Decimal:
    items = event["properties"]["items"]
    return Decimal(sum(Decimal(str(item["price"])) * item["quantity"] for item in items))


@needs_cases
def test_a_refund_and_a_dispute_carry_their_sales_order_id_and_person() -> None:
    bound = load("stripe").bind_source("stripe", secrets=["whsec_made_up_for_cases_01"], vars={})
    earlier = NoEarlierEvents()
    told = {}
    for name in ("01a_stripe_session", "01b_stripe_refund", "01c_stripe_dispute"):
        body = (CASES / f"{name}.json").read_bytes()
        [webhook] = signature.identify_webhooks(
            load("stripe").recipe, Request(method="POST", headers=(), body=body), source="stripe", now=NOW
        )
        made = bound.translate_with_earlier(webhook, earlier)
        assert isinstance(made, Translated)
        [event] = made.events
        earlier |= dict.fromkeys(event.conversion_keys, (KnownConversion(event.text),))
        told[event.event_type] = json_text.parse_json(event.text)
    assert set(told) == {"purchase", "refund", "dispute"}
    assert len({event["properties"]["order_id"] for event in told.values()}) == 1
    assert told["dispute"]["user_data"] == told["refund"]["user_data"] == told["purchase"]["user_data"]


@needs_cases
def test_a_change_of_plan_that_is_paid_at_once_is_a_purchase_without_the_credit_among_its_goods() -> None:
    event = only(come_to("06a_stripe_invoice_subscription_update"))
    assert (event["event_type"], event["properties"]["value"]) == ("purchase", 71)
    assert items_total(event) - event["properties"]["discount"] == 71


@needs_cases
def test_a_renewals_items_less_its_discount_are_its_value() -> None:
    event = only(come_to("12_stripe_renewal_with_credit_lines"))
    assert event["properties"]["value"] == 100
    assert items_total(event) - event["properties"]["discount"] == 100


@needs_cases
def test_more_seats_are_an_upgrade_and_no_purchase() -> None:
    assert only(come_to("06e_stripe_seats"))["event_type"] == "plan_upgraded"


@needs_cases
def test_a_subscription_with_a_coupon_is_never_told_with_the_list_price() -> None:
    event = only(come_to("07a_stripe_subscription_coupon_100", settings=PLAN_CREATED))
    assert event["event_type"] == "subscription"
    assert not event["properties"].get("value")


@needs_cases
def test_a_refund_is_told_when_it_succeeds() -> None:
    assert come_to("14a_stripe_refund_requires_action").keys() == {"ignored"}
    assert come_to("14c_stripe_refund_pending").keys() == {"ignored"}
    assert only(come_to("14b_stripe_refund_later_succeeded"))["event_type"] == "refund"


@needs_cases
def test_a_refund_that_failed_is_told_with_its_value_and_id() -> None:
    event = only(come_to("14d_stripe_refund_failed"))
    assert event["event_type"] == "refund_failed"
    assert (event["properties"]["value"], event["properties"]["refund_id"]) == (50, "re_12")


@needs_cases
def test_an_inquiry_is_no_dispute_and_has_no_value() -> None:
    event = only(come_to("15a_stripe_inquiry"))
    assert event["event_type"] == "dispute_inquiry"
    assert "value" not in event["properties"]


@needs_cases
def test_a_lost_dispute_is_told() -> None:
    assert only(come_to("15b_stripe_dispute_lost"))["event_type"] == "dispute_lost"


@needs_cases
def test_a_subscription_that_never_ran_is_none_that_is_cancelled() -> None:
    assert come_to("16a_stripe_never_ran_deleted").keys() == {"ignored"}


@needs_cases
def test_plans_are_compared_by_what_they_cost_in_a_year() -> None:
    assert only(come_to("16b_stripe_year_to_dearer_month"))["event_type"] == "plan_upgraded"
    assert come_to("16c_stripe_same_price").keys() == {"ignored"}


@needs_cases
def test_a_customer_of_stripe_is_no_sign_up_by_default() -> None:
    assert come_to("17c_stripe_buyer_is_signup").keys() == {"ignored"}


@needs_cases
def test_the_session_of_a_shop_system_is_not_the_visitors() -> None:
    event = only(come_to("18a_stripe_medusa_session", settings={"purchase": "payment_intent.succeeded"}))
    assert "session_id" not in event


@needs_cases
def test_a_thin_event_is_ignored_with_a_note() -> None:
    assert "thin event" in come_to("21_stripe_thin_ping")["ignored"]


@needs_cases
def test_an_end_that_was_asked_for_is_told_when_it_is_asked_for() -> None:
    assert only(come_to("24_stripe_cancel_at_period_end"))["event_type"] == "subscription_cancelling"


@needs_cases
def test_a_checkout_is_told_in_the_buyers_currency() -> None:
    properties = only(come_to("09_shopify_checkout_yen", topic="checkouts/create"))["properties"]
    assert (properties["value"], properties["currency"]) == (15000, "JPY")


@needs_cases
@pytest.mark.parametrize(
    ("name", "value", "currency"),
    [("10b_shopify_refund_eur", 119, "EUR"), ("10c_shopify_refund_with_sets", 129, "USD")],
)
def test_a_refund_is_told_in_the_shops_currency_where_its_body_says_how_much_that_is(
    name: str, value: int, currency: str
) -> None:
    properties = only(come_to(name, topic="refunds/create"))["properties"]
    assert (properties["value"], properties["currency"]) == (value, currency)


@needs_cases
def test_an_order_that_was_edited_before_it_was_paid_is_told_as_it_was_paid() -> None:
    properties = only(come_to("11a_shopify_edited_before_paid", topic="orders/paid"))["properties"]
    assert properties["value"] == 89
    assert [(item["sku"], item["quantity"]) for item in properties["items"]] == [("A-1", 1)]


@needs_cases
def test_an_order_that_was_paid_days_later_is_told_at_its_payment() -> None:
    name = "13_shopify_paid_days_later"
    assert only(come_to(name, topic="orders/paid"))["timestamp"] == "2026-03-05T10:01:00+01:00"
    by_order = only(come_to(name, topic="orders/paid", settings={"time": "order"}))
    assert by_order["timestamp"] == "2026-02-20T10:00:00+01:00"


@needs_cases
def test_a_dispute_of_shopify_is_told() -> None:
    event = only(come_to("15d_shopify_dispute", topic="disputes/create"))
    assert (event["event_type"], event["properties"]["order_id"]) == ("dispute", "5600000000001")


@needs_cases
def test_a_record_of_a_customer_is_no_sign_up_by_default() -> None:
    assert come_to("17a_shopify_guest_is_signup", topic="customers/create").keys() == {"ignored"}


@needs_cases
def test_a_renewal_of_a_subscription_app_is_counted_with_its_channel_or_left_out_by_a_var() -> None:
    name = "19a_shopify_recurring_order"
    assert only(come_to(name, topic="orders/paid"))["properties"]["channel"] == "recurring"
    left_out = come_to(name, topic="orders/paid", settings={"recurring_orders": "ignored"})
    assert left_out.keys() == {"ignored"}


@needs_cases
def test_discounted_items_are_told_for_what_was_paid() -> None:
    properties = only(come_to("20_shopify_discounted_items", topic="orders/paid"))["properties"]
    assert [item["price"] for item in properties["items"]] == [49]
    assert properties["discount"] == 60


@needs_cases
def test_a_refund_to_store_credit_is_no_refund_of_money_by_default() -> None:
    name = "23_shopify_store_credit"
    assert come_to(name, topic="refunds/create").keys() == {"ignored"}
    counted = only(come_to(name, topic="refunds/create", settings={"store_credit": "counted"}))
    assert counted["properties"]["value"] == 119
