"""Webhooks of one payment that nothing links: each is told, and both events say that they may be one payment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from telling import MAPPINGS, Bridge, brief, run_story

from bridge import mapping
from bridge.core.json_text import Json
from bridge.status.configured import ConfiguredBridge, ConfiguredSource
from bridge.status.read import read_status
from bridge.store.protocol import EventDetail, RowFilter

START = 1772704800
LATE = 11 * 60
"""Seconds that are longer than a webhook waits for a richer one."""
LINKS = mapping.load_mapping(MAPPINGS / "stripe.yaml").link_topics
CONFIGURED = ConfiguredBridge(sources=(ConfiguredSource("stripe", link_topics=LINKS),), is_known=True)


def stripe(topic: str, obj: dict[str, Any]) -> Json:
    return {
        "id": f"evt_{topic}_{obj['id']}", "object": "event", "created": START, "livemode": True, "type": topic,
        "data": {"object": {"currency": "eur", "metadata": {}} | obj},
    }  # fmt: skip


def invoice(number: int, *, customer: str = "cus_1", intents: tuple[str, ...] = ()) -> Json:
    """An invoice of 30.00 that names its payment intents, if it names any."""
    payments = {"payments": {"data": [{"payment": {"payment_intent": one}} for one in intents]}} if intents else {}
    paid = {"id": f"in_{number}", "amount_paid": 3000, "billing_reason": "manual", "customer": customer}
    return stripe("invoice.paid", paid | payments)


def intent(number: int, *, customer: str = "cus_1") -> Json:
    """A payment of 30.00."""
    paid = {"id": f"pi_{number}", "amount_received": 3000, "status": "succeeded", "customer": customer}
    return stripe("payment_intent.succeeded", paid)


def link(number: int, *, of: int | None = None) -> Json:
    """That a payment is of an invoice: of the one with its number, unless told."""
    paid = {"invoice": f"in_{of or number}", "payment": {"type": "payment_intent", "payment_intent": f"pi_{number}"}}
    return stripe("invoice_payment.paid", {"id": f"inpay_{number}", "status": "paid"} | paid)


def noted(told: list[Json], word: str) -> list[str]:
    return sorted(one["properties"]["order_id"] for one in told if any(note.startswith(word) for note in one["notes"]))


async def take_all(bridge: Bridge, bodies: list[Json], *, apart: float = 20) -> list[Json]:
    """What is told once they came, so many seconds apart."""
    for body in bodies:
        await bridge.take(body)
        await bridge.wait(seconds=apart)
    await bridge.wait(hours=2)
    return await bridge.told()


async def needs(bridge: Bridge) -> dict[str, str]:
    """The sentences of what `status` says of payments that were told twice."""
    report = await read_status(bridge.store, CONFIGURED, now=bridge.now)
    return {one.cause: str(one) for one in report.needs if one.cause in {"possible_double", "told_twice"}}


@pytest.mark.parametrize("turn", [1, -1])
def test_an_invoice_and_an_intent_without_a_link_are_told_both_and_status_names_the_topic_to_add(turn: int) -> None:
    async def story(bridge: Bridge) -> None:
        told = await take_all(bridge, [invoice(1), intent(1)][::turn])
        assert sorted(map(brief, told)) == [("purchase", "in_1", 30), ("purchase", "pi_1", 30)]
        assert noted(told, "possible_double: ") == ["in_1", "pi_1"]
        said = (await needs(bridge))["possible_double"]
        assert said.startswith("stripe: payments may have been told twice, since no webhook says")
        assert "have the provider send invoice_payment.paid, too" in said
        await bridge.wait(days=8)
        assert await needs(bridge) == {}

    run_story(story, settings={"stripe": {}})


def test_a_link_that_comes_when_both_are_told_says_so_and_changes_nothing() -> None:
    async def story(bridge: Bridge) -> None:
        before = await take_all(bridge, [invoice(1), intent(1)])
        after = await take_all(bridge, [link(1)])
        assert noted(after, "double: ") == ["in_1", "pi_1"]
        assert list(map(brief, after)) == list(map(brief, before))
        assert (await needs(bridge))["told_twice"].startswith("stripe: payments were told twice, as a later webhook")

    run_story(story, settings={"stripe": {}})


@pytest.mark.parametrize(
    "bodies",
    [
        [intent(1), intent(2)],
        [invoice(1, customer="cus_1"), intent(1, customer="cus_2")],
        [invoice(1, intents=("pi_1",)), intent(1)],
        [invoice(1), link(1), intent(1)],
    ],
    ids=["two payments of one kind", "two people", "linked by the invoice", "linked by its payment"],
)
def test_payments_that_are_two_or_are_linked_are_not_doubted(bodies: list[Json]) -> None:
    async def story(bridge: Bridge) -> None:
        told = await take_all(bridge, bodies)
        assert noted(told, "possible_double: ") == noted(told, "double: ") == []
        assert await needs(bridge) == {}

    run_story(story, settings={"stripe": {}})


@pytest.mark.parametrize("bodies", [[link(1), intent(1), invoice(1)], [intent(1), link(1), invoice(1)]])
def test_an_invoice_that_comes_when_its_payment_is_told_already_is_a_duplicate_of_that(bodies: list[Json]) -> None:
    async def story(bridge: Bridge) -> None:
        told = await take_all(bridge, bodies, apart=LATE)
        assert list(map(brief, told)) == [("purchase", "pi_1", 30)]
        [repeated] = [one for one in await bridge.store.events(RowFilter()) if one.duplicate_of]
        [shown] = [one for one in await bridge.store.show_detail(repeated.id) if isinstance(one, EventDetail)]
        assert any(note.startswith("wait_for_richer was too short: ") for note in shown.notes)
        assert noted(told, "double: ") == []

    run_story(story, settings={"stripe": {}})


@pytest.mark.parametrize(
    "bodies",
    [
        [link(1), link(2, of=1), intent(1), intent(2), invoice(1)],
        [link(1), link(2, of=1), intent(1), invoice(1), intent(2)],
        [intent(1), link(1), invoice(1), link(2, of=1), intent(2)],
        [intent(1), link(1), invoice(1), intent(2), link(2, of=1)],
    ],
    ids=["invoice last", "payment last", "its link late, too", "its link last"],
)
def test_each_payment_of_an_invoice_that_comes_too_late_is_told(bodies: list[Json]) -> None:
    async def story(bridge: Bridge) -> None:
        told = await take_all(bridge, bodies, apart=LATE)
        assert list(map(brief, told)) == [("purchase", "pi_1", 30), ("purchase", "pi_2", 30)]
        assert noted(told, "double: ") == []

    run_story(story, settings={"stripe": {}})


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_random_payments_are_told_once_where_a_link_came_and_are_doubted_where_none_did(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(["invoice", "intent", "both", "linked"]), min_size=1, max_size=4))
    bodies: list[Json] = []
    doubted, expected = [], []
    for number, kind in enumerate(kinds):
        person = f"cus_{number}"
        if kind != "intent":
            bodies.append(invoice(number, customer=person))
            expected.append(f"in_{number}")
        if kind != "invoice":
            bodies.append(intent(number, customer=person))
        if kind in {"intent", "both"}:
            expected.append(f"pi_{number}")
        if kind == "both":
            doubted += [f"in_{number}", f"pi_{number}"]
        if kind == "linked":
            bodies.append(link(number))
    order = data.draw(st.permutations(bodies + bodies[:1]))
    pauses = data.draw(st.lists(st.sampled_from([0, 1, 30]), min_size=len(order), max_size=len(order)))

    async def story(bridge: Bridge) -> list[Json]:
        for body, pause in zip(order, pauses, strict=True):
            await bridge.take(body)
            await bridge.wait(seconds=pause)
        await bridge.wait(hours=2)
        return await bridge.told()

    told = run_story(story, settings={"stripe": {}})
    assert sorted(one["properties"]["order_id"] for one in told) == sorted(expected)
    assert noted(told, "possible_double: ") == sorted(doubted)
