"""Whatever would grow without end is refused before it has grown: files, expressions, bodies, and what rules build."""

from __future__ import annotations

import pytest
from mapping_author import HEAD_LINES, one_event, set_aside, source, webhook

from bridge import mapping
from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import SetAside
from bridge.mapping.expressions.runtime import MOST_NODES, MOST_TEXTS

FIELD = HEAD_LINES + 6
"""The line of the first field under `properties`."""


def refusals(text: str) -> list[str]:
    return [str(each) for each in mapping.check_mapping(text, name="m.yaml")[1] if each.severity == "error"]


def field(written: str) -> str:
    return one_event(f"properties:\n  {written}")


def test_a_billion_laughs_are_refused() -> None:
    lines = [f"a: &a [{', '.join(['lol'] * 10)}]"]
    for one, other in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{other}: &{other} [{', '.join([f'*{one}'] * 10)}]")
    assert refusals("\n".join(lines)) == ["m.yaml:4:8: error: over 20 aliases; write the values out"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 10_000, "m.yaml:1:65: error: nested over 64 deep"),
        ("{a: " * 10_000, "m.yaml:1:257: error: nested over 64 deep"),
        ("- " * 10_000 + "a", "m.yaml:1:129: error: nested over 64 deep"),
        ("\n".join(" " * depth + "a:" for depth in range(1_400)), "m.yaml:65:65: error: nested over 64 deep"),
        (" " * 5_000_000, "m.yaml:1:1: error: the file is over 1 MiB"),
    ],
    ids=["brackets", "braces", "dashes", "indentation", "size"],
)
def test_a_file_nested_ten_thousand_deep_or_megabytes_large_is_refused(text: str, problem: str) -> None:
    assert refusals(text) == [problem]


@pytest.mark.parametrize(
    "expression", ["(" * 9_000, "[" * 9_000, "!" * 9_000, "{a: " * 4_500, "lower(" * 3_000, "a || " * 3_900]
)
def test_an_expression_nested_thousands_deep_is_refused(expression: str) -> None:
    [problem] = refusals(field(f"x: '={expression}body'"))
    assert "nested over" in problem
    assert problem.startswith(f"m.yaml:{FIELD}:")


@pytest.mark.parametrize("body", [b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000])
def test_a_body_nested_ten_thousand_deep_is_set_aside(body: bytes) -> None:
    outcome = source(field("x: =body.a")).translate(webhook(body))
    assert outcome == SetAside("the body cannot be read: nested too deep")


def large() -> Json:
    """A body of five megabytes."""
    return {"list": [{"b": 2, "c": "x" * 15}] * 170_000}


def test_of_five_megabytes_a_field_is_taken_and_the_whole_is_refused() -> None:
    assert len(json_text.write_json(large())) > 4_900_000
    taken = source(field("x: =body.list[0].c")).translate(webhook(large()))
    assert not isinstance(taken, SetAside)
    assert set_aside(field("x: =body"), large()) == (
        f"shop.yaml:{FIELD}:13: builds more than {MOST_NODES:,} values, in =body"
    )


@pytest.mark.parametrize(
    ("written", "body", "reason"),
    [
        ("x: =body.l[*].[@, @, @, @]", {"l": [1] * 90_000}, "builds more than 200,000 values"),
        ("x: =body.l[*].to_string([@, @, @])", {"l": ["x" * 10_000] * 600}, "builds texts of over 16 MiB together"),
        ("x: =map(&replace(@, 'x', 'yyyyyyyyyy'), body.l)", {"l": ["x" * 1_000] * 4_000}, "builds texts of over 16 MiB together"),
        ("x: =map(&format('{}{}{}{}', @, @, @, @), body.l)", {"l": ["x" * 5_000] * 1_000}, "builds texts of over 16 MiB together"),
        ("x: =replace(body.t, 'x', 'yyyyyyyyyy')", {"t": "x" * 1_000_000}, "builds a text of over 1 MiB"),
        ("x: =join(body.t, body.l)", {"t": "x" * 100_000, "l": ["a"] * 100}, "builds a text of over 1 MiB"),
        (f"x: =map(&'{'y' * 10_000}', body.l)", {"l": [1] * 20_000}, "builds texts of over 16 MiB together"),
    ],
    ids=range(7),
)  # fmt: skip
def test_an_expression_that_would_multiply_what_it_reads_is_refused_where_it_stands(
    written: str, body: Json, reason: str
) -> None:
    text = field(f'x: "{written[3:]}"')
    told = set_aside(text, body)
    assert told.startswith(f"shop.yaml:{FIELD}:")
    assert told.partition(": ")[2].startswith(reason)


@pytest.mark.parametrize(
    "each",
    [
        "{for_each: a, in: =body.l, map: {x: {for_each: b, in: =body.l, map: {y: =b}}}}",
        "{for_each: a, in: =body.l, map: {x: {for_each: b, in: =body.l, when: =b == 'q', map: {y: =b}}}}",
    ],
)
def test_loops_within_loops_go_through_a_bounded_number_of_elements(each: str) -> None:
    told = set_aside(field(f"items: {each}"), {"l": list(range(3_000))})
    assert told.startswith(f"shop.yaml:{FIELD}:")
    assert f": for_each goes through more than {MOST_NODES:,} elements, in =body.l" in told


def test_a_long_text_that_a_loop_repeats_is_refused_before_it_is_written() -> None:
    text = field(f"items: {{for_each: a, in: =body.l, map: {{sku: {'y' * 2_000}}}}}")
    assert MOST_TEXTS < 2_000 * 20_000
    assert set_aside(text, {"l": [1] * 20_000}) == f"shop.yaml:{HEAD_LINES + 4}:7: builds texts of over 16 MiB together"


def test_what_one_webhook_built_does_not_count_for_the_next() -> None:
    one = source(field("x: =map(&replace(@, 'x', 'yy'), body.l) | [0]"))
    for _ in range(4):
        outcome = one.translate(webhook({"l": ["x" * 100_000] * 50}))
        assert not isinstance(outcome, SetAside)
