"""Where the console says that a field comes from, held against the evaluator, for random bodies and mappings.

Which paths and lines a field depends on is told by changing them: the compiled mapping then makes another value of it.
"""

from __future__ import annotations

import copy
import json
import os
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from store_made import NOW

from bridge.core.json_text import parse_json
from bridge.core.model import Translated, Webhook
from bridge.http.console.masking import Path
from bridge.http.console.provenance import FieldSource, find_sources
from bridge.mapping import MappingReading, read_mapping
from bridge.mapping.tools.body_paths import read_steps, value_at
from bridge.mapping.tools.explain import explain_webhook
from bridge.mapping.tools.origins import is_like

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "25"))
HEAD = """\
mapping: 1
provider: club
webhook:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: header:X-Club, signed: "{body}"}
let:
"""
EVENT = """\
events:
  - dedupe: =body.id
    event:
      event_type: signup
      timestamp: "2026-06-01T12:00:00Z"
      properties:
"""
NAMES = ("a", "b", "odd key")
LEAVES = st.sampled_from([1, 2, 700_001, "1", "ab", "ab", "a longer text", 1.5, True])
BODIES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, min_size=1),
    max_leaves=10,
)
"""Documents whose leaves are often alike."""
CHANGED = "another value"
OTHERS = (CHANGED, 424_242)
"""What a value is changed into: one that is no number, and one that is."""


def paths_of(document: Any, path: Path = ()) -> list[Path]:
    """Every path of a document, of containers and of leaves."""
    below = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(found for step, each in below for found in paths_of(each, (*path, step)))]


def changed_paths(body: Any) -> list[Path]:
    """Where the body is changed: not its id, without which there is no event, and no element away from its list."""
    paths = [path for path in paths_of(body) if path and path != ("id",)]
    return [path for path in paths if path[0] != "rows" or not isinstance(value_at(body, path), (dict, list))]


def write_path(root: str, path: Path) -> str:
    """A path as an expression has it."""
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{json.dumps(step)}" for step in path)


def quoted(expression: str) -> str:
    """An expression as YAML has it."""
    return "'=" + expression.replace("'", "''") + "'"


@st.composite
def expressions(draw: st.DrawFn, body: Any, names: dict[str, Path]) -> str:
    """An expression that reads paths, also through names, takes alternatives, selects, or works something out."""

    def read() -> str:
        name = draw(st.sampled_from([None, *names]))
        start = ("r",) if name is None else names[name]
        path = draw(st.sampled_from(paths_of(value_at(body, start))))
        return write_path("body.r" if name is None else name, path)

    one, other = read(), read()
    form = draw(
        st.sampled_from(
            (
                "{0}", "{0}", "{0}", "body.missing || {0}", "{0} || {1}", "choose({0} == {1}, {0}, {1})", "choose({0} == {1}, {1}, {0})",
                "length(to_string({0}))", "to_string({0})", "join('-', [to_string({0}), to_string({1})])",
                "({0} || {1}) | @", "[{0}, {1}] | [0]", "[{0}, {1}][?@ != 'zz'] | [-1]", "{{k: {0}, l: {1}}}.l",
                "sort([to_string({0}), to_string({1})]) | [0]", "to_array({0})[0]", "values({{k: {0}}}) | [0]",
                "{0} && {1}", "lower(to_string({0}))", "to_number({0})", "to_number({0}) || {1}", "to_string({0} || {1})",
            )
        )
    )  # fmt: skip
    return str(form.format(one, other))


@st.composite
def mappings(draw: st.DrawFn) -> tuple[str, Any]:
    """A mapping with names, properties on a line each and a list, and a body for it."""
    body = {"id": "order-1", "r": draw(BODIES), "rows": draw(st.lists(BODIES, max_size=3))}
    path = draw(st.sampled_from(paths_of(body["r"])))
    lets = f"  base: {quoted(write_path('body.r', path))}\n"
    lets += f"  made: {quoted(draw(expressions(body, {'base': ('r', *path)})))}\n"
    names = {"base": ("r", *path)}
    fields = [draw(expressions(body, names)) for _ in range(4)] + ["made"]
    lines = "".join(f"        f{at}: {quoted(each)}\n" for at, each in enumerate(fields))
    rows = draw(st.sampled_from(["body.rows", "reverse(body.rows)", "body.rows[?@ != 'zz']", "body.rows[::-1]"]))
    loop = f"        rows: {{for_each: row, in: {quoted(rows)}, map: =row.a}}\n"
    return f"{HEAD}{lets}{EVENT}{lines}{loop}", body


def webhook_of(body: Any, *, item: str | None = None) -> Webhook:
    return Webhook("club", "w1", None, NOW, json.dumps(body).encode(), (), item=item)


def properties_of(reading: MappingReading, body: Any) -> Any:
    """What the compiled mapping makes: the evaluator's word. A field that cannot be evaluated is left out."""
    assert reading.mapping is not None, reading.problems.all_problems
    made = reading.mapping.bind_source("club", secrets=(), vars={}).translate(webhook_of(body))
    assert isinstance(made, Translated), made
    return {"properties": parse_json(made.events[0].text).get("properties")}


