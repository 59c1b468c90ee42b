"""Mistakes that fail nowhere and tell nobody: `check` names each at its place, with its remedy."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from mapping_author import HEAD, one_event

from bridge import mapping
from bridge.core.model import SourceLocation
from bridge.mapping.tools import examples
from bridge.mapping.tools.examples import MappingExample
from bridge.yaml.problems import Problems

LETS = "let:\n  order: =body.order\n"


def all_problems(text: str) -> list[str]:
    return [str(problem) for problem in mapping.read_mapping(text, name="shop.yaml").all_problems]


TEXTS = [
    # the fields of an event from line 11 on, and what is told of the last of them
    ("session_id: order.number", "19: warning: `order.number` is a text here, the same in every event; for the value write `=order.number`"),
    ("session_id: body.cart.token", "19: warning: `body.cart.token` is a text here, the same in every event; for the value write `=body.cart.token`"),
    ("user_id: customer.id", "16: warning: `customer.id` is a text here, the same in every event; for the value write `=body.customer.id`"),
    ("properties: {order_id: 'orders[0].id'}", "30: warning: `orders[0].id` is a text here, the same in every event; for the value write `=body.orders[0].id`"),
    ('properties: {note: headers."x-note"}', '26: warning: `headers."x-note"` is a text here, the same in every event; for the value write `=headers."x-note"`'),
    ("properties: {note: body.a || body.b}", "26: warning: `body.a || body.b` is a text here, the same in every event; for the value write `=body.a || body.b`"),
    ("properties: {note: lower(body.a)}", "26: warning: `lower(body.a)` is a text here, the same in every event; for the value write `=lower(body.a)`"),
    ("user_id: '{{ order.user }}'", "16: warning: `{{ order.user }}` is a template, which nothing fills in; write `=order.user`"),
    ("user_id: 'u-{{ user.id }}'", "16: warning: `{{ user.id }}` is a template, which nothing fills in; write `=format('u-{}', body.user.id)`"),
    ("user_id: '${body.user}'", "16: warning: `${body.user}` is a template, which nothing fills in; write `=body.user`"),
    ("user_id: $.user.id", "16: warning: `$.user.id` is JSONPath, which nothing reads; write `=body.user.id`"),
    ("user_data: {email: order.email}", "26: warning: `order.email` is a text here, the same in every event; for the value write `=order.email`"),
    ("user_data: {email: customer_email}", "26: warning: user_data.email is the text `customer_email`, which is no address; write an expression, as `=body.email`"),
    ("properties: {items: {for_each: line, in: =body.lines, map: {sku: line.sku}}}", "72: warning: `line.sku` is a text here, the same in every event; for the value write `=line.sku`"),
    ("properties: {plan: order}", None),
    ("properties: {plan: Pro 2.0, host: shop.example.com, note: a || b}", None),
    ("context: {page_url: https://shop.example/a.html}", None),
    ("user_data: {email: jane@example.com}", None),
    ("session_id: ==order.number", None),
]  # fmt: skip


@pytest.mark.parametrize(("field", "told"), TEXTS, ids=[each[0] for each in TEXTS])
def test_a_text_that_looks_like_an_expression_is_told(field: str, told: str | None) -> None:
    assert all_problems(one_event(field) + LETS) == ([f"shop.yaml:11:{told}"] if told else [])


def test_a_let_that_looks_like_an_expression_is_told() -> None:
    [told] = all_problems(one_event("user_id: =y") + "let: {z: =body.z, y: z.a}\n")
    assert told == "shop.yaml:12:22: warning: `z.a` is a text here, the same in every event; for the value write `=z.a`"


def rule(dedupe: str, properties: str, *, more: str = "", event_type: str = "purchase") -> str:
    return (
        f"{HEAD}  account: =headers.shop\n"
        "vars: {shop: {default: a}}\n"
        "let: {number: =body.id, fixed: =source.vars.shop, shop: =webhook.account, around: '=lower(source.name)'}\n"
        f"events:\n  - topic: made\n{more}    dedupe: {dedupe}\n"
        f"    event: {{event_type: {event_type}, properties: {{{properties}}}}}\n"
    )


RIGHT = "order_id: =body.id, value: =decimal(body.v), currency: EUR"
KEY = "the key is the same in every event: all conversions after the first would be its duplicates; write what names the conversion, as `=body.id`"
ORDER = "the order id is the same in every event: all orders after the first would be its duplicates; write what names the order, as `=body.id`"
KEYS = [
    ("=body.id", RIGHT, []),
    ("=number", RIGHT, []),
    ("=webhook.id", RIGHT, []),
    ("=format('{}-{}', source.name, number)", RIGHT, []),
    ("=shop", RIGHT, []),
    ("\"='order'\"", RIGHT, [f"12:13: error: {KEY}"]),
    ("=`1`", RIGHT, [f"12:13: error: {KEY}"]),
    ("=fixed", RIGHT, [f"12:13: error: {KEY}"]),
    ("=webhook.topic", RIGHT, [f"12:13: error: {KEY}"]),
    ("=format('{}', source.vars.shop)", RIGHT, [f"12:13: error: {KEY}"]),
    ("=around", RIGHT, [f"12:13: error: {KEY}"]),
    ("=body.id", RIGHT.replace("=body.id", "order"), [f"13:58: error: {ORDER}"]),
    ("=body.id", RIGHT.replace("=body.id", "=fixed"), [f"13:58: error: {ORDER}"]),
    ("=body.id", RIGHT.replace("=body.id", "order.number"), [
        f"13:58: error: {ORDER}",
        "13:58: warning: `order.number` is a text here, the same in every event; for the value write `=body.order.number`",
    ]),
    ("=body.id", RIGHT.replace("=decimal(body.v)", "=negate(body.v)"), [
        "13:75: warning: a purchase has a positive value; money that goes back is a `refund`, positive too",
    ]),
    ("=body.id", RIGHT.replace("=decimal(body.v)", "-5"), [
        "13:75: warning: a purchase has a positive value; money that goes back is a `refund`, positive too",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("dedupe", "properties", "told"), KEYS)
def test_a_key_or_an_order_id_that_is_the_same_in_all_is_told(dedupe: str, properties: str, told: list[str]) -> None:
    found = [each for each in all_problems(rule(dedupe, properties)) if "format() takes" not in each]
    assert found == [f"shop.yaml:{each}" for each in told]


def test_what_is_told_of_a_constant_key_keeps_a_running_mapping_from_nothing() -> None:
    found = mapping.parse_mapping(rule("=`1`", RIGHT), name="shop.yaml")
    assert [problem.text for problem in found.weak] == [KEY]


def test_a_key_that_is_the_same_for_each_element_is_told() -> None:
    loop = "    for_each: part\n    in: =body.parts\n"
    told = (
        "shop.yaml:14:13: error: the key is the same for each part: all after the first would be its duplicates; "
        "write what names one of them, as `=part.id`"
    )
    assert all_problems(rule("=body.id", RIGHT, more=loop)) == [told]
    assert all_problems(rule("=part.id", RIGHT, more=loop)) == []
    assert all_problems(rule("=format('{}-{}', body.id, part.id)", RIGHT, more=loop)) == []


# ------------------------------------------------------------------------------------------------------ by examples


def example(name: str, body: Mapping[str, object], *, topic: str = "made") -> MappingExample:
    found = MappingExample(name, dict(body), None, headers={"X-Topic": topic, "X-Id": name})
    reading = mapping.parse_mapping(SHARED, name="shop.yaml")
    return MappingExample(name, dict(body), examples.example_outcome(reading, found), headers=found.headers)


def checked(text: str, given: list[MappingExample], *, known_topics: tuple[str, ...] = ()) -> list[str]:
    reading = mapping.read_mapping(text, name="shop.yaml")
    problems = Problems()
    examples.check_examples(reading, given, problems, known_topics=known_topics)
    return [str(problem) for problem in problems.all_problems]


SHARED = rule("=body.shop", RIGHT)


def test_examples_of_different_orders_with_one_key_are_told_at_the_key() -> None:
    given = [example("a", {"id": 1, "shop": "s", "v": 5}), example("b", {"id": 2, "shop": "s", "v": 5})]
    assert checked(SHARED, given) == [
        (
            "shop.yaml:12:13: error: the examples a and b are of different orders and have one key: the second order would be "
            "a duplicate"
        )
    ]
    assert checked(SHARED, [given[0], example("c", {"id": 2, "shop": "t", "v": 5})]) == []
    assert checked(SHARED, [given[0], example("c", {"id": 1, "shop": "s", "v": 7})]) == []


def test_an_example_of_a_negative_sale_is_told_at_its_value() -> None:
    given = [example("a", {"id": 1, "shop": "s", "v": -5})]
    assert checked(SHARED, given) == [
        (
            "shop.yaml:13:75: warning: comes out negative in the example a: the value of a purchase is what was paid, and "
            "positive"
        )
    ]


def test_a_topic_that_no_example_and_no_list_of_the_provider_has_is_told() -> None:
    text = SHARED.replace("topic: made", "topic: [made, mead]")
    given = [example("a", {"id": 1, "shop": "s", "v": 5})]
    told = "shop.yaml:11:19: warning: the topic `mead` is in no example; did you mean 'made'?"
    assert checked(text, given) == [told]
    assert checked(text, given, known_topics=("mead",)) == []
    assert checked(text, []) == []
    assert checked(text, [], known_topics=("mead", "other")) == [
        "shop.yaml:11:13: warning: the topic `made` is in no example; did you mean 'mead'?"
    ]
    assert checked(SHARED.replace("topic: made", 'topic: "m*"'), given) == []


def test_a_path_in_what_rules_share_by_an_alias_is_told_with_the_topics_of_all() -> None:
    shared = "event: &made {event_type: thing, user_id: =body.usr, properties: {notes: [=body.sky]}}"
    looped = "  - topic: sent\n    for_each: part\n    in: =body.parts\n    dedupe: =part.id\n    event: *made\n"
    text = f"{HEAD}events:\n  - topic: made\n    {shared}\n  - topic: made\n    event: *made\n{looped}"
    body, places = {"user": "u", "parts": [{"id": 1}, {"id": 2}]}, {"expect": SourceLocation("e.yaml", 1, 1)}
    given = [
        MappingExample(f"{number}", body, [], headers={"X-Topic": topic, "X-Id": "1"}, places=places)
        for number, topic in enumerate(("sent", "made", "made"))
    ]
    told = [one.partition(": warning: ")[2] for one in checked(text, given) if "occurs in no" in one]
    assert told == [
        "`usr` occurs in no example of made and sent; did you mean 'user'?",
        "`sky` occurs in no example of made and sent",
    ]
    assert not [one for one in checked(text.replace("usr", "user").replace("sky", "user"), given) if "occurs in" in one]
