"""What the shipped mappings tell of webhooks that belong together, as store owners reported them.

The bodies lie beside the checkout and are no part of it; what is right was read off their table. A real store and the
real loop decide; only the clock is set.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from telling import Bridge, brief, run_story

from bridge.core import json_text
from bridge.core.json_text import Json

CASES = Path(__file__).parents[3] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="the collected cases are not beside this checkout")


def body(name: str) -> Json:
    return json_text.parse_json((CASES / f"{name}.json").read_bytes())


def told_after(names: Sequence[str], *, hours: float = 2) -> list[Json]:
    """What is told when webhooks came in that order, and the waits are over."""

    async def story(bridge: Bridge) -> list[Json]:
        for name in names:
            await bridge.take(body(name))
            await bridge.wait(seconds=1)
        await bridge.wait(hours=hours)
        return await bridge.told()

    return run_story(story)


ELEMENTS = ("03a_stripe_elements_intent", "03b_stripe_charge_with_email")
RENEWAL = ("02a_stripe_renewal_basil", "02b_stripe_refund_of_renewal", "02e_stripe_invoice_payment")


@pytest.mark.parametrize(
    "names", list(itertools.permutations(RENEWAL)), ids=lambda names: " ".join(n[:3] for n in names)
)
def test_the_refund_of_a_renewal_finds_it_by_the_link_whichever_comes_first(names: Sequence[str]) -> None:
    told = told_after(names)
    assert sorted(brief(one) for one in told) == [("purchase", "in_3", 29), ("refund", "in_3", 29)]
    assert all(one["user_data"]["email"] == "bo@mail.test" for one in told)
    assert not any(one["notes"] for one in told)


@pytest.mark.parametrize("names", [ELEMENTS, ELEMENTS[::-1]])
def test_a_payment_with_elements_is_one_purchase_with_the_person_of_its_charge(names: Sequence[str]) -> None:
    (told,) = told_after(names)
    assert brief(told) == ("purchase", "W-17", 50)
    assert told["user_data"]["email"] == "buyer@mail.test"


def test_a_refund_of_an_old_version_whose_sale_is_unknown_is_told_with_a_note() -> None:
    (told,) = told_after(["03c_stripe_refund_old_version"])
    assert brief(told) == ("refund", "pi_39", 84.9)
    assert any("sale_unknown" in note for note in told["notes"])


def test_the_refund_of_a_till_order_is_not_told_and_says_why() -> None:
    async def story(bridge: Bridge) -> None:
        await bridge.take(body("04a_shopify_till_order"), topic="orders/paid", source="shopify")
        await bridge.take(body("04b_shopify_till_refund"), topic="refunds/create", source="shopify")
        assert await bridge.told() == []
        order, refund = await bridge.webhooks()
        assert order.reason == "orders at a till are not counted (point_of_sale = ignored)"
        assert refund.reason == f"its sale was not told: {order.reason}"

    run_story(story)


def test_two_shops_that_count_their_orders_alike_are_two_purchases() -> None:
    told = told_after(["05a_stripe_shop_a_order_1042", "05b_stripe_shop_b_order_1042"])
    assert sorted(brief(one) for one in told) == [("purchase", "1042", 50), ("purchase", "1042", 99)]


def test_an_order_that_was_paid_twice_is_two_purchases_and_the_refund_is_of_the_second() -> None:
    told = told_after(["05e_stripe_paid_once", "05f_stripe_paid_twice", "05g_stripe_second_refunded"])
    assert sorted(brief(one) for one in told) == [
        ("purchase", "D-57", 50), ("purchase", "D-57", 50), ("refund", "D-57", 50)
    ]  # fmt: skip


def test_an_invoice_that_was_written_by_hand_is_a_purchase() -> None:
    (told,) = told_after(["06b_stripe_manual_invoice"])
    assert brief(told) == ("purchase", "in_6", 1200)


def test_the_first_invoice_of_a_subscription_that_no_session_sold_is_its_start() -> None:
    (told,) = told_after(["06c_stripe_first_invoice_by_api"])
    assert brief(told) == ("subscription", "in_7", 29)


HOLD = ("08a_stripe_session_hold", "08b_stripe_intent_captured", "08c_stripe_charge_captured")


@pytest.mark.parametrize("names", list(itertools.permutations(HOLD)), ids=lambda names: " ".join(n[:3] for n in names))
def test_money_that_was_held_is_one_purchase_with_the_sessions_order_person_and_visit(names: Sequence[str]) -> None:
    (told,) = told_after(names)
    assert brief(told) == ("purchase", "ORD-2", 84.9)
    assert (told["user_data"]["email"], told["session_id"]) == ("ada@mail.test", "sess_9")


def test_a_refund_in_another_currency_than_its_sale_is_noted() -> None:
    async def story(bridge: Bridge) -> None:
        await bridge.take(body("10a_shopify_order_usd_paid_eur"), topic="orders/paid", source="shopify")
        await bridge.take(body("10b_shopify_refund_eur"), topic="refunds/create", source="shopify")
        purchase, refund = await bridge.told()
        assert brief(purchase)[1:] == ("5600000000001", 129)
        assert (float(refund["properties"]["value"]), refund["properties"]["currency"]) == (119, "EUR")
        assert refund["notes"] == ["its sale was told in USD, this is in EUR"]

    run_story(story)


def test_a_request_to_erase_a_person_names_the_date() -> None:
    async def story(bridge: Bridge) -> None:
        await bridge.take(body("22_shopify_redact"), topic="customers/redact", source="shopify")
        (row,) = await bridge.webhooks()
        assert row.reason == "privacy request; erase the data of the customer by 2026-04-04"

    run_story(story)