def with_change(body: Any, path: Path, value: Any) -> Any:
    """A copy of a body with another value at a path."""
    changed = copy.deepcopy(body)
    inside = value_at(changed, path[:-1])
    inside[path[-1]] = value
    return changed


def sources_of(reading: MappingReading, body: Any) -> list[FieldSource]:
    """The fields under `properties` that are in the event."""
    [sources] = find_sources(explain_webhook(reading, webhook_of(body), vars={}))
    return [one for one in sources.fields if one.path[0] == "properties" and one.why is None]


ALTERNATIVE = (
    f"{HEAD}  base: =body.r.a\n{EVENT}        f0: =to_number(base) || body.r.b\n",
    {"id": "order-1", "r": {"a": 1, "b": 1}},
)
"""Where the path that is read holds no number, an alternative is taken, which happens to be alike."""


@settings(max_examples=EXAMPLES, deadline=None)
@given(mappings())
@example(ALTERNATIVE)
def test_a_lit_path_is_the_one_that_the_evaluator_read(drawn: tuple[str, Any]) -> None:
    text, body = drawn
    reading, read = read_mapping(text, name="club.yaml"), parse_json(json.dumps(body))
    made = properties_of(reading, body)
    told = {
        path: [properties_of(reading, with_change(body, path, other)) for other in OTHERS]
        for path in changed_paths(body)
    }
    for field in sources_of(reading, body):
        value = value_at(made, field.path)
        assert field.value == value
        for path, changed in told.items():
            if field.is_exact and path == field.body_paths[0]:
                assert is_like(value_at(read, path), value), f"{field.name} is not {path}"
                makes_another = [value_at(one, field.path) != value for one in changed]
                assert any(makes_another), f"{field.name} does not come from {path}"
            elif not any(path[: len(lit)] == lit or lit[: len(path)] == path for lit in field.body_paths):
                makes_another = [value_at(one, field.path) != value for one in changed]
                assert not any(makes_another), f"{field.name} comes from {path}, which is not lit"


ROWS = {"id": "order-1", "rows": [{"a": "first", "n": 1}, {"a": "second", "n": 2}, {"a": "third", "n": 3}]}


@pytest.mark.parametrize(
    ("rows", "item", "places"),
    [
        ("body.rows", None, [0, 1, 2]), ("reverse(body.rows)", None, [2, 1, 0]), ("body.rows[?n > `1`]", None, [1, 2]),
        ("reverse(body.rows)", "/batch/1", [2, 1, 0]),
    ],
)  # fmt: skip
def test_an_element_of_a_list_is_lit_where_the_document_has_it(rows: str, item: str | None, places: list[int]) -> None:
    loop = f"        rows: {{for_each: row, in: {quoted(rows)}, map: {{a: =row.a, n: =row.n}}}}\n"
    reading = read_mapping(f"{HEAD}  base: =body.id\n{EVENT}{loop}", name="club.yaml")
    webhook = webhook_of(ROWS if item is None else {"batch": [{}, ROWS]}, item=item)
    [sources] = find_sources(explain_webhook(reading, webhook, vars={}))
    start = () if item is None else ("batch", 1)
    assert [one.body_paths[0] for one in sources.fields if one.path[:2] == ("properties", "rows") and one.is_exact] == [
        (*start, "rows", place, key) for place in places for key in ("a", "n")
    ]


@pytest.mark.parametrize(
    ("text", "steps", "whole"),
    [
        ("body.a.b[0].c", ("body", "a", "b", 0, "c"), True), ('body."odd \\" key".x', ("body", 'odd " key', "x"), True),
        ("body.a[*].b", ("body", "a"), False), ("body.a | [0]", ("body", "a"), False), ("body.a[-1]", ("body", "a"), False),
    ],
)  # fmt: skip
def test_a_path_that_was_read_is_followed_as_far_as_it_is_plain(text: str, steps: Path, *, whole: bool) -> None:
    assert read_steps(text) == (steps, whole)


@settings(max_examples=EXAMPLES, deadline=None)
@given(mappings())
def test_a_lit_line_is_the_one_that_the_evaluator_ran(drawn: tuple[str, Any]) -> None:
    text, body = drawn
    made, lines = properties_of(read_mapping(text, name="club.yaml"), body), text.splitlines()
    fields = [one for one in sources_of(read_mapping(text, name="club.yaml"), body) if len(one.path) == 2]
    assume(fields)
    for at in {one.line for one in fields} | {line for one in fields for line in one.name_lines}:
        assert at is not None
        changed = [*lines[: at - 1], f"{lines[at - 1].partition(':')[0]}: {CHANGED}", *lines[at:]]
        told = properties_of(read_mapping("\n".join(changed) + "\n", name="club.yaml"), body)
        for one in fields:
            if one.line == at:
                assert value_at(told, one.path) == CHANGED
            elif at not in one.name_lines:
                assert value_at(told, one.path) == value_at(made, one.path), f"{one.name} comes from line {at}"
