"""Each wrong mapping of `wrong/`, one mistake a file and named for it, yields exactly the problems that it ends with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mapping_author import HEAD, HEAD_LINES, one_event

from bridge import mapping

WRONG = sorted((Path(__file__).parent / "wrong").glob("*.yaml"))
_TOLD = re.compile(r"# (\d+:\d+: (?:error|warning): .*)")


def all_problems(text: str) -> list[str]:
    return [str(problem) for problem in mapping.check_mapping(text, name="shop.yaml")[1]]


def event(*lines: str, event_type: str = "purchase", rule: str = "    dedupe: =body.id\n", head: str = HEAD) -> str:
    """A mapping with one event that says nothing else wrong."""
    written = "".join(f"      {line}\n" for line in lines)
    return (
        f"{head}events:\n  - topic: made\n    require: []\n{rule}    event:\n      event_type: {event_type}\n{written}"
    )


def told(*lines: str, **more: str) -> list[str]:
    """The problems of such a mapping, from the line of the event's first field on, which counts as 1."""
    found = mapping.check_mapping(event(*lines, **more), name="shop.yaml")[1]
    first = event(**more).count("\n")
    return [
        f"{problem.place.line - first}:{problem.place.column}: {problem.severity}: {problem.text}" for problem in found
    ]


def test_there_are_more_than_fifty_wrong_mappings() -> None:
    assert len(WRONG) > 50


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_a_wrong_mapping_yields_exactly_the_problems_that_it_ends_with(path: Path) -> None:
    text = path.read_text()
    wanted = [f"{path.name}:{told}" for told in _TOLD.findall(text)]
    assert wanted
    assert [str(problem) for problem in mapping.check_mapping(text, name=path.name)[1]] == wanted


@pytest.mark.parametrize(
    ("section", "name", "text"),
    [
        ("user_data", "zip", "the contract knows no `user_data.zip`; did you mean `postal_code`?"),
        ("user_data", "e-mail", "the contract knows no `user_data.e-mail`; did you mean `email`?"),
        ("user_data", "firstName", "the contract knows no `user_data.firstName`; did you mean `first_name`?"),
        ("user_data", "gclid", "`gclid` has no meaning in user_data; write it as `context.gclid`"),
        ("context", "referer", "the contract knows no `context.referer`; did you mean `referrer`?"),
        ("context", "email", "`email` has no meaning in context; write it as `user_data.email`"),
        ("properties", "total", "the contract knows no `properties.total`; did you mean `value`?"),
        ("properties", "orderId", "the contract knows no `properties.orderId`; did you mean `order_id`?"),
        ("properties", "fbclid", "`fbclid` has no meaning in properties; write it as `context.fbclid`"),
    ],
)
def test_a_field_that_the_contract_does_not_know_is_told_with_the_one_it_knows(
    section: str, name: str, text: str
) -> None:
    assert told(f"{section}: {{{name}: =body.x}}") == [f"1:{len(section) + 10}: warning: {text}"]


@pytest.mark.parametrize("name", ["coupon", "shipping", "tax", "order_name", "page_number", "country"])
def test_a_property_of_ones_own_is_nothing_to_tell(name: str) -> None:
    assert told(f"properties: {{{name}: =body.x}}") == []


def test_a_name_that_is_near_one_that_is_given_too_is_meant_as_it_stands() -> None:
    assert told("properties: {total: =body.a, value: =decimal(body.b)}") == []


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("properties: 5", "19: error: properties must be an object, got 5 (a number)"),
        ("properties: [=body.x]", "19: error: properties must be an object, and this comes out as a list"),
        ("properties: {value: {a: 1}}", "27: error: properties.value must be a number, and this comes out as an object"),
        ("properties: {value: [1]}", "27: error: properties.value must be a number, and this comes out as a list"),
        ("properties: {items: {sku: =body.sku}}", "27: error: properties.items must be a list, and this comes out as an object"),
        ("properties: {items: [5]}", "28: error: each of properties.items must be an object"),
        ("timestamp: soon", '18: error: timestamp must be an ISO 8601 time such as "2024-01-15T14:30:45Z", got "soon" (a string)'),
        ("timestamp: 2024-02-30", '18: error: timestamp must be an ISO 8601 time such as "2024-01-15T14:30:45Z", got "2024-02-30" (a string)'),
        ("test: 'yes'", '13: error: test must be true or false, got "yes" (a string)'),
        ("user_id: true", "16: error: user_id must be a string, got a boolean"),
        ("user_data: {for_each: x, in: =body.x, map: {email: =x}}", "18: error: user_data must be an object, and this comes out as a list"),
        ("properties: {value: =lower(body.x)}", "27: error: properties.value must be a number, and this comes out as text; write `decimal(…)`"),
        ("properties: {value: =body.x && body.y == `1`}", None),
        ("properties: {value: =body.x}", None),
        ("user_id: 5", None),
        ("properties: {order_id: =length(body.x || '')}", None),
        ("session_id: =split(body.x, ',')", "19: error: session_id must be text, and this comes out as a list"),
        ("session_id: =split(body.x, ',')[0]", None),
    ],
)  # fmt: skip
def test_a_value_that_the_contract_can_never_take_is_an_error(field: str, text: str | None) -> None:
    assert told(field) == ([f"1:{text}"] if text else [])


