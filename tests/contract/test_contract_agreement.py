"""The fast checker, jsonschema and `event` agree on every input; what is written is an event again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.contract import FIELDS, SCHEMA, find_problems, is_plain, json_safety, validate_event
from bridge.contract.fast_validator import compile_schema, fits_schema
from bridge.contract.validate import schema_validator
from bridge.core import json_text
from bridge.core.errors import NotAnEvent
from bridge.core.json_text import Json
from bridge.core.model import Event, EventProblem

NOW = datetime(2024, 1, 15, 14, 30, 45, tzinfo=UTC)

TEXT = st.text(st.characters(exclude_categories=()), max_size=6)
NUMBERS = st.integers() | st.decimals() | st.floats() | st.integers(min_value=10**30, max_value=10**60)
SCALARS = st.none() | st.booleans() | TEXT | NUMBERS
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))

TIMES = st.datetimes().map(datetime.isoformat) | st.from_regex(SCHEMA["properties"]["timestamp"]["pattern"])
LIKELY: dict[tuple[str, ...], st.SearchStrategy[Any]] = {
    ("event_type",): st.sampled_from(["purchase", "lead", "", "p\n"]),
    ("event_id",): st.sampled_from(["evt_1", "", "a" * 128, "a" * 129, "evt_1\n", "ü"]) | TEXT,
    ("timestamp",): TIMES | st.sampled_from(["2024-01-15T14:30:60Z", "9999-12-31T23:00:00-05:00", "2024-02-30"]),
    ("properties", "currency"): st.sampled_from(["usd", "EUR", "US$", "USD\n", "EURO", "ÅÄÖ"]),
    ("properties", "items"): st.lists(st.dictionaries(TEXT, SCALARS, max_size=2) | ANYTHING, max_size=3),
}


def _field(path: tuple[str, ...], word: str) -> st.SearchStrategy[Any]:
    if word == "object":
        inner = {one[-1]: _field(one, kind) for one, kind in FIELDS.items() if one[:-1] == path}
        known: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional=inner)
        return st.builds(lambda a, b: a | b, st.dictionaries(TEXT, ANYTHING, max_size=2), known) | ANYTHING
    usual = {"string": st.text(max_size=4), "number": NUMBERS, "boolean": st.booleans(), "array": ANYTHING}[word]
    return LIKELY.get(path, usual) | ANYTHING


DOCUMENTS = _field((), "object")


def made(raw: Json) -> Event:
    return validate_event(raw, origin="key:a", scope="track", received_at=NOW, default_id="evt_1")


def come_to(raw: Json, *, plain: bool) -> Event | tuple[EventProblem, ...]:
    try:
        return validate_event(raw, origin="key:a", scope="track", received_at=NOW, default_id="evt_1", plain=plain)
    except NotAnEvent as refused:
        return refused.problems


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS)
@example({"event_type": "p", "properties": {"value": Decimal("NaN")}})
@example({"event_type": "p", "properties": {"value": float("inf"), "items": {}}})
@example({"event_type": "p", "timestamp": "2024-01-15T14:30:45+24:00"})
@example({"event_type": None})
@example([])
def test_the_fast_checker_and_jsonschema_agree(raw: Json) -> None:
    assert fits_schema(raw) == (not any(schema_validator()(raw)))


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS)
@example({"event_type": "p", "a": "\\u0000"})
@example({"event_type": "p", "a": "\x00"})
@example({"event_type": "p", "context": {"session_id": "\x00"}})
@example({"event_type": "p", "a": [None]})
@example({"event_type": "p", "\ud800": None})
@example({"event_type": "p", "properties": {"items": [{"\x00": None}]}})
@example({"event_type": "p", "a": [float("nan")]})
def test_an_event_is_made_exactly_when_there_is_no_problem(raw: Json) -> None:
    found = find_problems(raw)
    if found:
        with pytest.raises(NotAnEvent) as refused:
            made(raw)
        assert refused.value.problems == found
        assert all(problem.text.encode() for problem in found)
    else:
        one = made(raw)
        again = json_text.parse_json(one.text)
        assert find_problems(again) == ()
        read = made(again)
        assert replace(read, text=b"") == replace(one, text=b"")  # a float may be spelt 1e16 or 1E+16
        assert made(json_text.parse_json(read.text)) == read


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.integers(0, 2) | st.integers(60, 66))
@example("\x00", 1)
@example({"\ud800": 1}, 2)
@example({1: 1}, 0)
@example([float("inf")], 0)
@example([1, "a", Decimal("sNaN")], 0)
@example((), 0)
@example([], 63)
@example([], 64)
@example(1, 64)
@example("\ud800", 64)
def test_the_quick_look_for_unsafe_json_agrees_with_the_close_one(raw: Json, depth: int) -> None:
    for level in range(depth):
        raw = {"a": raw, "b": 1} if level % 2 else [None, raw]
    assert json_safety.is_safe_json(raw) == (not [*json_safety._find_unsafe_value(raw, ())])  # noqa: SLF001  the oracle


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS)
@example({"event_type": "p", "a": "\x00"})
@example({"event_type": "p", "properties": {"items": [{"b": None}], "currency": "eur"}})
@example({"event_type": "p", "context": {"session_id": "s"}, "user_data": {"email": None}})
def test_what_was_read_from_a_plain_text_needs_no_closer_look(document: Json) -> None:
    try:
        text = json.dumps(document, default=str).encode()
        raw = json_text.parse_json(text)
    except ValueError:
        return
    assert come_to(raw, plain=is_plain(text)) == come_to(raw, plain=False)
    assert raw == json_text.parse_json(text)


def test_a_keyword_that_the_fast_checker_does_not_know_cannot_slip_into_the_schema() -> None:
    with pytest.raises(ValueError, match="the schema uses maxLength, which is not compiled"):
        compile_schema({"type": "string", "maxLength": 5})
