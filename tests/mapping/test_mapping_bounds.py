"""A mapping is data: what it builds is bounded, and nothing it nests is too deep for Python."""

from __future__ import annotations

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_author import events, one_event, place, problems, set_aside, source, webhook

from bridge import mapping
from bridge.core.json_text import Json
from bridge.core.model import SetAside
from bridge.mapping.codegen.expressions import compile_standalone
from bridge.mapping.expressions import size_limit
from bridge.mapping.expressions.parser import ExpressionError, parse_expression


def copies(expression: str) -> int:
    return size_limit.growth_bound(parse_expression(expression), lambda name: {"twice": 2}.get(name, 1))


@pytest.mark.parametrize(
    ("expression", "most"),
    [
        ("body.a.b", 1),
        ("twice.a", 2),
        ("body.twice", 1),
        ("[body, twice]", 3),
        ("{a: body, b: body.x, c: 'x'}", 3),
        ("body | [@, @] | [@, @]", 4),
        ("body[*].[a, b]", 2),
        ("body[].{a: @, b: [@, @]}", 3),
        ("body || twice", 2),
        ("body.a == twice", 1),
        ("merge(body, twice)", 3),
        ("map(&[@, @], twice)", 4),
        ("body | " + " | ".join(["[@, @]"] * 50), size_limit.MOST_REPETITIONS + 1),
    ],
)
def test_what_an_expression_may_repeat_is_known_before_it_runs(expression: str, most: int) -> None:
    assert copies(expression) == most


def test_what_is_built_of_a_large_body_is_bounded() -> None:
    text = one_event("x: =[all, all, all]\ny: =all") + "let:\n  all: =[body, body, body, body]\n"
    body = [[1] * 100] * 100
    assert len(events(text, body)[0]["x"]) == 3
    reason = set_aside(text, [[1] * 200] * 100)
    assert reason == f"{place(text, '[all, all, all]')}: builds more than 200,000 values, in =[all, all, all]"


def test_a_body_that_is_passed_on_whole_is_bounded_by_the_contract() -> None:
    reason = set_aside(one_event("x: =body.x\ny: =body.x"), {"x": "x" * 1_000_000})
    assert "at most 1572864 can be sent" in reason


def nested(depth: int) -> Json:
    found: Json = "end"
    for _ in range(depth):
        found = {"a": [found]}
    return found


@pytest.mark.parametrize("depth", [1, 7, 8, 40, 104])
@pytest.mark.parametrize("step", ["a[*]", "a[]", "a[?@]", "a | [0]"])
def test_expressions_nest_as_deep_as_anybody_writes(depth: int, step: str) -> None:
    chain = " | ".join([step] * depth) if "|" in step else ".".join([step] * depth)
    document = nested(depth)
    assert compile_standalone(chain)(document) == jmespath.search(chain, document)


@pytest.mark.parametrize(
    "expression",
    [
        "(body.no || " * 50 + "body.x" + ")" * 50,
        "(`1` && " * 50 + "body.x" + ")" * 50,
        " || ".join(["body.no"] * 140) + " || body.x",
        "choose(body.no, body.no, " * 60 + "body.x" + ")" * 60,
        "lower(" * 60 + "body.x" + ")" * 60,
    ],
)
def test_choices_and_calls_nest_deep_at_the_outermost_level_too(expression: str) -> None:
    assert events(one_event(f'x: "={expression}"'), {"x": "end"}) == [{"event_type": "thing", "x": "end"}]


def test_for_each_nests_as_deep_as_yaml_may() -> None:
    lines = []
    for depth in range(25):
        around = f"n{depth - 1}.a" if depth else "body.a"
        pad = "  " * (2 * depth)
        lines += [f"{pad}for_each: n{depth}", f"{pad}in: ={around}", f"{pad}map:", f"{pad}  l:"]
    text = one_event("x:\n" + "\n".join("  " + line for line in lines) + " =body.x")
    found = events(text, {"x": "end", **nested(25)})[0]["x"]
    for _ in range(25):
        found = found[0]["l"]
    assert found == "end"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("(" * 3000, "nested over 120 deep"),
        ("[" * 3000, "nested over 120 deep"),
        ("!" * 3000 + "a", "nested over 120 deep"),
        ("[" * 121 + "a" + "]" * 121, "nested over 120 deep"),
        ("a|" * 9000 + "a", "nested over 250 deep"),
        ("a||" * 6000 + "a", "nested over 250 deep"),
    ],
)
def test_an_expression_that_is_too_deep_is_refused(expression: str, text: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        compile_standalone(expression)
    assert refusal.value.text == text


def test_a_path_may_be_as_long_as_it_likes() -> None:
    assert compile_standalone("a." * 9000 + "a")({}) is None


def test_an_expression_is_at_most_twenty_thousand_characters() -> None:
    text = one_event("properties:\n  x: =body." + "a" * 20_001)
    assert problems(text) == [f"{place(text, 'body.a')}: error: an expression of over 20,000 characters"]


@pytest.mark.parametrize("depth", [500, 900, 5_000])
def test_a_body_nested_deep_is_worked_out_or_set_aside(depth: int) -> None:
    body = b'{"x": ' + b"[" * depth + b"1" + b"]" * depth + b"}"
    for fields in ("x: =body.x", "x: =to_string(body.x)", "x: =body.x == body.x", "user_data: =body"):
        outcome = source(one_event(fields)).translate(webhook(body))
        if isinstance(outcome, SetAside):
            assert "nested" in outcome.reason or "deep" in outcome.reason, outcome.reason


def test_five_megabytes_of_body_are_worked_out_or_set_aside() -> None:
    body = b'{"x": [' + b",".join([b'{"id": 1, "n": "abc"}'] * 230_000) + b"]}"
    outcome = source(one_event("x: =body.x[*].n\ny: =total(body.x[*].id)")).translate(webhook(body))
    assert isinstance(outcome, SetAside)
    assert "builds more than 200,000 values" in outcome.reason


PIECES = [
    "=",
    "'",
    '"',
    "`",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ":",
    " ",
    "\n",
    "#",
    "&a ",
    "*a",
    "|",
    ">",
    "-",
    "null",
    "007",
    "\x00",
    "body",
]
WHOLE = one_event(
    """\
    properties: &a {x: =body.x, y: "=lower(body.y[?z == 'é'] | [0])"}
    items:
      for_each: line
      in: =body.lines
      map: {price: =decimal(line.price)}
    user_data: *a
    """
)


@settings(max_examples=300, deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 6), st.sampled_from(["", *PIECES])), max_size=4)
)
def test_a_file_that_was_hit_by_chance_is_a_mapping_or_has_problems(edits: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for start, length, piece in edits:
        text = text[:start] + piece + text[start + length :]
    made, found = mapping.check_mapping(text, name="shop.yaml")
    assert (made is None) == any(problem.severity == "error" for problem in found)
    lines = text.split("\n")
    for problem in found:
        assert 1 <= problem.place.line <= len(lines) + 1
        assert 1 <= problem.place.column <= len(lines[min(problem.place.line, len(lines)) - 1]) + 2
