"""A rule with `for_each` makes one event of each element of a list, each with its own dedupe key and id."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapping_author import (
    HEAD,
    NOW,
    document,
    events,
    ignored,
    made,
    place,
    problems,
    set_aside,
    source,
    webhook,
    written,
)

from bridge.core import dedupe_keys
from bridge.core.conversions import KnownConversion
from bridge.core.json_text import Json
from bridge.core.model import Event, EventNeeded, Translated
from bridge.mapping.engine.context import MOST_ELEMENTS

REFUNDS = written(
    """\
    events:
      - topic: made
        when: =body.total
        dedupe: =body.id
        event:
          event_type: purchase
          properties: {order_id: =body.id, value: =decimal(body.total), currency: EUR}
      - topic: made
        for_each: refund
        in: =body.refunds
        when: [{if: =refund.amount < `0`, else: nothing was paid back}]
        dedupe: =refund.id
        event:
          event_type: refund
          properties:
            order_id: =body.id
            value: =negate(refund.amount)
            currency: EUR
            items: {for_each: line, in: =refund.lines, map: {sku: =line.sku, name: =refund.reason}}
    """
)


def refunds_of(body: Json) -> tuple[Event, ...]:
    outcome = source(REFUNDS).translate(webhook(body))
    return outcome.events if isinstance(outcome, Translated) else ()


def test_each_element_makes_an_event_that_reads_the_element_and_the_body() -> None:
    body = {
        "id": "7",
        "refunds": [
            {"id": 1, "amount": -5, "reason": "torn", "lines": [{"sku": "A"}]},
            {"id": 2, "amount": 0},
            {"id": 3, "amount": -2},
        ],
    }
    first, second = events(REFUNDS, body)
    assert first["properties"] == {
        "order_id": "7",
        "value": 5,
        "currency": "EUR",
        "items": [{"sku": "A", "name": "torn"}],
    }
    assert second["properties"] == {"order_id": "7", "value": 2, "currency": "EUR"}


def test_each_event_is_named_by_its_own_dedupe_key_wherever_its_element_stands() -> None:
    one, other = {"id": 1, "amount": -5}, {"id": 2, "amount": -5}
    before = {event.conversion_keys: event.id for event in refunds_of({"id": "7", "refunds": [one, other]})}
    after = {event.conversion_keys: event.id for event in refunds_of({"id": "7", "refunds": [other, one]})}
    assert before == after
    assert len(set(before.values())) == len(before) == 2
    assert [dedupe_keys.conversion_key("shop", "refund", str(number), test=False) in keys for number, keys in
            enumerate(before, 1)] == [True, True]  # fmt: skip


@given(st.lists(st.booleans(), max_size=12))
def test_without_a_dedupe_key_an_event_is_named_by_the_place_of_its_element(counted: list[bool]) -> None:
    text = HEAD + (
        "events:\n  - {topic: made, for_each: hit, in: =body.hits, when: =hit.ok, event: {event_type: view, x: =hit.n}}\n"
    )

    def ids(flags: list[bool]) -> dict[int, str]:
        body = {"hits": [{"ok": flag, "n": number} for number, flag in enumerate(flags)]}
        outcome = source(text).translate(webhook(body))
        found = outcome.events if isinstance(outcome, Translated) else ()
        return {document(event)["x"]: event.id for event in found}

    some, all_of_them = ids(counted), ids([True] * len(counted))
    assert some.items() <= all_of_them.items()
    assert set(some) == {number for number, flag in enumerate(counted) if flag}
    assert len(set(all_of_them.values())) == len(counted)


def test_a_webhook_of_which_nothing_is_told_says_why_of_the_list_too() -> None:
    assert ignored(REFUNDS, {"id": "7", "refunds": []}) == "there is no refund in it (shop.yaml:9, :16)"
    assert ignored(REFUNDS, {"id": "7"}) == "there is no refund in it (shop.yaml:9, :16)"
    paid_nothing = [{"id": 1, "amount": 0}, {"id": 2, "amount": 1}]
    assert ignored(REFUNDS, {"id": "7", "refunds": paid_nothing}) == "nothing was paid back (shop.yaml:9, :17)"


@pytest.mark.parametrize(
    ("body", "spot", "reason"),
    [
        ({"refunds": {"id": 1}}, "=body.refunds", "`in` must come out as a list, it came out as an object"),
        ({"refunds": [{"amount": -1}]}, "=refund.id", "the dedupe key came out as nothing"),
        (
            {"refunds": [{"amount": -1, "id": "1"}] * (MOST_ELEMENTS + 1)},
            "=body.refunds",
            "for_each of a rule goes through more than 1,000 elements",
        ),
    ],
)
def test_what_cannot_be_worked_out_of_one_element_sets_the_whole_webhook_aside(
    body: Json, spot: str, reason: str
) -> None:
    assert set_aside(REFUNDS, {"id": "7", **body}).startswith(f"{place(REFUNDS, spot[1:])}: {reason}")


def test_each_element_recalls_its_own_earlier_event() -> None:
    text = written(
        """\
        events:
          - topic: made
            for_each: part
            in: =body.parts
            dedupe: =part.id
            recall: {event_type: purchase, dedupe: =part.order, take: [user_id], wait: 1h}
            event: {event_type: thing, order: =earlier.properties.order_id}
        """
    )
    keys = [dedupe_keys.conversion_key("shop", "purchase", name, test=False) for name in ("a", "b")]
    told = [
        f'{{"event_type":"purchase","user_id":"u{name}","properties":{{"order_id":"{name}"}}}}' for name in ("a", "b")
    ]
    known = {key: (KnownConversion(text.encode()),) for key, text in zip(keys, told, strict=True)}
    hook = webhook({"parts": [{"id": "1", "order": "a"}, {"id": "2", "order": "b"}]})
    one = source(text)
    first = one.translate_with_earlier(hook, {})
    assert isinstance(first, EventNeeded)
    assert (first.keys, first.until) == ((keys[0],), NOW + timedelta(hours=1))
    found = made(one.translate_with_earlier(hook, known))  # type: ignore[arg-type]
    assert [(document(event)["user_id"], document(event)["order"]) for event in found] == [("ua", "a"), ("ub", "b")]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["for_each: line"], ["8:5: error: a rule with `for_each` needs `in`, and one with `in` needs `for_each`"]),
        (["in: =body.lines"], ["8:5: error: a rule with `for_each` needs `in`, and one with `in` needs `for_each`"]),
        (["for_each: body", "in: =body.lines"], ["9:15: error: the name 'body' is taken; give the elements another one"]),
        (["for_each: a b", "in: =body.lines"], ["9:15: error: for_each must be a name of letters, digits and `_`"]),
        (["for_each: line", "in: =line.lines"], ["10:10: error: unknown name 'line'; did you mean `body.line`?"]),
        (["for_each: line", "in: =body.lines", "when: =lne.x"], ["11:12: error: unknown name 'lne'; did you mean 'line'?"]),
    ],
)  # fmt: skip
def test_a_wrong_loop_is_told_at_its_place(lines: list[str], wanted: list[str]) -> None:
    text = (
        HEAD
        + "events:\n  - topic: made\n"
        + "".join(f"    {line}\n" for line in lines)
        + "    event: {event_type: a}\n"
    )
    assert problems(text) == [f"shop.yaml:{each}" for each in wanted]
