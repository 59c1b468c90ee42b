"""Each field of an event can say where it comes from, and what it says is what the compiled mapping made."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mapping_author import one_event, webhook, written
from peers import typed
from shipped_examples import EXAMPLES, earlier_events, example_webhooks

from bridge import mapping
from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import Ignored, SetAside, SourceLocation, Translated
from bridge.mapping.tools.examples import EarlierEvent, recallable_events
from bridge.mapping.tools.explain import Explanation, RuleExplanation, explain_webhook
from bridge.mapping.tools.trace_template import ExplainedField, TraceBuilder, world_of
from bridge.mapping.tools.tracer import ReadPath, TracedAlternative


def explained(text: str, body: Json, **more: Any) -> Explanation:
    found = mapping.read_mapping(text, name="shop.yaml")
    assert found.mapping, found.problems.all_problems
    return explain_webhook(found, webhook(body, **more), vars={})


def told(text: str, body: Json, **more: Any) -> RuleExplanation:
    [rule] = explained(text, body, **more).rules
    return rule


def field(text: str, body: Json, name: str, **more: Any) -> ExplainedField:
    return next(one for one in told(text, body, **more).fields if one.name == name)


# ------------------------------------------------------------------------------------------- it is the compiled value


@pytest.mark.parametrize("case", EXAMPLES, ids=str)
def test_every_shipped_example_is_explained_by_the_values_that_were_made(case: Any) -> None:
    found, given, vars_ = example_webhooks(case)
    for one in given:
        explanation = explain_webhook(found, one, vars=vars_, earlier=earlier_events(case))
        events = explanation.outcome.events if isinstance(explanation.outcome, Translated) else ()
        assert [rule.event for rule in explanation.rules if rule.event] == list(events)
        for rule in explanation.rules:
            if rule.event is None:
                continue
            document = json_text.parse_json(rule.event.text)
            assert built([one for one in rule.fields if one.absent is None]) == document
            for each in rule.fields:
                assert each.absent is None or each.value is None
                assert not each.recalled or (rule.recall and rule.recall.found)


@pytest.mark.parametrize("case", EXAMPLES, ids=str)
def test_every_shipped_rule_builds_the_same_slowly(case: Any) -> None:
    found, given, vars_ = example_webhooks(case)
    assert found.mapping
    source = found.mapping.bind_source("shop", secrets=(), vars=vars_)
    for one in given:
        if not isinstance(source.translate(one), Translated):
            continue
        frame, _ = source.make_frame(one)
        for rule, code in zip(found.parts.rules, found.mapping.program.rules, strict=True):
            if code.topics is not None and one.topic in code.topics and not isinstance(made := code.run(frame), int):
                world = world_of(found, frame)
                assert TraceBuilder(world).build_node(rule.event, (), world) == made[0]


def built(fields: list[ExplainedField]) -> Json:
    """The document that fields make."""
    root: Json = {}
    for one in fields:
        target = root
        for step, following in zip(one.path, [*one.path[1:], None], strict=True):
            empty: Json = [] if isinstance(following, int) else {}
            if following is None:
                empty = one.value
            if isinstance(step, str):
                target = target.setdefault(step, empty)
            else:
                if step == len(target):
                    target.append(empty)
                target = target[step]
    return root


# ------------------------------------------------------------------------------------------------- what it says


def test_a_field_tells_its_line_what_was_read_and_which_alternative_was_taken() -> None:
    text = one_event("properties: {name: =body.a || body.b.c || 'none'}\n")
    one = field(text, {"a": "", "b": {"c": 7}}, "properties.name")
    assert (one.value, one.absent, one.place and one.place.line) == (7, None, 11)
    assert one.working
    assert one.working.reads == (ReadPath("body.a", ""), ReadPath("body.b.c", 7))
    assert one.working.chains == (
        (
            TracedAlternative("body.a", ""),
            TracedAlternative("body.b.c", 7, taken=True),
            TracedAlternative("'none'", looked_at=False),
        ),
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "came out as null: none of 2 alternatives has a value"),
        ({"b": ""}, "came out as an empty text: none of 2 alternatives has a value"),
        ({"b": {}}, "came out as an empty object: none of 2 alternatives has a value"),
        ({"b": [None, ""]}, "came out as nothing but empty values"),
    ],
)
def test_an_absent_field_says_why(body: Json, why: str) -> None:
    one = field(one_event("properties: {name: =body.a || body.b}\n"), body, "properties.name")
    assert (one.value, one.absent) == (None, why)


def test_a_personal_field_that_was_left_out_carries_the_events_note() -> None:
    text = one_event("user_data: {email: =lower(body.email)}\n")
    rule = told(text, {"email": 7})
    assert rule.event
    [note] = rule.event.notes
    [one] = [one for one in rule.fields if one.name == "user_data.email"]
    assert one.absent == note
    assert "lower() takes text as argument 1, got a number" in note


def test_what_the_contract_refuses_of_a_person_is_absent_with_its_note() -> None:
    one = field(one_event("user_data: {email: =body.email}\n"), {"email": [1]}, "user_data.email")
    assert one.absent
    assert one.absent.endswith("; user_data.email is left out")


def test_a_name_of_let_tells_how_it_came_about() -> None:
    text = one_event("properties: {city: =home.city}\n") + "let:\n  home: =body.billing || body.shipping\n"
    one = field(text, {"shipping": {"city": "Rome"}}, "properties.city")
    assert one.working
    assert one.working.reads == (ReadPath("home.city", "Rome"),)
    [home] = one.working.names
    assert (home.name, home.place.line) == ("home", 13)
    assert home.working.reads == (ReadPath("body.billing", None), ReadPath("body.shipping", {"city": "Rome"}))


def test_fields_in_a_loop_are_told_by_the_element_they_were_read_from() -> None:
    text = one_event(
        "properties:\n  items:\n    for_each: line\n    in: =body.lines\n    when: =line.n\n    map: {sku: =line.sku}\n"
    )
    rule = told(text, {"lines": [{"sku": "a"}, {"n": 1, "sku": "b"}]})
    [one] = [one for one in rule.fields if one.name.startswith("properties.items")]
    assert (one.name, one.value) == ("properties.items[0].sku", "b")
    assert one.working
    assert one.working.reads == (ReadPath("body.lines[1].sku", "b"),)


def test_what_no_line_gives_is_told_too() -> None:
    rule = told(one_event(""), {})
    given = {one.name: one.place for one in rule.fields}
    assert given["event_type"] is not None
    assert given["event_id"] is given["timestamp"] is None


def test_an_empty_list_is_why_a_loop_makes_nothing() -> None:
    text = one_event("properties:\n  items: {for_each: line, in: =body.lines, map: {sku: =line.sku}}\n")
    assert field(text, {}, "properties.items").absent == "`in` came out as an empty list"
    assert field(text, {"lines": [{}]}, "properties.items[0].sku").absent == "came out as null"


def test_a_rule_whose_when_does_not_hold_says_what_it_read() -> None:
    text = written("events:\n  - topic: made\n    when: =body.ok\n    event: {event_type: thing}\n")
    explanation = explained(text, {"ok": False})
    assert isinstance(explanation.outcome, Ignored)
    [rule] = explanation.rules
    assert (rule.held, rule.fields, rule.event) == (False, (), None)
    [condition] = rule.conditions
    assert condition.working.reads == (ReadPath("body.ok", value=False),)


def test_a_webhook_that_is_set_aside_shows_the_field_that_fails_and_the_rest() -> None:
    text = one_event("properties: {value: =decimal(body.total), name: =body.name}\n")
    explanation = explained(text, {"total": "x", "name": "n"})
    assert isinstance(explanation.outcome, SetAside)
    [rule] = explanation.rules
    fields = {one.name: one for one in rule.fields}
    assert fields["properties.value"].absent == "cannot be worked out: the text is no number like 19.90"
    assert fields["properties.name"].value == "n"


REFUND = written("""\
    events:
      - topic: made
        dedupe: =body.id
        recall: {event_type: purchase, dedupe: =body.order, take: [user_data, user_id, properties.currency]}
        event:
          event_type: refund
          user_data: {city: =body.city, country: =body.country}
          properties: {order_id: =body.order, value: =body.value, currency: =body.currency}
    """)
PURCHASE: Json = {
    "event_type": "purchase",
    "user_id": "77",
    "user_data": {"city": "Ulm", "country": "DE", "email": "ada@example.com"},
    "properties": {"order_id": "A", "value": 10, "currency": "EUR", "coupon": "X"},
}


def refund(body: Json, *, earlier: Sequence[Json] = (PURCHASE,)) -> RuleExplanation:
    found = mapping.read_mapping(REFUND, name="shop.yaml")
    known = recallable_events([EarlierEvent(event) for event in earlier], scope="shop")
    [rule] = explain_webhook(found, webhook({"id": "r", "order": "A", "value": 4} | body), vars={}, earlier=known).rules
    return rule


def test_a_recalled_field_is_told_from_one_that_the_body_gave() -> None:
    rule = refund({"city": "Bonn"})
    assert {one.name: (one.value, one.recalled) for one in rule.fields if one.name != "event_id"} == {
        "event_type": ("refund", False),
        "timestamp": ("2026-01-02T03:04:05.678Z", False),
        "user_data.city": ("Bonn", False),
        "user_data.country": ("DE", True),
        "user_data.email": ("ada@example.com", True),
        "user_id": ("77", True),
        "properties.order_id": ("A", False),
        "properties.value": (4, False),
        "properties.currency": ("EUR", True),
    }
    assert rule.recall
    assert (rule.recall.event_type, rule.recall.key, rule.recall.found["user_id"]) == ("purchase", "A", "77")
    assert rule.recall.place == SourceLocation("shop.yaml", REFUND[: REFUND.index("recall:")].count("\n") + 1, 44)


def test_a_recall_that_finds_nothing_says_what_it_looked_for() -> None:
    missed = refund({"currency": "EUR"}, earlier=[PURCHASE | {"event_type": "lead"}]).recall
    assert missed
    assert (missed.event_type, missed.key, missed.found) == ("purchase", "A", None)
    nothing = refund({"currency": "EUR", "order": None}).recall
    assert nothing
    assert (nothing.key, nothing.found) == (None, None)


def test_a_recall_of_several_keys_shows_the_one_that_was_found_and_what_was_read_of_it() -> None:
    text = REFUND.replace("dedupe: =body.order, take", "dedupe: [=body.payment, =body.order], take").replace(
        "order_id: =body.order, value", "order_id: =earlier.properties.order_id || body.payment, value"
    )
    found = mapping.read_mapping(text, name="shop.yaml")
    known = recallable_events([EarlierEvent(PURCHASE)], scope="shop")
    given_body = {"id": "r", "payment": "pi_1", "order": "A", "value": 4}
    [rule] = explain_webhook(found, webhook(given_body), vars={}, earlier=known).rules
    assert rule.recall
    assert (rule.recall.key, rule.recall.event_type) == ("A", "purchase")
    [order] = [one for one in rule.fields if one.name == "properties.order_id"]
    assert order.value == "A"
    assert order.working
    assert [read.path for read in order.working.reads] == ["earlier.properties.order_id"]


def test_a_refund_that_is_set_aside_still_says_that_nothing_was_found() -> None:
    rule = refund({}, earlier=())
    assert rule.event is None
    assert rule.recall
    assert (rule.recall.key, rule.recall.found) == ("A", None)


def test_try_takes_the_earlier_event_that_it_printed_itself(tmp_path: Path) -> None:
    text = REFUND + textwrap.indent(
        "- topic: paid\n  dedupe: =body.id\n  event:\n    event_type: purchase\n    user_id: =body.user\n"
        "    properties: {order_id: =body.order, value: 10, currency: EUR}\n",
        "  ",
    )
    (tmp_path / "shop.yaml").write_text(text)
    (tmp_path / "paid.json").write_text('{"id": "p", "order": "A", "user": "77"}')
    (tmp_path / "refunded.json").write_text('{"id": "r", "order": "A", "value": 4}')
    refunded = ("try", "shop.yaml", "refunded.json", "--topic", "made")
    paid = typed(tmp_path, {}, "try", "shop.yaml", "paid.json", "--topic", "paid", "--format", "json")
    (tmp_path / "earlier.json").write_text(paid.stdout)
    [event] = json.loads(typed(tmp_path, {}, *refunded, "--earlier", "earlier.json", "--format", "json").stdout)
    assert (event["user_id"], event["properties"]["currency"]) == ("77", "EUR")
    shown = typed(tmp_path, {}, *refunded, "--earlier", "earlier.json", "--explain").stdout.splitlines()
    assert "  recall = found the earlier purchase A  shop.yaml:10  =body.order" in shown
    assert '  user_id = "77"  shop.yaml:10  of the earlier purchase A' in shown
    assert (
        '  properties.currency = "EUR"  shop.yaml:10  of the earlier purchase A, for line 14 came out as nothing'
        in shown
    )
    alone = typed(tmp_path, {}, *refunded, "--explain")
    assert alone.returncode == 1
    assert "  recall = found no earlier purchase A; --earlier FILE would give one  shop.yaml:10  =body.order" in (
        alone.stdout.splitlines()
    )
    [other] = json.loads(typed(tmp_path, {}, *refunded, "--explain", "--format", "json").stdout)
    assert other["rules"][0]["recall"]["found"] is False


def test_an_earlier_event_may_say_its_dedupe_key_as_examples_do(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(REFUND)
    (tmp_path / "refunded.json").write_text('{"id": "r", "order": 5, "value": 4}')
    nameless = PURCHASE | {"properties": {"currency": "EUR"}}
    (tmp_path / "earlier.json").write_text(json.dumps([{"dedupe": 5, "event": nameless}]))
    words = ("try", "shop.yaml", "refunded.json", "--topic", "made", "--earlier", "earlier.json", "--format", "json")
    [event] = json.loads(typed(tmp_path, {}, *words).stdout)
    assert (event["user_id"], event["properties"]["currency"]) == ("77", "EUR")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"event_type": 5}', "--earlier earlier.json: event_type must be a string, got a number"),
        ("{", "--earlier earlier.json: not JSON: "),
        ("5", "--earlier earlier.json: the event must be an object, got a number"),
    ],
)
def test_a_mistake_in_an_earlier_event_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "shop.yaml").write_text(REFUND)
    (tmp_path / "earlier.json").write_text(content)
    (tmp_path / "body.json").write_text("{}")
    done = typed(tmp_path, {}, "try", "shop.yaml", "body.json", "--topic", "made", "--earlier", "earlier.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"trackbridge: {said}")
    assert done.stderr.count("\n") == 1


def test_a_body_that_cannot_be_read_explains_no_rule() -> None:
    assert explained(one_event("user_id: =body.id\n"), b"no json").rules == ()


# ------------------------------------------------------------------------------------------------- on the command line


ACME = """\
mapping: 1
provider: acme
webhook:
  signature: {kind: none, i_accept_unsigned: true}
  id: ["json:/id"]
  topic: ["json:/type"]
