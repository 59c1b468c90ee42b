"""A place is the file's: through quotes, escapes, folds and indentation, for what fails at load and at run time."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mapping_author import HEAD_LINES, document, made, one_event, problems, set_aside, source, webhook

from bridge.yaml.document import MappingNode, Scalar, read_document
from bridge.yaml.problems import Problems

BODY = {"a": "x", "total": "1,50"}

# The line and column of `decimal` are marked by «.
SPELLINGS = [
    "x: =«decimal(body.total)",
    "x:   =body.b || «decimal(body.total)",
    'x: "=«decimal(body.total)"',
    "x: '=«decimal(body.total)'",
    "x: '=body.q == ''it\\''s'' && `1` || «decimal(body.total)'",
    'x: "=body.q == \'\\"\\\\\\u00e9\\x41\' || «decimal(body.total)"',
    'x: "=body.q ||\n\n  \\\n    «decimal(body.total)"',
    'x: "=body.q\\n || «decimal(body.total)"',
    'x: "=body.q\\\n  || «decimal(body.total)"',
    "x: '=body.q\n   ||\n\n   «decimal(body.total)'",
    "x: =body.q\n    || body.é\n    || «decimal(body.total)",
    "x: =body.q   # a comment\ny: =«decimal(body.total)",
    "x: >-\n  =body.q ||\n    body.r\n\n    || «decimal(body.total)",
    "x: >+\n    =«decimal(body.total)\n\n",
    "x: |\n  =body.q ||\n      «decimal(body.total)",
    "x: |2-\n  =body.q ||\n     «decimal(body.total)",
    "x:\n  - =body.q\n  - {y: '=«decimal(body.total)'}",
    "x: {y: =«decimal(body.total)}",
    "x: &anchor =«decimal(body.total)",
    "x: =add(`1`, «decimal(body.total))",
    "x: =body.a && (body.q || [«decimal(body.total)])",
    "x: '=body.{p: a, q: q} | [@, @][?p == ''x''].«decimal(p)'",
    "x: =map(&«decimal(@), [body.a])",
    "x: =choose(body.q, `1`, «decimal(body.total))",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_failure_at_run_time_is_told_at_its_line_and_column(spelling: str) -> None:
    spelling = spelling.replace("body.é", 'body."é"')
    text = one_event(spelling)
    lines = text.splitlines()
    line = next(number for number, each in enumerate(lines, 1) if "«" in each)
    column = lines[line - 1].index("«") + 1
    reason = set_aside(text.replace("«", ""), BODY)
    assert reason.startswith(f"shop.yaml:{line}:{column}: the text is no number like 19.90, in =")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_is_wrong_at_load_is_told_at_its_line_and_column(spelling: str) -> None:
    spelling = spelling.replace("body.é", 'body."é"')
    text = one_event(spelling).replace("«decimal", "«decimel")
    lines = text.splitlines()
    line = next(number for number, each in enumerate(lines, 1) if "«" in each)
    column = lines[line - 1].index("«") + 1
    told = [each for each in problems(text.replace("«", "")) if "decimel" in each]
    assert told == [f"shop.yaml:{line}:{column}: error: unknown function 'decimel'; did you mean 'decimal'?"]


def test_a_failure_in_a_name_of_let_is_told_where_the_name_is_worked_out() -> None:
    text = one_event("x: =amount").replace("events:", "let:\n  amount: =decimal(body.total)\nevents:")
    assert set_aside(text, BODY) == (
        f"shop.yaml:{HEAD_LINES + 2}:12: the text is no number like 19.90, in =decimal(body.total)"
    )


def test_a_failure_in_a_when_a_dedupe_and_a_for_each_is_told_there() -> None:
    base = one_event("x: 1")
    when = base.replace("    event:", "    when: =decimal(body.total)\n    event:")
    assert set_aside(when, BODY).startswith(f"shop.yaml:{HEAD_LINES + 3}:12: the text is no number")
    dedupe = base.replace("    event:", "    dedupe: =decimal(body.total)\n    event:")
    assert set_aside(dedupe, BODY).startswith(f"shop.yaml:{HEAD_LINES + 3}:14: the text is no number")
    each = one_event("x:\n  for_each: line\n  in: =body.a\n  map: {y: =line}")
    assert set_aside(each, BODY) == (
        f"shop.yaml:{HEAD_LINES + 7}:14: `in` must come out as a list, it came out as text, in =body.a"
    )


def test_a_problem_of_the_event_is_told_at_the_line_that_gives_the_field() -> None:
    text = one_event(
        """\
        user_id: =body.user
        properties:
          value: =body.total
          items: =body.lines
        """
    )
    assert set_aside(text, {"user": [1], "total": "9", "lines": [{"price": "1"}, 5]}) == (
        f"shop.yaml:{HEAD_LINES + 5}:16: user_id must be a string, got an array; "
        f"shop.yaml:{HEAD_LINES + 7}:16: properties.value must be a number, got a string; "
        f"shop.yaml:{HEAD_LINES + 8}:16: properties.items[0].price must be a number, got a string; "
        f"shop.yaml:{HEAD_LINES + 8}:16: properties.items[1] must be an object, got a number"
    )


def test_a_note_names_place_reason_and_field_and_never_the_value() -> None:
    text = one_event(
        """\
        user_data:
          email: =body.email
          phone: =lower(body.phone)
        context:
          ip: =decimal(body.secret)
          clicks:
            for_each: click
            in: =decimal(body.secret)
            map: =click
        """
    )
    (event,) = made(source(text).translate(webhook({"email": "a@example.com", "phone": 5, "secret": "hush"})))
    assert document(event) == {"event_type": "thing", "user_data": {"email": "a@example.com"}}
    at = HEAD_LINES + 7
    assert event.notes == (
        (
            f"shop.yaml:{at}:17: lower() takes text as argument 1, got a number, in =lower(body.phone); "
            "user_data.phone is left out"
        ),
        f"shop.yaml:{at + 2}:14: the text is no number like 19.90, in =decimal(body.secret); context.ip is left out",
        (
            f"shop.yaml:{at + 5}:16: the text is no number like 19.90, in =decimal(body.secret); context.clicks is "
            "left out"
        ),
    )


CHARACTERS = st.sampled_from([*"abc.|&' \"\\#:{}[],-é😀", "\n", "\t"])


@settings(max_examples=400, deadline=None)
@given(
    text=st.text(CHARACTERS, min_size=1, max_size=40),
    style=st.sampled_from(["'", '"', ">", "|", ""]),
    width=st.integers(5, 90),
    depth=st.integers(0, 3),
)
def test_every_character_of_a_scalar_is_found_in_the_file(text: str, style: str, width: int, depth: int) -> None:
    value = f"=x{text}x"
    nested: object = value
    for _ in range(depth):
        nested = {"key": nested}
    written = yaml.dump(nested, default_style=style or None, width=width, allow_unicode=True)
    node = read_document(written, name="m.yaml", problems=Problems())
    while isinstance(node, MappingNode):
        node = node.get_value("key")
    assert isinstance(node, Scalar)
    assume(node.text == value)  # PyYAML's writer gets some white space wrong
    lines = written.split("\n")
    for offset, character in enumerate(node.expression):
        place = node.location_at(offset)
        there = lines[place.line - 1][place.column - 1 :]
        if character in " \t\n":
            continue
        if there.startswith("\\") and node.style == '"':
            length = {"U": 10, "u": 6, "x": 4}.get(there[1], 2)
            assert yaml.safe_load(f'"{there[:length]}"') == character
        else:
            assert there.startswith(character)
