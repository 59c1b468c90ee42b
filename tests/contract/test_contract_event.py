"""What becomes of a document that is an event: normalised, named, and written as it is sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bridge.contract import LARGEST, validate_event
from bridge.core import dedupe_keys, json_text
from bridge.core.errors import NotAnEvent
from bridge.core.json_text import Json
from bridge.core.model import Event

NOW = datetime(2024, 1, 15, 14, 30, 45, 123456, tzinfo=UTC)


def made(raw: Json, *, origin: str = "key:a", dedupe: Sequence[str] = ()) -> Event:
    return validate_event(
        raw, origin=origin, scope="shop", received_at=NOW, default_id="evt_1", dedupe=dedupe, notes=["line 3: left out"]
    )


def test_an_event_without_id_and_time_is_sent_with_both() -> None:
    one = made({"event_type": "lead"})
    assert json.loads(one.text) == {
        "event_type": "lead",
        "event_id": "evt_1",
        "timestamp": "2024-01-15T14:30:45.123Z",
    }
    assert (one.id, one.origin, one.test, one.notes) == ("evt_1", "key:a", False, ("line 3: left out",))


def test_a_given_id_and_time_are_kept_as_they_came() -> None:
    one = made({"event_type": "lead", "event_id": "my:id-1.2_3", "timestamp": "2024-01-15T14:30:45.5+02:00"})
    assert one.id == "my:id-1.2_3"
    assert json.loads(one.text)["event_id"] == "my:id-1.2_3"
    assert json.loads(one.text)["timestamp"] == "2024-01-15T14:30:45.5+02:00"
    assert one.occurred_at == datetime(2024, 1, 15, 12, 30, 45, 500000, tzinfo=UTC)


def test_null_and_a_missing_field_are_the_same_thing_at_every_known_level() -> None:
    raw = {
        "event_type": "lead",
        "event_id": None,
        "timestamp": None,
        "session_id": None,
        "test": None,
        "mine": None,
        "consent": {"ads": None, "analytics": True},
        "user_data": {"email": None, "mine": None},
        "context": None,
        "properties": {"value": None, "items": [{"sku": None, "name": "Shoe"}], "mine": {"kept": None}},
    }
    sent = json.loads(made(raw).text)
    assert sent == {
        "event_type": "lead",
        "event_id": "evt_1",
        "timestamp": "2024-01-15T14:30:45.123Z",
        "consent": {"analytics": True},
        "user_data": {},
        "properties": {"items": [{"name": "Shoe"}], "mine": {"kept": None}},
    }


def test_what_came_is_left_as_it_is() -> None:
    raw = {"event_type": "lead", "properties": {"currency": "usd", "items": [{"a": None}]}, "context": {"ip": None}}
    before = json.dumps(raw)
    made(raw)
    assert json.dumps(raw) == before


def test_unknown_fields_are_kept_at_every_level() -> None:
    extra = {"n": [1, {"deep": "x"}]}
    raw = {"event_type": "lead", "extra": extra, "properties": extra, "user_data": extra, "context": extra}
    assert json.loads(made(raw).text).items() >= raw.items()


def test_every_digit_is_kept() -> None:
    raw = json_text.parse_json('{"event_type":"p","properties":{"value":19.90,"id":12345678901234567890123,"x":0.10}}')
    assert b'"value":19.90,"id":12345678901234567890123,"x":0.10' in made(raw).text


def test_a_currency_is_kept_in_upper_case() -> None:
    one = made({"event_type": "p", "properties": {"currency": "usd"}})
    assert (one.currency, json.loads(one.text)["properties"]["currency"]) == ("USD", "USD")


def test_the_contexts_session_id_is_taken_where_the_event_has_none() -> None:
    taken = json.loads(made({"event_type": "p", "context": {"session_id": "s-1", "ip": "203.0.113.0"}}).text)
    assert taken["session_id"] == "s-1"
    assert taken["context"] == {"session_id": "s-1", "ip": "203.0.113.0"}
    own = json.loads(made({"event_type": "p", "session_id": "s-0", "context": {"session_id": "s-1"}}).text)
    assert own["session_id"] == "s-0"
    null = json.loads(made({"event_type": "p", "session_id": None, "context": {"session_id": "s-1"}}).text)
    assert null["session_id"] == "s-1"


def test_test_true_marks_the_event_and_is_sent() -> None:
    one = made({"event_type": "p", "test": True})
    assert one.test
    assert json.loads(one.text)["test"] is True


@pytest.mark.parametrize("event_type", ["purchase", "lead", "signup", "subscription"])
def test_a_conversion_claims_its_order_id(event_type: str) -> None:
    one = made({"event_type": event_type, "properties": {"order_id": "A-1"}})
    assert one.conversion_keys == (dedupe_keys.conversion_key("shop", event_type, "A-1", test=False),)
    assert one.order_id == "A-1"


def test_other_types_claim_no_order_id_but_any_type_claims_its_dedupe_key() -> None:
    raw = {"event_type": "refund", "properties": {"order_id": "A-1"}}
    assert made(raw).conversion_keys == ()
    assert made(raw, dedupe=["re_1"]).conversion_keys == (
        dedupe_keys.conversion_key("shop", "refund", "re_1", test=False),
    )


def test_an_order_id_and_a_dedupe_key_are_two_claims_and_the_same_twice_is_one() -> None:
    raw = {"event_type": "purchase", "test": True, "properties": {"order_id": "A-1"}}
    keys = [dedupe_keys.conversion_key("shop", "purchase", key, test=True) for key in ("pi_1", "A-1")]
    assert made(raw, dedupe=["pi_1"]).conversion_keys == tuple(keys)
    assert made(raw, dedupe=["A-1"]).conversion_keys == tuple(keys[1:])


@pytest.mark.parametrize("order_id", ["", " ", None])
def test_a_blank_order_id_names_no_order(order_id: str | None) -> None:
    assert made({"event_type": "purchase", "properties": {"order_id": order_id}}).conversion_keys == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("99.90"), "99.9"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.00"), "0"),
        (100, "100"),
        (0.1, "0.1"),
        (10**40 + 1, str(10**40 + 1)),
        (None, None),
    ],
)
def test_a_value_is_told_one_way_however_it_was_written(value: Json, text: str | None) -> None:
    assert made({"event_type": "p", "properties": {"value": value}}).value == text


def test_fields_that_arrived_hashed_are_named() -> None:
    digest = "aF" * 32
    user_data = {"email": digest, "phone": "+15550100", "first_name": digest[:-1], "x": digest, "y": [digest]}
    assert made({"event_type": "p", "user_data": user_data}).hashed == ("email", "x")


def test_a_mappings_event_is_refused_without_its_values() -> None:
    raw = {"event_type": "p", "properties": {"order_id": ["ada lovelace"], "value": "ada lovelace"}}
    with pytest.raises(NotAnEvent) as mapped:
        made(raw, origin="source:shopify")
    assert "ada" not in str(mapped.value)
    with pytest.raises(NotAnEvent, match="ada lovelace"):
        made(raw, origin="key:a")


def test_an_event_too_large_for_any_request_is_refused() -> None:
    with pytest.raises(NotAnEvent, match=f"at most {LARGEST} can be sent"):
        made({"event_type": "p", "x": "x" * LARGEST})


def test_nesting_beyond_any_writer_is_refused_like_any_other() -> None:
    deep: Json = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotAnEvent, match="nested deeper than 64 levels"):
        made({"event_type": "p", "x": deep})


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"ads": True, "analytics": False}, {"ads": True, "analytics": False}),
        ({"ads": "granted", "analytics": "DENIED", "personalization": "Granted"}, None),
        ({"sale_opt_out": True, "other": None}, {"sale_opt_out": True}),
        ({}, {}),
    ],
)
def test_consent_is_kept_as_true_and_false(said: dict[str, Json], kept: dict[str, Json] | None) -> None:
    words = {"ads": True, "analytics": False, "personalization": True}
    event = made({"event_type": "purchase", "consent": said})
    assert json_text.parse_json(event.text)["consent"] == (words if kept is None else kept)


@pytest.mark.parametrize(
    ("consent", "problem"),
    [
        ({"add": True}, "consent.add is no word of consent; did you mean `ads`?"),
        (
            {"xyz": True},
            "consent.xyz is no word of consent; known are ads, analytics, personalization, sale_opt_out",
        ),
        ({"ads": 1}, 'consent.ads must be true or false, or "granted" or "denied", got a number'),
        ({"ads": "yes"}, 'consent.ads must be true or false, or "granted" or "denied", got a string'),
        ({"sale_opt_out": "granted"}, "consent.sale_opt_out must be true or false, got a string"),
    ],
)
def test_another_word_of_consent_is_refused_with_the_nearest_and_without_its_value(
    consent: dict[str, Json], problem: str
) -> None:
    with pytest.raises(NotAnEvent) as refusal:
        made({"event_type": "purchase", "consent": consent})
    assert [one.text for one in refusal.value.problems] == [problem]


def test_an_odd_price_of_an_item_is_refused_and_a_sku_may_be_a_number() -> None:
    items: list[Json] = [{"sku": 12, "price": 9.5, "quantity": 2, "name": "Lamp", "brand": "L", "category": "C"}]
    assert made({"event_type": "purchase", "properties": {"items": items}})
    with pytest.raises(NotAnEvent, match=r"properties.items\[1\].price must be a number"):
        made({"event_type": "purchase", "properties": {"items": [*items, {"price": "9,50"}]}})