let:
  who: =body.buyer || body.payer
events:
  - topic: done
    event:
      event_type: thing
      session_id: =who.session || body.session
      properties: {number: =body.id}
"""


def test_try_explain_reads_well(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(ACME)
    (tmp_path / "body.json").write_text('{"id": 7, "type": "done", "payer": {"name": "Ada"}}')
    done = typed(tmp_path, {}, "try", "acme.yaml", "body.json", "--explain")
    assert done.returncode == 0, done.stderr
    missing = "came out as null: none of 2 alternatives has a value"
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("  event_id = ", "  timestamp = "))]
    assert lines == [
        "topic done: 1 event",
        "",
        "rule acme.yaml:10  thing",
        '  event_type = "thing"  acme.yaml:12  as it stands',
        f"  session_id = absent: {missing}  acme.yaml:13  =who.session || body.session",
        "      1. who.session: null",
        "      2. body.session: null",
        '      who: {"name":"Ada"}  acme.yaml:8',
        "          1. body.buyer: null",
        '          2. body.payer: {"name":"Ada"}  ← taken',
        "  properties.number = 7  acme.yaml:14  =body.id",
        "      body.id: 7",
    ]


def test_try_explain_as_json_holds_the_same(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(ACME)
    (tmp_path / "body.json").write_text('{"id": 7, "type": "done"}')
    done = typed(tmp_path, {}, "try", "acme.yaml", "body.json", "--explain", "--format", "json")
    [one] = json.loads(done.stdout)
    [rule] = one["rules"]
    assert one["events"][0]["properties"] == {"number": 7}
    number = next(field for field in rule["fields"] if field["field"] == "properties.number")
    assert number == {
        "field": "properties.number",
        "at": "acme.yaml:14:28",
        "value": 7,
        "absent": None,
        "recalled": False,
        "working": {
            "expression": "body.id",
            "value": 7,
            "failure": None,
            "reads": [{"path": "body.id", "value": 7}],
            "chains": [],
            "names": [],
        },
    }
    (tmp_path / "other.json").write_text('{"id": 7, "type": "other"}')
    other = typed(tmp_path, {}, "try", "acme.yaml", "other.json", "--explain")
    assert (other.returncode, other.stdout) == (0, "topic other: ignored: no rule for this topic\n")


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (r'"\ud800"', "holds half a character"),
        (r'{"\ud800": 1}', "holds half a character"),
        ("[" * 400 + "1" + "]" * 400, "is nested deeper than 64 levels"),
        ("[" * 900 + "1" + "]" * 900, "nested "),  # too deep for Python, or deeper than 64 levels
    ],
    ids=["half", "half a key", "deep", "deeper"],
)
def test_try_explain_says_of_a_value_that_no_event_can_hold_why(
    tmp_path: Path, value: str, outcome: str, form: str
) -> None:
    (tmp_path / "acme.yaml").write_text(ACME)
    (tmp_path / "body.json").write_text(f'{{"id": {value}, "type": "done"}}')
    done = typed(tmp_path, {}, "try", "acme.yaml", "body.json", "--explain", "--format", form)
    assert (done.returncode, done.stderr) == (1, "")
    assert outcome in done.stdout


LOOP = written(
    """\
    events:
      - topic: made
        for_each: part
        in: =body.parts
        when: [{if: =part.ok, else: it is no part}, =part.id]
        dedupe: =part.id
        event: {event_type: thing, x: =part.x}
    """
)


def test_a_rule_with_for_each_is_explained_element_by_element() -> None:
    told = explained(LOOP, {"parts": [{"ok": 0}, {"id": 2, "x": 5, "ok": 1}, {"id": 3, "ok": ""}]}).rules
    assert [(rule.element, rule.held) for rule in told] == [
        ("body.parts[0]", False),
        ("body.parts[1]", True),
        ("body.parts[2]", False),
    ]
    reads = [one.working.reads for one in told[1].fields if one.working and one.name == "x"]
    assert reads == [(ReadPath("body.parts[1].x", 5),)]
    assert [(one.held, one.reason) for one in told[0].conditions] == [(True, "it is no part"), (False, None)]
    assert [(one.held, one.reason) for one in told[2].conditions] == [(False, "it is no part")]
    assert told[1].event is not None


def test_a_rule_whose_list_is_empty_shows_what_it_read() -> None:
    [told] = explained(LOOP, {"parts": []}).rules
    assert (told.held, told.element) == (False, None)
    assert told.elements is not None
    assert told.elements.working.reads == (ReadPath("body.parts", []),)
