"""Random Shopify orders, of whose webhooks some come, in any order and again: each is told once, and each refund."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from telling import Bridge, brief, run_story

from bridge.core.json_text import Json
from bridge.store.in_steps import replay_all
from bridge.store.protocol import RowFilter

PAID = ("orders/create", "orders/updated", "orders/paid")
"""Topics that a paid order comes by, the poorest first."""


def order(number: int, *, paid: bool = True, **more: Json) -> dict[str, Json]:
    base: dict[str, Any] = {
        "id": 1000 + number, "name": f"#{number}", "financial_status": "paid" if paid else "pending",
        "total_price": f"{number + 10}.00", "currency": "EUR", "created_at": "2026-03-05T09:58:00Z",
        "processed_at": "2026-03-05T09:58:00Z", "updated_at": "2026-03-05T09:59:00Z", "source_name": "web",
        "line_items": [], "test": False,
    }  # fmt: skip
    return base | more


def refund(number: int, each: int) -> dict[str, Json]:
    """A refund of 1.00; the second of an order is equal to the first but for its id."""
    money = {"kind": "refund", "status": "success", "amount": "1.00", "currency": "EUR", "gateway": "bogus"}
    return {
        "id": 7000 + 10 * number + each, "order_id": 1000 + number, "created_at": "2026-03-05T10:00:00Z",
        "processed_at": "2026-03-05T10:00:00Z", "refund_line_items": [], "transactions": [money],
    }  # fmt: skip


def checkout(number: int, *, person: bool) -> dict[str, Json]:
    about: dict[str, Any] = {
        "id": 5000 + number, "token": f"tok{number}", "total_price": f"{number + 10}.00", "currency": "EUR",
        "line_items": [], "created_at": "2026-03-05T09:50:00Z",
    }  # fmt: skip
    return about | ({"email": f"{number}@example.com"} if person else {})


@st.composite
def webhooks_of(draw: st.DrawFn, number: int) -> tuple[list[tuple[str, Json]], bool]:
    """Some of the webhooks of one order, each with its topic; whether any of them says that it is paid."""
    topics = draw(st.lists(st.sampled_from(PAID), min_size=1, unique=True))
    is_paid = draw(st.integers(0, 4)) > 0
    found: list[tuple[str, Json]] = [(topic, order(number)) for topic in topics if is_paid]
    if not is_paid or draw(st.booleans()):
        found.append(("orders/create", order(number, paid=False, updated_at="2026-03-05T09:58:00Z")))
    found += [("refunds/create", refund(number, each)) for each in range(draw(st.integers(0, 2)) if is_paid else 0)]
    found += [
        ("checkouts/create", checkout(number, person=draw(st.booleans()))) for _ in range(draw(st.integers(0, 1)))
    ]
    found += [("checkouts/update", checkout(number, person=True)) for _ in range(draw(st.integers(0, 1)))]
    return found, is_paid


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_paid_order_is_told_once_by_its_name_and_its_refunds_sum_up_also_when_all_is_replayed(
    data: st.DataObject,
) -> None:
    drawn = [data.draw(webhooks_of(number)) for number in range(data.draw(st.integers(1, 3)))]
    webhooks = [one for found, _ in drawn for one in found]
    arriving = data.draw(st.permutations(webhooks + webhooks[:2]))
    pauses = data.draw(st.lists(st.sampled_from([0, 1, 30, 700]), min_size=len(arriving), max_size=len(arriving)))

    async def story(bridge: Bridge) -> tuple[list[Json], list[Json]]:
        for (topic, body), pause in zip(arriving, pauses, strict=True):
            await bridge.take(body, topic=topic, source="shopify")
            await bridge.wait(seconds=pause)
        await bridge.wait(hours=3)
        await bridge.wait(minutes=1)
        assert not [row for row in await bridge.webhooks() if row.state == "received"]
        first = await bridge.told()
        await replay_all(bridge.store, RowFilter(state="ignored"), now=bridge.now)
        await bridge.wait(hours=3)
        await bridge.wait(minutes=1)
        return first, await bridge.told()

    told, again = run_story(story, settings={"shopify": {}})
    assert [brief(one) for one in again] == [brief(one) for one in told]
    for number, (found, is_paid) in enumerate(drawn):
        mine = [one for one in told if one["properties"].get("order_id") == str(1000 + number)]
        sales = [one for one in mine if one["event_type"] == "purchase"]
        assert [brief(one)[2] for one in sales] == [number + 10] * is_paid, found
        assert all(one["properties"]["order_name"] == f"#{number}" for one in sales)
        refunds = [one for one in mine if one["event_type"] == "refund"]
        assert len(refunds) == len({body["id"] for topic, body in found if topic == "refunds/create"})
        assert all(brief(one)[2] == 1 and not one["notes"] for one in refunds), "each knows its sale"
    begun = {body["token"] for topic, body in webhooks if topic.startswith("checkouts/")}
    assert sum(one["event_type"] == "begin_checkout" for one in told) == len(begun)
