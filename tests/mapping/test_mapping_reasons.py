"""Why a webhook that rules look at makes no event: each condition in its own words, and the var that decides."""

from __future__ import annotations

import pytest
from mapping_author import HEAD, events, ignored, place, problems, source, webhook, written

from bridge.core.json_text import Json
from bridge.core.model import Ignored, SetAside, Translated

PAID = written(
    """\
    vars:
      purchase: {default: paid, allowed: [paid, made, none]}
      tills: {default: ignored, allowed: [ignored, counted]}
      country: {default: ""}
    let:
      counts: =source.vars.tills == 'counted' || body.channel != 'pos'
    events:
      - topic: [made, paid]
        when:
          - {if: =body.status == 'paid', else: no money has moved yet}
          - =webhook.topic == source.vars.purchase
          - {if: =counts, else: it was sold at a till}
        event: {event_type: thing, x: =decimal(body.total)}
      - topic: made
        when: =body.trial
        event: {event_type: trial}
    """
)


@pytest.mark.parametrize(
    ("body", "topic", "reason"),
    [
        ({"status": "open"}, "paid", "no money has moved yet (shop.yaml:16)"),
        ({"status": "open"}, "made", "no money has moved yet (shop.yaml:16, :21)"),
        (
            {"status": "paid"},
            "made",
            "purchase = paid, so made is not counted; SHOP_PURCHASE=made counts it (shop.yaml:17, :21)",
        ),
        (
            {"status": "paid", "channel": "pos"},
            "paid",
            "it was sold at a till: tills = ignored, SHOP_TILLS=counted counts it (shop.yaml:18)",
        ),
    ],
)
def test_the_first_condition_that_does_not_hold_gives_the_reason(body: Json, topic: str, reason: str) -> None:
    assert ignored(PAID, body, topic=topic) == reason


def test_no_value_is_promised_to_count_what_another_var_still_keeps_out() -> None:
    told = "purchase = paid, so made is not counted (shop.yaml:17, :21)"
    assert ignored(PAID, {"status": "paid", "channel": "pos"}, topic="made") == told


def test_no_value_is_promised_to_count_what_it_would_only_set_aside() -> None:
    body = {"status": "paid", "total": "?"}
    assert isinstance(source(PAID, vars={"purchase": "made"}).translate(webhook(body)), SetAside)
    assert ignored(PAID, body) == "purchase = paid, so made is not counted (shop.yaml:17, :21)"


def test_what_a_reason_says_is_true() -> None:
    body = {"status": "paid"}
    assert "SHOP_PURCHASE=made counts it" in ignored(PAID, body)
    outcome = source(PAID, vars={"purchase": "made"}).translate(webhook(body))
    assert isinstance(outcome, Translated)
    assert len(outcome.events) == 1


def test_a_source_of_another_name_is_told_its_own_variable() -> None:
    from bridge import mapping  # noqa: PLC0415  one test binds another name

    one = mapping.parse_mapping(PAID, name="shop.yaml").bind_source("shop-eu", secrets=[], vars={})
    outcome = one.translate(webhook({"status": "paid"}))
    assert isinstance(outcome, Ignored)
    assert "SHOP_EU_PURCHASE=made counts it" in outcome.reason


def test_reasons_of_several_rules_stand_side_by_side_each_once() -> None:
    text = written(
        """\
        events:
          - {topic: made, when: [{if: =body.a, else: not lost}], event: {event_type: a}}
          - {topic: made, when: [{if: =body.b, else: not won}], event: {event_type: b}}
          - {topic: made, when: [{if: =body.c, else: not lost}], event: {event_type: c}}
          - {topic: made, when: =body.d, event: {event_type: d}}
        """
    )
    assert ignored(text, {}) == "not lost; not won (shop.yaml:8, :9, :10, :11)"
    assert [event["event_type"] for event in events(text, {"b": 1, "d": 1})] == ["b", "d"]


def test_a_topic_that_a_glob_takes_is_not_repeated() -> None:
    text = written(
        """\
        vars: {which: {default: none, allowed: [none, all]}}
        events:
          - {topic: "*", when: =source.vars.which == 'all', event: {event_type: a}}
        """
    )
    told = "which = none, so this webhook is not counted; SHOP_WHICH=all counts it (shop.yaml:9)"
    assert ignored(text, {}, topic="jane@example.com") == told


def test_a_condition_that_needs_an_earlier_event_waits_for_nobody_when_a_var_is_tried() -> None:
    text = written(
        """\
        vars: {which: {default: none, allowed: [none, all]}}
        events:
          - topic: made
            when: [=source.vars.which == 'all', {if: =earlier, else: never bought}]
            recall: {event_type: purchase, dedupe: =body.order, take: [user_data]}
            event: {event_type: a}
        """
    )
    outcome = source(text).translate_with_earlier(webhook({"order": "7"}), {})
    assert isinstance(outcome, Ignored)
    assert outcome.reason == "which = none, so made is not counted; SHOP_WHICH=all counts it (shop.yaml:10)"


def rule(when: str) -> str:
    """A mapping with one rule of this condition, in line 9 from column 11."""
    return f"{HEAD}events:\n  - topic: made\n    when: {when}\n    event: {{event_type: thing}}\n"


@pytest.mark.parametrize(
    ("when", "column", "text"),
    [
        ("{if: =body.a, else: no}", 11, "when must be an expression, or a list of `{if: =…, else: reason}`"),
        ("[paid]", 12, "a condition must be an expression, or `{if: =…, else: reason}`"),
        ("[{if: paid, else: no}]", 17, "if must be an expression, which begins with `=`"),
        ("[{else: no}]", 12, "a condition needs `if`"),
        ("[{if: =body.a, else: =body.b}]", 32, "else must be a plain text"),
        ("[{if: =body.a, esle: no}]", 26, "unknown key 'esle'; did you mean 'else'?"),
        ("[{if: =bdy.a}]", 18, "unknown name 'bdy'; did you mean 'body'?"),
    ],
)
def test_a_wrong_condition_is_told_at_its_place(when: str, column: int, text: str) -> None:
    assert problems(rule(when)) == [f"shop.yaml:9:{column}: error: {text}"]


def test_an_empty_list_of_conditions_holds() -> None:
    assert events(rule("[]"), {}) == [{"event_type": "thing"}]
    assert place(rule("[]"), "[]") == "shop.yaml:9:11"
