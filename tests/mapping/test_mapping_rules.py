"""The rules of the language, one after the other, from a mapping's text to the events that it makes."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapping_author import HEAD, document, events, ignored, made, one_event, place, set_aside, source, webhook, written

from bridge import contract
from bridge.core import dedupe_keys, json_text
from bridge.core.json_text import Json
from bridge.core.model import Ignored, SetAside, Translated


def made_of(fields: str, body: Json, **more: str | None) -> Json:
    """The one event of a mapping whose event has `fields`."""
    (event,) = events(one_event(fields), body, **more)
    assert event.pop("event_type") == "thing"
    return event


# ------------------------------------------------------------------------------------------------ rules 1, 2, 3


def test_a_text_with_one_equals_sign_is_an_expression_and_every_other_scalar_is_itself() -> None:
    fields = """\
    a: =body.x
    b: ==body.x
    c: body.x
    d: 5
    e: 1.50
    f: true
    g: "=body.x"
    h: '==body.x'
    """
    assert json_text.write_json(made_of(fields, {"x": "y"})) == json_text.write_json(
        {
            "a": "y",
            "b": "=body.x",
            "c": "body.x",
            "d": 5,
            "e": json_text.parse_json("1.50"),
            "f": True,
            "g": "y",
            "h": "=body.x",
        }
    )


def test_the_roots_are_what_they_are_called() -> None:
    fields = """\
    body: =body.a
    header: =headers."x-thing"
    query: =query.q
    webhook: "=[webhook.id, webhook.topic, webhook.received_at]"
    source: "=[source.name, source.vars.plan]"
    request: =request.a
    """
    text = one_event(fields) + "vars:\n  plan: {default: free, allowed: [free, paid]}\n"
    hook = webhook({"a": "b"}, headers={"x-thing": "t"}, query={"q": "Q"})
    (event,) = made(source(text, vars={"plan": "paid"}).translate(hook))
    assert document(event) == {
        "event_type": "thing",
        "body": "b",
        "header": "t",
        "query": "Q",
        "webhook": ["wh-1", "made", "2026-01-02T03:04:05.678Z"],
        "source": ["shop", "paid"],
        "request": "b",
    }


def test_an_item_of_a_batch_is_the_body_and_the_whole_is_the_request() -> None:
    fields = "a: =body.name\nb: =request.kind"
    body = {"kind": "batch", "data/x": [{"name": "one"}, {"name": "two"}]}
    assert made_of(fields, body, item="/data~1x/1") == {"a": "two", "b": "batch"}


def test_a_batch_without_items_is_ignored() -> None:
    assert ignored(one_event("a: =body.x"), {"data": []}, item="") == "the batch holds no items"


def test_what_the_webhook_section_says_of_a_webhook_can_be_asked() -> None:
    head = HEAD + "  occurred_at: =iso8601(body.at)\n  account: =headers.shop\n  test: =body.live == `false`\n"
    text = one_event('x: "=[webhook.occurred_at, webhook.account, webhook.test]"\ny: =webhook').replace(HEAD, head)
    (event,) = events(text, {"at": 0, "live": False})
    assert event["x"] == ["1970-01-01T00:00:00Z", True]
    assert event["y"] == {
        "id": "wh-1", "topic": "made", "received_at": "2026-01-02T03:04:05.678Z",
        "occurred_at": "1970-01-01T00:00:00Z", "test": True,
    }  # fmt: skip


def test_names_of_let_are_worked_out_once_and_only_when_used() -> None:
    text = one_event("x: =choose(body.ok, good, bad)\ny: =good") + (
        "let:\n  bad: =decimal('no number')\n  good: =format('{}!', deep)\n  deep: =body.x\n"
        "  table: {red: R, blue: ['=body.x', null, '']}\n  word: plain\n"
    )
    assert events(text, {"ok": True, "x": "X"}) == [{"event_type": "thing", "x": "X!", "y": "X!"}]
    assert "the text is no number" in set_aside(text, {"x": "X"})
    text = text.replace("y: =good", "y: =lookup(table, 'blue')\n      z: =word")
    assert events(text, {"ok": True, "x": "X"}) == [{"event_type": "thing", "x": "X!", "y": ["X"], "z": "plain"}]


def test_a_name_that_is_null_is_kept_as_null() -> None:
    text = one_event("x: =[nothing, nothing, 'a']") + "let:\n  nothing: =body.nothing\n"
    assert events(text, {}) == [{"event_type": "thing", "x": ["a"]}]


# ------------------------------------------------------------------------------------------------------ rule 4


NOTHINGS: list[Json] = [None, "", [], {}, [None, ""], {"a": {"b": [None, {}]}}]


@pytest.mark.parametrize("nothing", NOTHINGS)
def test_nothing_means_nothing(nothing: Json) -> None:
    assert made_of("x: =body.x\ny: {z: =body.x}\nl: ['=body.x']", {"x": nothing}) == {}


@pytest.mark.parametrize("something", [0, False, "0", " ", [0], {"a": False}, json_text.parse_json("0.00")])
def test_zero_and_false_are_something(something: Json) -> None:
    found = made_of("x: =body.x\ny: {z: =body.x}\nl: ['=body.x']", {"x": something})
    assert found == {"x": something, "y": {"z": something}, "l": [something]}


def test_what_is_nothing_is_left_out_at_every_depth_of_a_value() -> None:
    body: Json = {"x": {"a": None, "b": "", "c": 0, "d": [{"e": None}, {"f": 1}, "", "g"], "h": {}}}
    assert made_of("x: =body.x", body) == {"x": {"c": 0, "d": [{"f": 1}, "g"]}}


def test_literals_that_are_nothing_are_left_out_too() -> None:
    assert made_of("a: null\nb: ''\nc: {}\nd: []\ne: {f: ~}\ng: 0", {}) == {"g": 0}


def test_the_order_of_fields_is_the_files() -> None:
    assert list(made_of("z: 1\ny: =body.y\nx: 2\nw: {v: 1}", {"y": 5})) == ["z", "y", "x", "w"]


# ------------------------------------------------------------------------------------------------------ rule 6

THREE = written(
    """\
    events:
      - topic: orders/*
        when: =body.a
        event: {event_type: first}
      - topic: [orders/paid, orders/created]
        event: {event_type: second}
      - topic: "*paid"
        when: =body.b == `1`
        event: {event_type: third}
      - topic: orders/none
        when: =body.a
        event: {event_type: fourth}
    ignore:
      carts/*: a cart is no order
      carts/old: nobody sends it
      orders/gone: gone
    """
)


@pytest.mark.parametrize(
    ("topic", "body", "types"),
    [
        ("orders/paid", {"a": 1, "b": 1}, ["first", "second", "third"]),
        ("orders/paid", {"a": "", "b": 1}, ["second", "third"]),
        ("orders/paid", {"a": 0, "b": True}, ["first", "second"]),
        ("orders/created", {}, ["second"]),
        ("orders/x/y", {"a": [0]}, ["first"]),
        ("paid", {"b": 1}, ["third"]),
    ],
)
def test_every_rule_whose_topic_matches_and_whose_when_holds_fires(topic: str, body: Json, types: list[str]) -> None:
    assert [event["event_type"] for event in events(THREE, body, topic=topic)] == types


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("carts/update", "a cart is no order"),
        ("carts/old", "nobody sends it"),
        ("customers/create", "no rule for this topic"),
        ("Orders/paid ", "no rule for this topic"),
        ("orders/none", "no rule's `when` held (shop.yaml:9, :17)"),
        ("orders/gone", "no rule's `when` held (shop.yaml:9)"),
    ],
)
def test_an_ignored_topic_says_why(topic: str, reason: str) -> None:
    assert ignored(THREE, {}, topic=topic) == reason


def test_an_ignored_topic_needs_no_body() -> None:
    assert ignored(THREE, b"\xff", topic="carts/update") == "a cart is no order"


def test_a_webhook_without_a_topic_is_set_aside() -> None:
    assert set_aside(THREE, {}, topic=None) == "no topic found: looked at header:X-Topic"


def test_a_mapping_without_topics_takes_every_webhook() -> None:
    text = HEAD.replace("  topic: [header:X-Topic]\n", "") + "events:\n  - event: {event_type: ping, x: =body.x}\n"
    assert events(text, {"x": 1}, topic=None) == [{"event_type": "ping", "x": 1}]


REFUSING = (
    THREE + "set_aside:\n  - {when: =body.thin, reason: a thin one}\n  - {topic: 'x/*', when: =body.a, reason: odd}\n"
)


def test_a_webhook_can_be_set_aside_for_what_it_is() -> None:
    thin = place(REFUSING, "=body.thin")
    assert set_aside(REFUSING, {"thin": True}, topic="carts/update") == f"{thin}: a thin one"
    assert set_aside(REFUSING, {"thin": True}, topic="orders/paid") == f"{thin}: a thin one"
    assert set_aside(REFUSING, {"a": True}, topic="x/y") == f"{place(REFUSING, '=body.a, reason')}: odd"
    assert ignored(REFUSING, {"a": True}, topic="carts/update") == "a cart is no order"
    assert ignored(REFUSING, b"no json", topic="carts/update") == "a cart is no order"


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("a", "a", True), ("a", "b", False), ("*", "", True), ("*", "anything/at.all", True), ("a*", "a", True),
        ("*a", "ba", True), ("a*a", "a", False), ("a*a", "aa", True), ("a*b*c", "a.b.c", True), ("a*b*c", "acbc", True),
        ("a*b*c", "acb", False), ("a*b*c", "ac", False), ("a*bb*c", "abc", False), ("a.c", "abc", False),
        ("a**b", "ab", True), ("[ab]", "a", False), ("?", "a", False), ("A", "a", False),
    ],
)  # fmt: skip
def test_a_star_in_a_topic_is_any_run_of_characters(pattern: str, topic: str, fits: bool) -> None:  # noqa: FBT001
    text = HEAD + f"events:\n  - {{topic: '{pattern}', event: {{event_type: thing}}}}\n"
    outcome = source(text).translate(webhook({}, topic=topic))
    assert isinstance(outcome, Translated if fits else Ignored)


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    text = HEAD + f"events:\n  - {{topic: '{'*a' * 50}b', event: {{event_type: thing}}}}\n"
    assert ignored(text, {}, topic="a" * 100_000) == "no rule for this topic"


# --------------------------------------------------------------------------------------------------- the body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body cannot be read: it is empty"),
        (b" \n", "the body cannot be read: it is empty"),
        (
            b"<html>",
            "the body cannot be read: not JSON: expecting value at line 1 column 1; it is HTML or XML, and a mapping reads JSON and forms",
        ),
        (
            b"a=b&c=%20",
            "the body cannot be read: not JSON: expecting value at line 1 column 1; it looks like a form, which must have the Content-Type application/x-www-form-urlencoded",
        ),
        (
            b"{",
            "the body cannot be read: not JSON: expecting property name enclosed in double quotes at line 1 column 2",
        ),
        (
            b"\xff{}",
            "the body cannot be read: not UTF-8: the byte at offset 0 fits no character; the provider, or a relay between it and here, must send UTF-8",
        ),
        (
            gzip.compress(b"{}", mtime=0),
            "the body cannot be read: compressed with gzip; turn compression off at the provider or at the proxy in front",
        ),
        (
            zlib.compress(b"{}"),
            "the body cannot be read: compressed with zlib (deflate); turn compression off at the provider or at the proxy in front",
        ),
        (
            '{"a": "\xe9"}'.encode("utf-16"),
            "the body cannot be read: not UTF-8 but UTF-16 or UTF-32; the provider, or a relay between it and here, must send UTF-8",
        ),
        (
            '{"a": "\xe9"}'.encode("utf-16-le"),
            "the body cannot be read: not UTF-8 but UTF-16 or UTF-32; the provider, or a relay between it and here, must send UTF-8",
        ),
        (
            "{}".encode("utf-32-be"),
            "the body cannot be read: not UTF-8 but UTF-16 or UTF-32; the provider, or a relay between it and here, must send UTF-8",
        ),
        (b"[" * 100_000, "the body cannot be read: nested too deep"),
        (b"1e999999999", "the body cannot be read: holds a number beyond 1e400"),
        (b"1e99999999999999999999", "the body cannot be read: holds a number beyond 1e400"),
        (b"9" * 5000, "the body cannot be read: holds a number of over 400 digits"),
        (b"NaN", "the body cannot be read: NaN is not JSON"),
    ],
)
def test_a_body_that_cannot_be_read_sets_the_webhook_aside(body: bytes, reason: str) -> None:
    assert set_aside(one_event("x: =body.x"), body) == reason


@pytest.mark.parametrize(
    ("encoding", "named"), [("br", "br"), ("GZIP", "gzip"), ("\x1b[2J", "something else than identity")]
)
def test_a_body_whose_header_says_that_it_is_compressed_is_set_aside_with_the_remedy(encoding: str, named: str) -> None:
    hook = webhook(b"\x8b\x03\x80{}", headers={"content-encoding": encoding})
    outcome = source(one_event("x: =body.x")).translate(hook)
    assert outcome == SetAside(
        "the body cannot be read: not UTF-8: the byte at offset 0 fits no character; its "
        f"Content-Encoding is {named}: turn compression off at the provider or at the proxy in front"
    )


def test_a_topic_that_stands_in_a_compressed_body_is_missing_because_of_that() -> None:
    reason = set_aside(one_event("x: =body.x"), gzip.compress(b"{}"), topic=None)
    assert reason == (
        "no topic found: looked at header:X-Topic; the body cannot be read: compressed with gzip; turn compression off at the provider or at the proxy in front"
    )


def test_a_byte_order_mark_before_json_is_ignored() -> None:
    assert made_of("x: =body.x", b'\xef\xbb\xbf{"x": 1}') == {"x": 1}


def test_a_rule_that_reads_no_body_takes_any() -> None:
    assert made_of("x: =headers.a", b"\xff\xff") == {}


@pytest.mark.parametrize("body", [None, 5, "text", [1], True, json_text.parse_json("1.5")])
def test_a_body_that_is_no_object_has_no_fields(body: Json) -> None:
    assert made_of("x: =body.x\ny: =body[0]", body) in ({}, {"y": 1})


def test_a_forms_fields_are_the_body() -> None:
    hook = webhook(b"a=1&b=x+y%21&a=2&c=", headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"})
    (event,) = made(source(one_event("a: =body.a\nb: =body.b\nc: =body.c")).translate(hook))
    assert document(event) == {"event_type": "thing", "a": "1", "b": "x y!"}


# ------------------------------------------------------------------------------------------------------ rule 7


def test_a_value_that_cannot_be_worked_out_sets_the_webhook_aside_without_its_value() -> None:
    text = one_event("x: =decimal(body.secret)")
    reason = set_aside(text, {"secret": "hush hush"})
    assert reason == f"{place(text, 'decimal')}: the text is no number like 19.90, in =decimal(body.secret)"


def test_half_a_set_of_events_is_never_made() -> None:
    text = THREE.replace("event_type: second}", "event_type: second, x: =decimal(body.x)}")
    assert set_aside(text, {"a": 1, "x": "?"}, topic="orders/paid").startswith("shop.yaml:")


def test_personal_fields_that_the_contract_refuses_are_left_out_with_a_note() -> None:
    text = one_event("user_data:\n  email: =body.email\n  city: =body.city\ncontext: =body.context")
    body = {"email": ["a@example.com"], "city": "Ulm", "context": "\ud800"}
    (event,) = made(source(text).translate(webhook(jsontext_bytes(body))))
    assert document(event) == {"event_type": "thing", "user_data": {"city": "Ulm"}}
    assert event.notes == (
        f"{place(text, '=body.email')}: user_data.email must be a string, got an array; user_data.email is left out",
        f"{place(text, '=body.context')}: context must be an object, got a string; context is left out",
    )


def jsontext_bytes(body: Json) -> bytes:
    """JSON as a provider writes it that escapes what is no character."""
    import json  # noqa: PLC0415

    return json.dumps(body).encode()


# ------------------------------------------------------------------------------------------------------ rule 8


def test_a_whole_number_becomes_text_where_the_contract_wants_text() -> None:
    fields = """\
    user_id: =body.id
    session_id: 12
    properties:
      order_id: =body.id
      number: =body.id
    user_data: =body.user
    context: "={ip: body.id}"
    consent: =body.consent
    """
    big = 9007199254740993
    assert made_of(
        fields, {"id": big, "user": {"postal_code": 1234, "age": 7, "city": [5]}, "consent": {"ads": True}}
    ) == {
        "user_id": str(big),
        "session_id": "12",
        "properties": {"order_id": str(big), "number": big},
        "user_data": {"postal_code": "1234", "age": 7},
        "context": {"ip": str(big)},
        "consent": {"ads": True},
    }


@pytest.mark.parametrize("value", [True, json_text.parse_json("1.5"), ["x"], {"a": 1}])
def test_any_other_type_is_a_problem_of_the_field(value: Json) -> None:
    text = one_event("user_id: =body.id")
    assert set_aside(text, {"id": value}).startswith(f"{place(text, '=body.id')}: user_id must be a string")


# ----------------------------------------------------------------------------------------------------- rule 10


def keyed(key: str) -> str:
    return one_event("properties: {order_id: =body.id, value: 1, currency: EUR}").replace(
        "    event:", f"    dedupe: {key}\n    event:"
    ).replace("event_type: thing", "event_type: purchase")  # fmt: skip


@pytest.mark.parametrize(("key", "text"), [("a-1", "a-1"), (9007199254740993, "9007199254740993"), (0, "0")])
def test_a_dedupe_key_is_text_and_claims_the_conversion(key: Json, text: str) -> None:
    (event,) = made(source(keyed("=body.key")).translate(webhook({"key": key, "id": "o1"})))
    assert event.conversion_keys == (
        dedupe_keys.conversion_key("shop", "purchase", text, test=False),
        dedupe_keys.conversion_key("shop", "purchase", "o1", test=False),
    )
    assert event.dedupes == 1


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (None, "the dedupe key came out as nothing"),
        ("", "the dedupe key came out as nothing"),
        ([], "the dedupe key came out as nothing"),
        (["a"], "the dedupe key came out as a list"),
        (True, "the dedupe key must be text or a whole number, it came out as a boolean"),
        (json_text.parse_json("1.5"), "the dedupe key must be text or a whole number, it came out as a number"),
    ],
)
def test_a_dedupe_key_that_is_none_sets_the_webhook_aside(key: Json, why: str) -> None:
    assert (
        set_aside(keyed("=body.key"), {"key": key, "id": "o1"})
        == f"{place(keyed('=body.key'), 'body.key')}: {why}, in =body.key"
    )


# -------------------------------------------------------------------------------------------------- the event id


def test_the_event_id_is_derived_from_the_webhook_and_stays_through_a_replay() -> None:
    one, again = (made(source(keyed("=body.key")).translate(webhook({"key": "k", "id": "o"})))[0] for _ in range(2))
    assert one == again
    assert one.id == contract.derived_id(
        received_at=webhook({}).received_at,
        source="shop",
        webhook_id=dedupe_keys.signed_webhook_key("shop", "wh-1").hex(),
        event_type="purchase",
        key="k",
    )
    (other,) = made(source(keyed("=body.key")).translate(webhook({"key": "k", "id": "o"}, webhook_id="wh-2")))
    assert other.id != one.id


def test_events_of_one_webhook_never_share_an_id() -> None:
    rule = "  - {topic: made, event: {event_type: thing}}\n"
    same = "  - {topic: made, dedupe: =body.k, event: {event_type: thing}}\n"
    found = made(source(HEAD + "events:\n" + rule * 3 + same * 2).translate(webhook({"k": "1"})))
    assert len({event.id for event in found}) == 5


def test_an_event_id_of_the_mapping_is_kept() -> None:
    (event,) = made(source(one_event("event_id: =body.id")).translate(webhook({"id": "evt_1"})))
    assert event.id == "evt_1"


# -------------------------------------------------------------------------------------------------------- test


@pytest.mark.parametrize(
    ("live", "test"), [(False, True), (True, False), (None, False)]
)  # fmt: skip
def test_a_test_webhook_makes_a_test_event(live: Json, test: bool) -> None:  # noqa: FBT001  a column of the table
    text = one_event("x: 1").replace(HEAD, HEAD + "  test: =body.live == `false`\n")
    (event,) = made(source(text).translate(webhook({"live": live})))
    assert event.test is test
    assert document(event).get("test", False) is test


def test_a_test_flag_that_is_no_boolean_is_no_answer() -> None:
    text = one_event("x: 1").replace(HEAD, HEAD + "  test: =body.test\n")
    assert events(text, {"test": ""}) == [{"event_type": "thing", "x": 1}]
    assert set_aside(text, {"test": "false"}) == (
        f"{place(text, 'body.test')}: `test` must come out as true or false, it came out as text; compare it: `… "
        "== 'true'`, in =body.test"
    )


# ----------------------------------------------------------------------------------------------------- for_each


def test_for_each_makes_a_list_and_sees_the_names_around_it() -> None:
    fields = """\
    items:
      for_each: line
      in: =body.lines
      when: =line.sku != 'gift'
      map:
        sku: =line.sku
        currency: =body.currency
        parts:
          for_each: part
          in: =line.parts
          map: "=format('{}-{}', line.sku, part)"
    """
    body = {"currency": "EUR", "lines": [{"sku": "a", "parts": [1, 2]}, {"sku": "gift"}, {"sku": "b"}, 5]}
    assert made_of(fields, body) == {
        "items": [
            {"sku": "a", "currency": "EUR", "parts": ["a-1", "a-2"]},
            {"sku": "b", "currency": "EUR"},
            {"currency": "EUR"},
        ]
    }


@pytest.mark.parametrize("nothing", [None, "", []])
def test_for_each_of_nothing_is_nothing(nothing: Json) -> None:
    assert made_of("items: {for_each: line, in: =body.lines, map: =line}", {"lines": nothing}) == {}


# ----------------------------------------------------------------------------------------------------- rule 12


def test_vars_have_defaults_and_can_be_set() -> None:
    text = one_event("x: =source.vars.purchase\ny: =source.vars.country\nz: =source.vars") + (
        "vars:\n  purchase: {default: paid, allowed: [paid, created], help: Which one}\n  country: {default: ''}\n"
    )
    (event,) = events(text, {})
    assert event == {"event_type": "thing", "x": "paid", "z": {"purchase": "paid"}}
    (changed,) = made(source(text, vars={"purchase": "created", "country": "DE"}).translate(webhook({})))
    assert document(changed)["z"] == {"purchase": "created", "country": "DE"}


# ----------------------------------------------------------------------------------------------------- rule 14


def buying(require: str = "", event_type: str = "purchase") -> str:
    return written(
        f"""\
        events:
          - topic: made
            {require}
            event:
              event_type: {event_type}
              properties:
                order_id: =body.id
                value: =body.value
                currency: =body.currency
        """
    )


FULL = {"id": "o1", "value": 5, "currency": "eur"}


@pytest.mark.parametrize("event_type", ["purchase", "subscription", "refund", "=body.type"])
@pytest.mark.parametrize("field", ["id", "value", "currency"])
def test_a_required_field_that_is_nothing_sets_the_webhook_aside_at_its_line(event_type: str, field: str) -> None:
    name = "order_id" if field == "id" else field
    text = buying(event_type=event_type)
    assert set_aside(text, {**FULL, field: None, "type": "refund"}) == (
        f"{place(text, f'=body.{field}')}: `properties.{name}` came out as nothing and is required; "
        f"give it a value, or write `require: []`, in =body.{field}"
    )


def test_zero_is_a_value() -> None:
    (event,) = events(buying(), {**FULL, "value": 0})
    assert event["properties"] == {"order_id": "o1", "value": 0, "currency": "EUR"}


def test_require_can_be_turned_off_and_asked_for() -> None:
    assert events(buying("require: []"), {}) == [{"event_type": "purchase"}]
    assert events(buying(event_type="lead"), {}) == [{"event_type": "lead"}]
    assert "`properties.value` came out as nothing" in set_aside(buying("require: [properties.value]", "lead"), {})


# --------------------------------------------------------------------------------------- whatever a provider sends

JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.decimals(allow_nan=False, allow_infinity=False, places=3),
        st.text(max_size=8), st.sampled_from(["19.90", "USD", "2024-01-01", "/?gclid=x", "+12015550123"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["id", "total", "lines", "user", "at", "name", "value", "currency"]), inner, max_size=6),
    ),
    max_leaves=30,
)  # fmt: skip
HOSTILE = written(
    """\
    minor_units: {default: 2}
    let:
      pairs_of_lines: =pairs(body.lines)
      page: =parse_url(body.name)
    events:
      - topic: made
        dedupe: =body.id || 'none'
        require: []
        event:
          event_type: purchase
          timestamp: =iso8601(body.at)
          user_id: =body.user.id
          properties:
            order_id: =body.id
            value: =from_minor(body.total, body.currency) || total(body.lines[].total) || decimal(body.value)
            currency: =upper(body.currency)
            name: =pairs_of_lines.name
            sorted: =sort_by(body.lines, &total)[].name
            odd: "=body.lines[?total > `1`].{a: id, b: to_string(@)} | [0]"
            items:
              for_each: line
              in: =body.lines
              map: {sku: =line.id, price: "=multiply(line.total, line.value)", all: =line}
          user_data:
            phone: =e164(body.user.value, body.user.name)
            email: =lower(body.user)
          context: {gclid: =page.query.gclid, hash: =sha256(body.name), first: =first_name(body.name)}
    """
)


@given(body=JSON)
def test_no_body_makes_translate_raise_or_say_a_value(body: Json) -> None:
    outcome = source(HOSTILE).translate(webhook(json_text.write_json(body)))
    if isinstance(outcome, SetAside):
        assert outcome.reason.startswith("shop.yaml:")
    else:
        assert not isinstance(outcome, Ignored)
        assert made(outcome)[0].event_type == "purchase"


@given(body=st.binary(max_size=200))
def test_no_bytes_make_translate_raise(body: bytes) -> None:
    source(HOSTILE).translate(webhook(body))


def test_wrong_consent_and_a_wrong_detail_of_an_item_are_left_out_with_a_note_and_the_event_is_made() -> None:
    text = one_event("    consent: =body.consent\n    properties: {items: =body.items}\n")
    body: Json = {
        "consent": {"ads": "maybe", "adds": True, "analytics": "granted"},
        "items": [{"sku": "L", "price": "9,50"}],
    }
    (event,) = made(source(text).translate(webhook(body)))
    document = json_text.parse_json(event.text)
    assert (document["consent"], document["properties"]["items"]) == ({"analytics": True}, [{"sku": "L"}])
    assert len(event.notes) == 3
    assert any("consent.adds is no word of consent; did you mean `ads`?" in note for note in event.notes)
    assert any(note.endswith("properties.items[0].price is left out") for note in event.notes)
    assert "maybe" not in "".join(event.notes)