def test_a_value_is_judged_in_every_alias_of_it() -> None:
    text = event("user_data: &person {email: =body.x == 'y'}") + (
        "  - topic: other\n    event: {event_type: lead, user_data: *person}\n"
    )
    assert len(all_problems(text)) == 1


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("=body.amount_cents", "amount_cents"),
        ("=decimal(body.price.amountInCents)", "amountInCents"),
        ("=body.x || body.object.amount_total", "amount_total"),
        ("=total(body.lines[].unit_amount)", "unit_amount"),
        ("=body.lines[?x].unit_amount | [0]", "unit_amount"),
        ("=choose(body.x, body.total_minor, body.total)", "total_minor"),
    ],
)
def test_an_amount_in_a_smallest_unit_that_is_passed_on_is_told(value: str, name: str) -> None:
    [found] = told("properties:", f"  value: {value}")
    assert found.startswith(f"2:{8 + len('value: ') + value.index(name) + 1}: warning: `{name}` looks like an amount")


@pytest.mark.parametrize(
    "value",
    ["=body.amount", "=body.percentage", "=multiply(body.amount_cents, `0.01`)", "=body.cents.amount", "=body.recent"],
)
def test_an_amount_that_is_converted_or_has_another_name_is_nothing_to_tell(value: str) -> None:
    assert told("properties:", f"  value: {value}") == []


def test_an_amount_behind_a_name_is_told_where_the_name_is_worked_out() -> None:
    text = event("properties: {value: =amount}") + "let:\n  amount: =decimal(body.price.cents)\n"
    line = text.count("\n")
    [found] = all_problems(text)
    assert found.startswith(f"shop.yaml:{line}:31: warning: `cents` looks like an amount")


def test_where_there_is_a_table_of_minor_units_every_amount_must_go_through_it() -> None:
    head = f"{HEAD}minor_units: {{default: 2}}\nlet:\n  paid: =from_minor(body.amount, body.currency)\n"
    assert told("properties: {value: =paid}", head=head) == []
    assert told("properties: {value: '=add(paid, `1`)'}", head=head) == []
    assert told("properties: {value: 5}", head=head) == []
    assert told("properties: {value: =body.amount}", head=head) == [
        "1:27: warning: the mapping has `minor_units`, and this amount goes through no from_minor()"
    ]


@pytest.mark.parametrize(
    "field",
    ["email: =body.x", "customer_phone: =body.x", "buyer: =lower(body.customer.email)", "more: {first_name: =body.x}"],
)
def test_personal_data_under_properties_is_told(field: str) -> None:
    [found] = told(f"properties: {{{field}}}")
    assert "it belongs under `user_data`" in found


@pytest.mark.parametrize(
    "field", ["contact: =sha256(body.email)", "name: =body.name", "domain: \"=split(body.email, '@')[1]\""]
)
def test_what_a_person_is_not_told_by_is_nothing_to_tell(field: str) -> None:
    assert told(f"properties: {{{field}}}") == []


@pytest.mark.parametrize(
    ("event_type", "near"),
    [("Purchase", "purchase"), ("purchases", "purchase"), ("subscription_canceled", "subscription_cancelled")],
)
def test_an_event_type_that_is_nearly_one_of_the_contracts_is_told(event_type: str, near: str) -> None:
    assert told(event_type=event_type) == [
        f"0:19: warning: event_type '{event_type}' is none that the contract names; did you mean '{near}'?"
    ]


@pytest.mark.parametrize("event_type", ["plan_upgraded", "order_cancelled", "dispute", "add_payment_info"])
def test_an_event_type_of_ones_own_is_nothing_to_tell(event_type: str) -> None:
    assert told(event_type=event_type) == []


@pytest.mark.parametrize("event_type", ["purchase", "subscription", "refund"])
def test_a_conversion_that_nothing_names_is_told(event_type: str) -> None:
    [found] = told(event_type=event_type, rule="")
    assert found.startswith(f"-3:5: warning: a {event_type} without `dedupe`: ")


def test_advice_keeps_nothing_from_working_and_an_error_does() -> None:
    found, problems = mapping.check_mapping(event("user_data: {zip: =body.x}"), name="shop.yaml")
    assert found is not None
    assert [problem.severity for problem in problems] == ["warning"]
    assert mapping.check_mapping(event("properties: {value: soon}"), name="shop.yaml")[0] is None


def test_advice_stands_in_the_order_of_the_file_among_all_other_problems() -> None:
    text = one_event("zip: =bdy.x\nproperties: {email: =lowr(body.y)}")
    assert [line.split(": ")[0] for line in all_problems(text)] == [
        f"shop.yaml:{HEAD_LINES + 5}:7",
        f"shop.yaml:{HEAD_LINES + 5}:13",
        f"shop.yaml:{HEAD_LINES + 6}:20",
        f"shop.yaml:{HEAD_LINES + 6}:28",
    ]
