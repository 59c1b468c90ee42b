"""Refunds of one charge, equal ones too, of each of which one topic or both come: each is told exactly once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from telling import Bridge, brief, run_story

from bridge.core.json_text import Json
from bridge.store.in_steps import replay_all
from bridge.store.protocol import RowFilter

START = 1772704800
SALE = ("purchase", "cs_1", 90.0)


class Refund(NamedTuple):
    """A refund in cents: seconds after the sale, how much later its step is, its request, and which topics come."""

    amount: int
    after: int
    step_after: int = 0
    request: str | None = None
    topics: tuple[str, ...] = ("refund.created", "charge.refunded")


def stripe(  # noqa: PLR0913  what its events have
    topic: str, name: str, obj: Json, created: int, *, request: Json = None, before: Json = None
) -> Json:
    data = {"object": obj} if before is None else {"object": obj, "previous_attributes": before}
    body = {"id": f"evt_{name}", "object": "event", "created": created, "livemode": True, "type": topic, "data": data}
    return body | {"request": {"id": request, "idempotency_key": None}}


def sale() -> Json:
    session = {
        "id": "cs_1", "mode": "payment", "payment_status": "paid", "amount_total": 9000, "currency": "eur",
        "payment_intent": "pi_1", "metadata": {},
    }  # fmt: skip
    return stripe("checkout.session.completed", "sale", session, START)


def webhooks_of(refunds: list[Refund]) -> list[Json]:
    """What Stripe sends of these refunds, of the topics that come."""
    found, sum_before = [], 0
    of_charge = {"currency": "eur", "payment_intent": "pi_1", "status": "succeeded"}
    for number, one in enumerate(refunds):
        created = START + one.after
        refund = of_charge | {"id": f"re_{number}", "amount": one.amount, "charge": "ch_1", "created": created}
        sum_now = sum_before + one.amount
        charge = of_charge | {"id": "ch_1", "amount": 9000, "amount_captured": 9000, "amount_refunded": sum_now}
        both = {
            "refund.created": stripe("refund.created", f"re_{number}", refund, created, request=one.request),
            "charge.refunded": stripe(
                "charge.refunded", f"step_{number}", charge, created + one.step_after, request=one.request,
                before={"amount_refunded": sum_before},
            ),
        }  # fmt: skip
        found += [both[topic] for topic in one.topics]
        sum_before = sum_now
    return found


def told_of(bodies: list[Json], pauses: list[int]) -> list[tuple[str, str | None, float | None]]:
    """What is told of these webhooks, with as many seconds after each."""

    async def story(bridge: Bridge) -> list[Json]:
        for body, pause in zip(bodies, pauses, strict=True):
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

    return sorted(brief(one) for one in run_story(story, settings={"stripe": {}}))


@pytest.mark.parametrize("pause", [0, 900])
@pytest.mark.parametrize("requests", [("req_1", "req_2"), (None, None)])
@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("first", ["refund.created", "charge.refunded"])
def test_two_equal_refunds_of_which_one_comes_by_each_topic_are_told_both(
    first: str, turn: int, requests: tuple[str | None, str | None], pause: int
) -> None:
    second = "charge.refunded" if first == "refund.created" else "refund.created"
    refunds = [
        Refund(1000, 100, request=requests[0], topics=(first,)),
        Refund(1000, 160, request=requests[1], topics=(second,)),
    ]
    told = told_of([sale(), *webhooks_of(refunds)[::turn]], [pause] * 3)
    assert told == [SALE, ("refund", "cs_1", 10), ("refund", "cs_1", 10)]


def test_two_equal_refunds_in_one_second_are_told_apart_by_their_requests() -> None:
    refunds = [
        Refund(1000, 100, request="req_1", topics=("refund.created",)),
        Refund(1000, 100, request="req_2", topics=("charge.refunded",)),
    ]
    told = told_of([sale(), *webhooks_of(refunds)], [0] * 3)
    assert told == [SALE, ("refund", "cs_1", 10), ("refund", "cs_1", 10)]


@pytest.mark.parametrize("request_id", ["req_1", None])
def test_a_refund_that_succeeds_days_later_is_the_step_of_its_charge(request_id: str | None) -> None:
    created, step = webhooks_of([Refund(1000, 100, step_after=1, request=request_id)])
    pending = created["data"]["object"] | {"status": "pending"}
    before = stripe("refund.created", "pending", pending, START + 100, request=request_id)
    later = stripe("refund.updated", "later", created["data"]["object"], START + 90000, before={"status": "pending"})
    assert told_of([sale(), before, step, later], [0, 0, 90000, 0]) == [SALE, ("refund", "cs_1", 10)]


@st.composite
def some_refunds(draw: st.DrawFn) -> list[Refund]:
    """Refunds that are at least ten seconds apart, or of requests of their own."""
    found: list[Refund] = []
    after = 100
    for number in range(draw(st.integers(1, 4))):
        by_request = draw(st.booleans())
        after += draw(st.integers(10, 4000))
        topics = draw(st.sampled_from([("refund.created",), ("charge.refunded",), Refund(0, 0).topics]))
        request = f"req_{number}" if by_request else None
        found.append(Refund(draw(st.sampled_from([1000, 1000, 250])), after, draw(st.integers(0, 2)), request, topics))
    return found


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_random_refunds_of_one_charge_sum_to_what_was_refunded_and_name_its_order(data: st.DataObject) -> None:
    refunds = data.draw(some_refunds())
    bodies = [sale(), *webhooks_of(refunds)]
    again = data.draw(st.lists(st.sampled_from(bodies), max_size=3))
    order = data.draw(st.permutations(bodies + again))
    pauses = data.draw(st.lists(st.sampled_from([0, 0, 1, 30, 700]), min_size=len(order), max_size=len(order)))
    assert told_of(order, pauses) == sorted([SALE, *(("refund", "cs_1", one.amount / 100) for one in refunds)])
