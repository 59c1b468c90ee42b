"""What is a duplicate between sources of one mapping, between mappings, and beside a backend's own events."""

from __future__ import annotations

from telling import Bridge, brief, run_story

from bridge import contract
from bridge.core.json_text import Json
from bridge.core.model import Route, Routed

SHARED = {"stripe-a": {"purchase": "payment_intent.succeeded"}, "stripe-b": {"purchase": "payment_intent.succeeded"}}


def intent(name: str, order: str, *, event: str) -> Json:
    paid = {
        "id": name,
        "amount_received": 5000,
        "currency": "usd",
        "status": "succeeded",
        "metadata": {"order_id": order},
    }
    return {
        "id": event, "created": 1772704800, "livemode": True, "type": "payment_intent.succeeded", "data": {"object": paid}
    }  # fmt: skip


def refund(name: str, payment: str) -> Json:
    made = {"id": name, "amount": 5000, "currency": "usd", "status": "succeeded", "payment_intent": payment}
    return {
        "id": f"evt_{name}",
        "created": 1772704900,
        "livemode": True,
        "type": "refund.created",
        "data": {"object": made},
    }


def test_sources_of_one_mapping_share_payments_and_not_order_ids() -> None:
    async def story(bridge: Bridge) -> None:
        await bridge.take(intent("pi_1", "1042", event="evt_1"), source="stripe-a")
        await bridge.take(intent("pi_1", "1042", event="evt_2"), source="stripe-b")
        await bridge.take(intent("pi_2", "1042", event="evt_3"), source="stripe-b")
        assert [brief(one) for one in await bridge.told()] == [("purchase", "1042", 50)] * 2
        assert await bridge.duplicates() == 1

    run_story(story, settings=SHARED, scope="shop")


def test_an_order_that_a_backend_told_is_told_once_and_its_refund_finds_it_by_the_payment() -> None:
    async def story(bridge: Bridge) -> None:
        told = {"event_type": "purchase", "properties": {"order_id": "7", "value": 50, "currency": "USD"}}
        own = contract.validate_event(
            told, origin="key:shop", scope="shop", received_at=bridge.now, default_id="evt_own"
        )
        await bridge.store.accept_events([Routed(own, (Route("up"),))], now=bridge.now)
        await bridge.take(intent("pi_7", "7", event="evt_7"), source="stripe-a")
        await bridge.take(refund("re_7", "pi_7"), source="stripe-a")
        assert [brief(one) for one in await bridge.told()] == [("purchase", "7", 50), ("refund", "7", 50)]
        assert await bridge.duplicates() == 1

    run_story(story, settings=SHARED, scope="shop")


def test_a_refund_that_was_ignored_since_its_sale_was_unknown_is_told_when_the_sale_is() -> None:
    async def story(bridge: Bridge) -> None:
        await bridge.take(refund("re_9", "pi_9"))
        await bridge.wait(hours=2)
        (row,) = await bridge.webhooks()
        assert row.reason == "no event of its sale is known (refund_without_sale = ignored)"
        await bridge.take(intent("pi_9", "9", event="evt_9"))
        await bridge.wait(minutes=11)
        assert sorted(brief(one) for one in await bridge.told()) == [("purchase", "9", 50), ("refund", "9", 50)]

    run_story(story, settings={"stripe": {"refund_without_sale": "ignored"}})
