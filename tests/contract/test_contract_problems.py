"""What a caller reads when an event is refused: every problem, in order, and nothing about a person."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bridge.contract import FIELDS, SCHEMA, TEXT_FIELDS, find_problems
from bridge.core import json_text
from bridge.core.json_text import Json

PERSONAL = {"user_data", "context", "user_id", "session_id"}


def texts(raw: Json, *, values: bool = True) -> list[str]:
    return [problem.text for problem in find_problems(raw, values=values)]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ([], "the event must be an object, got an array"),
        ("purchase", "the event must be an object, got a string"),
        (None, "the event must be an object, got null"),
        ({}, "event_type is missing"),
        ({"event_type": None}, "event_type is missing"),
        ({"events": []}, "event_type is missing; a batch goes to /v1/track/batch"),
        ({"event_type": ""}, 'event_type must be a name such as "purchase", not empty, got "" (a string)'),
        ({"event_type": 7}, "event_type must be a string, got 7 (a number)"),
        ({"event_type": "p", "test": "true"}, 'test must be true or false, got "true" (a string)'),
        ({"event_type": "p", "properties": []}, "properties must be an object, got an array"),
        ({"event_type": "p", "properties": {"items": {}}}, "properties.items must be an array, got an object"),
        (
            {"event_type": "p", "properties": {"items": [{}, None]}},
            "properties.items[1] must be an object, got null",
        ),
        (
            {"event_type": "p", "event_id": "a b"},
            'event_id must be 1 to 128 of A-Z a-z 0-9 _ . : -, got "a b" (a string)',
        ),
        (
            {"event_type": "p", "timestamp": "yesterday"},
            'timestamp must be an ISO 8601 time such as "2024-01-15T14:30:45Z", got "yesterday" (a string)',
        ),
        ({"event_type": "p", "timestamp": 1705329045}, "timestamp must be a string, got 1705329045 (a number)"),
        (
            {"event_type": "p", "properties": {"currency": "US$"}},
            'properties.currency must be a currency code of three letters such as "USD", got "US$" (a string)',
        ),
        (
            {"event_type": "p", "properties": {"order_id": 12345}},
            "properties.order_id must be a string, got 12345 (a number)",
        ),
    ],
)
def test_a_problem_names_the_field_and_what_came(raw: Json, text: str) -> None:
    assert texts(raw) == [text]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (
            {"event_type": "p", "event_id": "ada@example.com"},
            "event_id must be 1 to 128 of A-Z a-z 0-9 _ . : -, got a string",
        ),
        (
            {"event_type": "p", "properties": {"value": f"{'a' * 60}@example.com"}},
            "properties.value must be a number, got a string",
        ),
        ({"event_type": "p", "test": "ada@example.com"}, "test must be true or false, got a string"),
    ],
)
def test_a_value_that_may_be_an_address_is_never_repeated(raw: Json, text: str) -> None:
    assert texts(raw) == [text]


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("99.99", '"99.99" (a string)'),
        (True, "true (a boolean)"),
        (False, "false (a boolean)"),
        ({}, "an object"),
        (float("nan"), "nan (a number)"),
        (Decimal("Infinity"), "Infinity (a number)"),
        ("x" * 1000, f'"{"x" * 40}…" (a string)'),
        ("\ud800", '"\\ud800" (a string)'),
    ],
)
def test_a_value_is_a_finite_number_or_the_message_says_what_came(value: Json, got: str) -> None:
    raw = {"event_type": "purchase", "properties": {"value": value}}
    assert texts(raw) == [f"properties.value must be a number, got {got}"]


@pytest.mark.parametrize("value", [0, -1, 10**60, Decimal("99.90"), Decimal("1E+400"), 0.1, None])
def test_any_finite_number_is_a_value(value: Json) -> None:
    assert texts({"event_type": "purchase", "properties": {"value": value}}) == []


def test_all_problems_are_told_what_is_missing_first_then_in_the_documents_order() -> None:
    raw = json_text.parse_json(
        '{"x": "\\u0000", "context": {"ip": 1}, "properties": {"value": "1", "order_id": 1},'
        ' "user_data": "ada", "event_type": null}'
    )
    assert [problem.path for problem in find_problems(raw)] == [
        ("x",),
        ("context", "ip"),
        ("properties", "value"),
        ("properties", "order_id"),
        ("user_data",),
        ("event_type",),
    ]
    del raw["event_type"]
    assert find_problems(raw)[0].path == ("event_type",)


def test_a_document_wrong_in_ten_thousand_places_is_told_of_a_hundred() -> None:
    assert len(find_problems({"event_type": "p", "properties": {"items": [1] * 10_000}})) == 100


@pytest.mark.parametrize("path", sorted(path for path in TEXT_FIELDS if path[0] in PERSONAL))
def test_no_personal_value_stands_in_a_message(path: tuple[str, ...]) -> None:
    raw: Json = {"event_type": "p", path[0]: 4711} if len(path) == 1 else {"event_type": "p", path[0]: {path[1]: 4711}}
    [text] = texts(raw)
    assert "4711" not in text


def test_without_values_a_message_names_only_types() -> None:
    raw = {"event_type": "p", "properties": {"value": "secret", "currency": "secret"}, "event_id": "sec ret"}
    told = texts(raw, values=False)
    assert told[0] == "properties.value must be a number, got a string"
    assert len(told) == 3
    assert not any("sec" in text for text in told)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"a": {"b": ["x\x00"]}}, "a.b[0] holds the character U+0000; leave it out"),
        ({"a": "\udc00"}, "a holds half a character (a lone surrogate); send whole ones"),
        ({"a\x00b": 1}, 'the name of ["a\\u0000b"] holds the character U+0000; leave it out'),
        ({"\ud800": 1}, 'the name of ["\\ud800"] holds half a character (a lone surrogate); send whole ones'),
        ({"a": [float("-inf")]}, "a[0] must be a finite number"),
        ({"a": b"bytes"}, "a is no JSON"),
        ({"a": {1: 2}}, "a has a name that is no text"),
    ],
)
def test_what_not_everybody_can_read_is_refused_at_every_level(raw: dict[str, Json], text: str) -> None:
    assert texts({"event_type": "p"} | raw) == [text]


def test_64_levels_are_taken_and_one_more_is_refused() -> None:
    deep: Json = 1
    for _ in range(63):
        deep = [deep]
    assert texts({"event_type": "p", "a": deep}) == []
    assert texts({"event_type": "p", "a": [deep]}) == ["a[0][0][0][0][0]… is nested deeper than 64 levels"]


def test_every_known_field_has_a_type_and_the_text_fields_are_those_typed_string() -> None:
    assert FIELDS["properties", "value"] == "number"
    assert FIELDS["properties", "items"] == "array"
    assert FIELDS["user_data",] == "object"
    assert FIELDS["test",] == "boolean"
    assert {("event_type",), ("user_data", "email"), ("context", "fbclid")} <= TEXT_FIELDS
    assert not TEXT_FIELDS & {("properties", "value"), ("properties",), ("test",)}


def test_the_schema_is_valid_and_every_field_says_what_it_is() -> None:
    import jsonschema  # noqa: PLC0415  as the package does: only where it is used

    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for path in FIELDS:
        field = SCHEMA
        for step in path:
            field = field["properties"][step]
        assert field["description"], path
        assert "x-must-be" in field or not {"pattern", "format", "minLength"} & field.keys(), path
