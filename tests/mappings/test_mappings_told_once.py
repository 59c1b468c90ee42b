"""Random payments, of whose webhooks some come, in any order and again: each is told once, and so is each refund."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from telling import Bridge, brief, run_story

from bridge.core.json_text import Json
from bridge.store.in_steps import replay_all
from bridge.store.protocol import RowFilter

KINDS = ("session", "invoice", "intent", "charge")
WAITS = {"stripe": {"wait_for_richer": "10m", "wait_for_sale": "1h"}}


def stripe(topic: str, number: int, obj: Json, *, name: str, before: Json = None) -> Json:
    data = {"object": obj} if before is None else {"object": obj, "previous_attributes": before}
    created = 1772704800 + number
    return {"id": f"evt_{name}", "object": "event", "created": created, "livemode": True, "type": topic, "data": data}


def webhooks_of(number: int, shape: str, refunds: int) -> dict[str, Json]:
    """Every webhook that Stripe sends of one payment, each by its kind; all of them hold the links they have there."""
    pi, ch, ref = f"pi_{number}", f"ch_{number}", {"session": f"cs_{number}", "invoice": f"in_{number}"}.get(shape)
    amount = 1000 * (number + 1)
    base: dict[str, Any] = {"currency": "eur", "metadata": {}}
    details = {"payment_details": {"order_reference": ref}} if ref else {}
    intent = base | {"id": pi, "amount_received": amount, "status": "succeeded"} | details
    charge = base | {
        "id": ch, "amount": amount, "amount_captured": amount, "captured": True, "status": "succeeded",
        "payment_intent": pi, "billing_details": {"email": f"{number}@example.com"},
    }  # fmt: skip
    found = {
        "intent": stripe("payment_intent.succeeded", number, intent, name=f"{pi}"),
        "charge": stripe("charge.succeeded", number, charge, name=f"{ch}"),
    }
    if shape == "session":
        session = base | {
            "id": ref, "mode": "payment", "payment_status": "paid", "amount_total": amount, "payment_intent": pi,
            "client_reference_id": f"visit-{number}",
        }  # fmt: skip
        found["session"] = stripe("checkout.session.completed", number, session, name=f"{ref}")
    if shape == "invoice":
        invoice = base | {
            "id": ref, "amount_paid": amount, "billing_reason": "manual",
            "payments": {"data": [{"payment": {"payment_intent": pi}}]},
        }  # fmt: skip
        found["invoice"] = stripe("invoice.paid", number, invoice, name=f"{ref}")
    for each in range(refunds):
        part: dict[str, Any] = {
            "id": f"re_{number}_{each}",
            "amount": 100,
            "charge": ch,
            "payment_intent": pi,
            "status": "succeeded",
        }
        found[f"refund {each}"] = stripe("refund.created", number, base | part, name=part["id"])
        step = charge | {"amount_refunded": 100 * (each + 1)}
        before = {"amount_refunded": 100 * each}
        found[f"step {each}"] = stripe("charge.refunded", number, step, name=f"step_{number}_{each}", before=before)
    return found


@st.composite
def payments(draw: st.DrawFn) -> list[tuple[str, list[str], bool]]:
    """The shape of each payment, which of its webhooks come, and whether refunds come as charges only."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        shape = draw(st.sampled_from(["session", "invoice", "elements"]))
        kinds = [kind for kind in KINDS if kind in webhooks_of(0, shape, 0)]
        found.append((shape, draw(st.lists(st.sampled_from(kinds), min_size=1, unique=True)), draw(st.booleans())))
    return found


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_payment_with_a_webhook_is_told_once_by_the_richest_and_its_refunds_name_it(data: st.DataObject) -> None:
    drawn = data.draw(payments())
    bodies: list[Json] = []
    for number, (shape, kinds, by_charge) in enumerate(drawn):
        every = webhooks_of(number, shape, 2)
        topic = "step" if by_charge else "refund"
        bodies += [every[kind] for kind in [*kinds, f"{topic} 0", f"{topic} 1"]]
    order = data.draw(st.permutations(bodies + bodies[:2]))
    pauses = data.draw(st.lists(st.sampled_from([0, 0, 1, 30]), min_size=len(order), max_size=len(order)))

    async def story(bridge: Bridge) -> list[Json]:
        for body, pause in zip(order, pauses, strict=True):
            await bridge.take(body)
            await bridge.wait(seconds=pause)
        await bridge.wait(hours=3)
        await bridge.wait(minutes=1)
        assert not [row for row in await bridge.webhooks() if row.state == "received"]
        told = await bridge.told()
        await replay_all(bridge.store, RowFilter(state="ignored"), now=bridge.now)
        await bridge.wait(hours=3)
        await bridge.wait(minutes=1)
        assert [brief(one) for one in await bridge.told()] == [brief(one) for one in told]
        return told

    told = run_story(story, settings=WAITS)
    for number, (_shape, kinds, _) in enumerate(drawn):
        amount = 10 * (number + 1)
        sales = [one for one in told if one["event_type"] == "purchase" and one["properties"]["value"] == amount]
        assert len(sales) == 1, (number, kinds, told)
        name = sales[0]["properties"]["order_id"]
        prefix = {"session": "cs_", "invoice": "in_", "intent": "pi_", "charge": "pi_"}
        assert name.startswith(prefix[next(kind for kind in KINDS if kind in kinds)])
        refunds = [one for one in told if one["event_type"] == "refund" and one["properties"]["order_id"] == name]
        assert [float(one["properties"]["value"]) for one in refunds] == [1, 1], (number, kinds, told)
    assert len(told) == 3 * len(drawn)


