"""What the shipped mappings hold for the same conversion, and what for another one.

Two events that claim one key are one conversion told twice; see the ledger.
"""

from __future__ import annotations

import copy

from shipped import Example, examples, translation

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import Translated

EXAMPLES = {str(example): example for provider in ("stripe", "shopify") for example in examples(provider)}


def conversion_keys(name: str, **changes: Json) -> set[bytes]:
    """The conversion keys of the one event of an example, with other values for fields of the body's object."""
    return set(conversion_key_list(name, **changes))


def conversion_key_list(name: str, **changes: Json) -> list[bytes]:
    """The same in order: the first decides; of the one event of an example, with other values for fields of the body's object."""
    example = EXAMPLES[name]
    came = translation(
        example.provider, example.headers, json_text.write_json(_with(example, changes)), example.settings
    )
    assert isinstance(came, Translated), came
    [event] = came.events
    assert event.conversion_keys
    return list(event.conversion_keys)


def _with(example: Example, changes: dict[str, Json]) -> Json:
    body = copy.deepcopy(example.body)
    (body["data"]["object"] if example.provider == "stripe" else body).update(changes)
    return body


def test_a_session_is_one_purchase_however_often_it_succeeds() -> None:
    first = conversion_keys("stripe/checkout.session.completed.usual")

    assert first & conversion_keys("stripe/checkout.session.async_payment_succeeded.usual", payment_intent="pi_A100")
    assert not first & conversion_keys("stripe/checkout.session.async_payment_succeeded.usual")


def test_a_payment_is_one_purchase_whichever_event_tells_it() -> None:
    session = conversion_keys("stripe/checkout.session.completed.usual")
    expanded = conversion_keys("stripe/checkout.session.completed.basil", payment_intent={"id": "pi_A100"})
    invoice = conversion_keys("stripe/invoice.paid.renewal", payment_intent="pi_A100")
    basil = conversion_keys(
        "stripe/invoice.paid.basil", payments={"data": [{"payment": {"payment_intent": "pi_A100"}}]}
    )
    intent = conversion_keys("stripe/payment_intent.succeeded.usual", id="pi_A100")

    assert session & expanded & invoice & basil & intent


def test_a_free_session_without_a_payment_is_known_by_itself() -> None:
    free = conversion_keys("stripe/checkout.session.completed.free", metadata={})

    assert not free & conversion_keys("stripe/checkout.session.completed.free", metadata={}, id="cs_live_other")
    assert free & conversion_keys("stripe/checkout.session.completed.free", metadata={"order_id": "later known"})


def test_renewals_of_one_subscription_are_purchases_of_their_own() -> None:
    first = conversion_keys("stripe/invoice.paid.renewal")

    assert not first & conversion_keys("stripe/invoice.paid.renewal", id="in_R2", payment_intent="pi_R2")


def test_a_subscription_is_one_whichever_event_tells_it() -> None:
    created = conversion_keys("stripe/customer.subscription.created.usual", id="sub_D4")

    assert created & conversion_keys("stripe/customer.subscription.updated.activated")
    assert created & conversion_keys("stripe/checkout.session.completed.subscription", subscription="sub_D4")


def test_refunds_of_one_payment_are_refunds_of_their_own() -> None:
    first = conversion_keys("stripe/refund.created.partial")
    second = conversion_keys("stripe/charge.refunded.second")

    [other_key, *_] = conversion_key_list("stripe/refund.created.partial", id="re_A101")
    assert other_key not in first
    [first_key, *_] = conversion_key_list("stripe/charge.refunded.second", amount_refunded=3000)
    assert first_key not in second
    assert second & conversion_keys("stripe/charge.refunded.second", receipt_email="told@example.com")


def test_refunds_of_one_order_are_refunds_of_their_own() -> None:
    assert not conversion_keys("shopify/refunds_create.usual") & conversion_keys("shopify/refunds_create.usual", id=1)


def test_an_order_is_one_purchase_whichever_topic_tells_it() -> None:
    assert conversion_keys("shopify/orders_paid.usual") & conversion_keys(
        "shopify/orders_create.usual", id=9007199254740993111
    )
    assert not conversion_keys("shopify/orders_paid.usual") & conversion_keys(
        "shopify/orders_paid.usual", id=9007199254740993112
    )


def test_a_checkout_begins_once_whatever_is_changed_in_it() -> None:
    first = conversion_keys("shopify/checkouts_create.usual")

    assert first & conversion_keys("shopify/checkouts_update.usual", token="2a1ace52255252df566af0faaedfbfa7")
    assert not first & conversion_keys("shopify/checkouts_update.usual")
