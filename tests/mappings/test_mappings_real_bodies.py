"""The shipped mappings over bodies that providers' own samples and other projects' tests hold.

The bodies lie beside the checkout and are no part of it; the outcomes below were read off them by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from shipped import outcome, translation

from bridge.core import json_text
from bridge.core.json_text import Json

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads"
INDEX = PAYLOADS / "index.json"
LISTED = json_text.parse_json(INDEX.read_bytes()) if INDEX.exists() else []
BODIES = [entry for entry in LISTED if entry["provider"] in {"stripe", "shopify"}]
OTHERWISE = {
    "stripe": {
        "purchase": "payment_intent.succeeded",
        "subscription": "customer.subscription.created",
        "refund": "charge.refunded",
        "signup": "customer.created",
    },
    "shopify": {"purchase": "orders/create", "point_of_sale": "counted", "signup": "customers/create"},
}
"""The other choice of every var that has one."""

needs_payloads = pytest.mark.skipif(not BODIES, reason="the collected bodies are not beside this checkout")


@dataclass(frozen=True)
class Told:
    """What an event must say; `email` whether it holds one."""

    event_type: str
    value: int | Decimal | None = None
    currency: str | None = None
    order_id: str | None = None
    email: bool = False
    test: bool = True


NO_WHEN = {"ignored": "no rule's `when` held"}
NO_RULE = {"ignored": "no rule for this topic"}

TOLD = {
    "shopify/orders_create__activepieces__1": Told(
        "purchase", Decimal("2629.95"), "USD", "5324830114101", email=False, test=False
    ),
    "shopify/orders_updated__shopify-app-js__3": Told(
        "purchase", Decimal("238.47"), "EUR", "1073459975", email=False, test=False
    ),
    "stripe/charge.captured__stripe-ruby-mock__1": Told(
        "purchase", Decimal("1.00"), "USD", "ch_000000000000000000000000", email=False, test=True
    ),
    "stripe/charge.refunded__pay-rails__1": Told("refund", Decimal("5.00"), "USD", "pm_1234", email=False, test=True),
    "stripe/charge.refunded__supabase-sync__1": Told(
        "refund", Decimal("25.00"), "USD", "pi_3Kl36gJDPojXS6LN02fQVtKR", email=False, test=True
    ),
    "stripe/charge.succeeded__activepieces__1": Told(
        "purchase", Decimal("100.00"), "USD", "pi_3MWM7aKZ0dZRqLEK1BsblcVI", email=True, test=True
    ),
    "stripe/charge.succeeded__solidus_stripe__1": Told(
        "purchase", Decimal("20.00"), "USD", "pi_3MRUo1JvEPu9yc7w0ldPcSpn", email=False, test=True
    ),
    "stripe/charge.succeeded__stripe-ruby-mock__1": Told(
        "purchase", Decimal("20.00"), "USD", "pi_000000000000000000000000", email=False, test=True
    ),
    "stripe/customer.subscription.created__activepieces__1": Told(
        "subscription", Decimal("100.00"), "USD", "sub_1MWMJXKZ0dZRqLEKJX80JXfv", email=False, test=True
    ),
    "stripe/customer.subscription.created__stripe-openapi__1": Told(
        "subscription", Decimal("20.00"), "USD", "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw", email=False, test=True
    ),
    "stripe/customer.subscription.created__supabase-sync__1": Told(
        "subscription", Decimal("0.00"), "USD", "sub_JdIzvfy6o5GZRd", email=False, test=True
    ),
    "stripe/invoice.paid__pay-rails__1": Told(
        "purchase", Decimal("245.12"), "USD", "in_1RFFohKXBGcbgpbZk9MxzDMc", email=True, test=True
    ),
    "stripe/invoice.paid__stripe-ruby-mock__1": Told(
        "purchase", Decimal("20.00"), "USD", "in_000000000000000000000000", email=False, test=True
    ),
    "stripe/invoice.payment_succeeded__go-foks__1": Told(
        "subscription", Decimal("1.90"), "USD", "in_1RBBasilSample0000000001", email=True, test=True
    ),
    "stripe/invoice.payment_succeeded__stripe-ruby-mock__1": Told(
        "purchase", Decimal("20.00"), "USD", "in_000000000000000000000000", email=False, test=True
    ),
    "stripe/charge.dispute.closed__stripe-ruby-mock__1": Told("dispute_won", 10, "USD", "ch_00000000000000"),
    "stripe/charge.dispute.created__stripe-openapi__1": Told(
        "dispute_inquiry", None, "USD", "ch_1PgafuB7WZ01zgkWXYmPNZs8"
    ),
    "stripe/charge.dispute.created__supabase-sync__1": Told(
        "dispute_inquiry", None, "USD", "pi_1IqtG9JDPojXS6LNOGnYrIqq"
    ),
    "stripe/checkout.session.completed__pay-rails__1": Told(
        "subscription",
        19,
        "USD",
        "cs_test_a1UejXx8ebIdTzFolicVypUAZpOBVkoQKDbaarXoPlPVtj8p0zujPEEhjT",
        email=True,
    ),
    "stripe/checkout.session.completed__stripe-ruby-mock__1": Told(
        "purchase", 30, "USD", "cs_test_" + "0" * 58, email=True
    ),
    "stripe/checkout.session.completed__trigger.dev__1": Told(
        "purchase", 30, "USD", "cs_test_a1LFuyKHsmzBxr6SvxfFu184ISK2sNebnb60DloYuCenBcJtfGttTydm4n", email=True
    ),
    "stripe/customer.subscription.deleted__pay-rails__1": Told("subscription_cancelled"),
    "stripe/customer.subscription.deleted__supabase-sync__1": Told("subscription_cancelled"),
    "stripe/refund.created__stripe-openapi__1": Told("refund", 1, "USD", "ch_1PgafuB7WZ01zgkWXYmPNZs8"),
    "shopify/carts_create__gadget-docs__1": Told("add_to_cart", Decimal("59.97"), "USD", test=False),
    "shopify/checkouts_create__gadget-docs__1": Told(
        "begin_checkout", Decimal("421.88"), "USD", email=True, test=False
    ),
    "shopify/checkouts_update__gadget-docs__1": Told(
        "begin_checkout", Decimal("421.88"), "USD", email=True, test=False
    ),
    "shopify/checkouts_update__shopify-app-js__1": Told(
        "begin_checkout", Decimal("379.69"), "USD", email=True, test=False
    ),
    "shopify/orders_cancelled__activepieces__1": Told(
        "order_cancelled", order_id="5324790137142", email=True, test=False
    ),
    "shopify/disputes_create__gadget-docs__1": Told(
        "dispute", Decimal("11.50"), "CAD", "820982911946154500", test=False
    ),
    "shopify/orders_paid__activepieces__1": Told("purchase", Decimal("2629.95"), "USD", "5324830114101", test=False),
    "shopify/orders_paid__go-shopify__1": Told("purchase", 10, "USD", "123456", email=True),
    "shopify/orders_paid__spree-importer__2": Told("purchase", 470, "EUR", "5182437124", email=True),
    "shopify/refunds_create__shopify-app-js__1": Told("refund", Decimal("41.94"), "USD", "450789469"),
    "shopify/refunds_create__shopify-app-js__3": Told("refund", 209, "USD", "450789469", test=False),
}

TOLD_OTHERWISE = {
    name: told
    for name, told in TOLD.items()
    if told.event_type
    in {
        "dispute",
        "dispute_inquiry",
        "dispute_won",
        "subscription_cancelled",
        "add_to_cart",
        "begin_checkout",
        "order_cancelled",
    }
    or (told.event_type == "refund" and name.startswith("shopify/"))
} | {
    "shopify/customers_create__activepieces__1": Told("signup", email=True, test=False),
    "shopify/customers_create__gadget-docs__2": Told("signup", email=True, test=False),
    "shopify/customers_create__go-shopify__1": Told("signup", email=True, test=False),
    "stripe/customer.created__activepieces__1": Told("signup", email=True),
    "stripe/customer.created__stripe-ruby-mock__1": Told("signup"),
    "stripe/charge.refunded__pay-rails__1": Told("refund", 5, "USD", "pm_1234"),
    "stripe/charge.refunded__supabase-sync__1": Told("refund", 25, "USD", "pi_3Kl36gJDPojXS6LN02fQVtKR"),
    "stripe/customer.subscription.created__activepieces__1": Told(
        "subscription", 100, "USD", "sub_1MWMJXKZ0dZRqLEKJX80JXfv"
    ),
    "stripe/customer.subscription.created__stripe-openapi__1": Told(
        "subscription", 20, "USD", "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw"
    ),
    "stripe/customer.subscription.created__supabase-sync__1": Told("subscription", 0, "USD", "sub_JdIzvfy6o5GZRd"),
    "shopify/orders_create__activepieces__1": Told("purchase", Decimal("2629.95"), "USD", "5324830114101", test=False),
    "shopify/orders_create__gadget-docs__2": Told("purchase", 388, "USD", "820982911946154500", email=True),
    "shopify/orders_create__gadget-docs__4": Told(
        "purchase", Decimal("404.95"), "USD", "820982911946154500", email=True
    ),
    "shopify/orders_create__go-shopify__1": Told("purchase", 10, "USD", "123456", email=True),
}

NO_NUMBER = "the text is no number like 19.90, in =decimal(body.total_price)"
NO_NUMBER_OF_ORDER = "the text is no number like 19.90, in =decimal(order_value)"
SET_ASIDE = {
    "shopify/orders_create__gadget-exemplar__2": NO_NUMBER_OF_ORDER,
    "shopify/orders_create__gadget-exemplar__4": NO_NUMBER_OF_ORDER,
    "shopify/orders_create__gadget-exemplar__6": NO_NUMBER_OF_ORDER,
    # Bodies whose every value was replaced by `example string`: their amounts are no numbers.
    "shopify/checkouts_update__gadget-exemplar__2": NO_NUMBER,
    "shopify/checkouts_update__gadget-exemplar__4": NO_NUMBER,
    "shopify/checkouts_update__gadget-exemplar__6": NO_NUMBER,
    "shopify/checkouts_update__gadget-exemplar__8": NO_NUMBER,
    "shopify/checkouts_update__gadget-exemplar__10": NO_NUMBER,
}
SET_ASIDE_OTHERWISE = SET_ASIDE | {
    "shopify/orders_create__gadget-exemplar__2": NO_NUMBER_OF_ORDER,
    "shopify/orders_create__gadget-exemplar__4": NO_NUMBER_OF_ORDER,
    "shopify/orders_create__gadget-exemplar__6": NO_NUMBER_OF_ORDER,
}
RULES = {
    "charge.captured",
    "charge.succeeded",
    "invoice.payment_succeeded",
    "orders/updated",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.refund.updated",
    "charge.refunded",
    "checkout.session.completed",
    "customer.created",
    "customer.subscription.created",
    "customer.subscription.updated",
    "invoice.paid",
    "payment_intent.succeeded",
    "refund.created",
    "refund.failed",
    "refund.updated",
    "carts/create",
    "checkouts/create",
    "checkouts/update",
    "customers/create",
    "orders/cancelled",
    "orders/create",
    "orders/paid",
    "refunds/create",
}
"""The topics of rules; a body of one of them that is not told has a `when` that does not hold."""


def come_to(entry: Json, settings: dict[str, str]) -> Json:
    headers = dict(entry["headers"])
    if entry["provider"] == "shopify":
        headers["X-Shopify-Topic"] = topic(entry)
    body = (PAYLOADS / entry["file"]).read_bytes()
    return outcome(translation(entry["provider"], headers, body, settings))


def topic(entry: Json) -> str:
    return str(entry["topic"]).partition(" ")[0]


def told(event: Json) -> Told:
    properties = event.get("properties", {})
    return Told(
        event["event_type"],
        properties.get("value"),
        properties.get("currency"),
        properties.get("order_id"),
        email="email" in event.get("user_data", {}),
        test=event.get("test", False),
    )


@needs_payloads
@pytest.mark.parametrize("otherwise", [False, True], ids=["default vars", "other vars"])
@pytest.mark.parametrize("entry", BODIES, ids=lambda entry: entry["file"])
def test_a_real_body_comes_to_what_was_read_off_it(entry: Json, *, otherwise: bool) -> None:
    name = entry["file"].removesuffix(".json")
    expected = (TOLD_OTHERWISE if otherwise else TOLD).get(name)
    aside = (SET_ASIDE_OTHERWISE if otherwise else SET_ASIDE).get(name)

    came = come_to(entry, OTHERWISE[entry["provider"]] if otherwise else {})

    if expected:
        [event] = came
        assert told(event) == expected
    elif aside:
        assert came == {"set_aside": aside}
    else:
        assert came.keys() == {"ignored"}
        assert came not in (NO_WHEN, NO_RULE) if topic(entry) in RULES else came != NO_WHEN


@needs_payloads
def test_every_body_read_by_hand_is_there() -> None:
    names = {entry["file"].removesuffix(".json") for entry in BODIES}

    assert names >= TOLD.keys() | TOLD_OTHERWISE.keys() | SET_ASIDE_OTHERWISE.keys()
