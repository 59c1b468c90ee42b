"""What the shipped mappings make of situations that store owners reported.

The bodies lie beside the checkout and are no part of it; what is right was read off their table.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from shipped import outcome, translation

from bridge.core.json_text import Json

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