def test_when_its_waits_are_over_a_payment_and_its_refund_are_decided_on_in_one_go_and_each_webhook_once() -> None:
    every = webhooks_of(1, "invoice", 1)
    order = [every[kind] for kind in ("step 0", "intent", "charge", "invoice")]  # the poorest first

    async def story(bridge: Bridge) -> list[Json]:
        for body in order:
            await bridge.keep(body)
        await bridge.settle()
        bridge.now += timedelta(minutes=11)
        looks = 0
        while count := await bridge.loop.translate_batch():
            looks += count
        assert not [row for row in await bridge.webhooks() if row.state == "received"]
        assert looks == len(order)
        return await bridge.told()

    told = run_story(story, settings=WAITS)
    assert [(one["event_type"], one["properties"]["order_id"]) for one in told] == [
        ("purchase", "in_1"),
        ("refund", "in_1"),
    ]


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_a_backlog_of_twenty_minutes_changes_nothing(data: st.DataObject) -> None:
    shapes = data.draw(st.lists(st.sampled_from(["session", "invoice", "elements"]), min_size=1, max_size=4))
    bodies = [body for number, shape in enumerate(shapes) for body in webhooks_of(number, shape, 1).values()]
    order = data.draw(st.permutations(bodies))
    most = data.draw(st.integers(1, 3))

    async def story(bridge: Bridge) -> list[Json]:
        for body in order:
            await bridge.keep(body)
            bridge.now += timedelta(seconds=7)
        bridge.now += timedelta(minutes=20)
        for _ in range(most):  # and killed: what was claimed is due again after its lease
            await bridge.store.claim_batch(now=bridge.now, limit=3, lease=timedelta(seconds=10))
        await bridge.wait(seconds=11)
        await bridge.wait(hours=2)
        return await bridge.told()

    told = run_story(story, settings=WAITS)
    prefix = {"session": "cs_", "invoice": "in_", "elements": "pi_"}
    assert sorted(one["properties"]["order_id"] for one in told) == sorted(
        f"{prefix[shape]}{number}" for number, shape in enumerate(shapes) for _ in ("purchase", "refund")
    )
