"""What people type from other languages, or at another depth, is told at its place with what to write instead."""

from __future__ import annotations

import pytest
from mapping_author import HEAD, one_event, problems

from bridge.mapping.expressions.habits import _FUNCTIONS as OTHERS_FUNCTIONS
from bridge.mapping.functions.builtin import FUNCTIONS

EXPRESSIONS = [
    # what is typed for `x` in line 12 from column 9, the column of the problem and its text
    ("=body.a or body.b", 20, "'or' cannot stand here; write `||`"),
    ("=body.a and body.b", 20, "'and' cannot stand here; write `&&`"),
    ("=not body.a", 17, "'body' cannot stand here; for *not* write `!(…)`"),
    ("=body.a ?? 'x'", 20, "'?' has no meaning in an expression; for the first that is something write `||`"),
    ("=body?.a", 17, "'?' has no meaning in an expression; what is missing gives null by itself: write `.`"),
    ("=body.a + body.b", 20, "'+' has no meaning in an expression; write `add(…, …)` for numbers, `format('{}{}', …, …)` for texts"),
    ("=body.a - body.b", 20, "'-' has no meaning in an expression; for a difference write `subtract(…, …)`"),
    ("=body.a -1", 20, "'-1' cannot stand here; for a difference write `subtract(…, …)`"),
    ("=body.a * body.b", 20, "'*' cannot stand here; for a product write `multiply(…, …)`"),
    ("=body.a / body.b", 20, "'/' has no meaning in an expression; for a quotient write `divide(…, …)`"),
    ("=body.e-mail", 19, "'-' has no meaning in an expression; a name with `-` stands in double quotes, `\"e-mail\"`; a difference is `subtract(…, …)`"),
    ("=$.order.id", 13, "'$' has no meaning in an expression; JSONPath is not read here: write `body` for `$`, as in `body.order.id`"),
    ('"=body.a ? \'x\' : \'y\'"', 21, "'?' has no meaning in an expression; for a choice write `choose(condition, yes, no)`"),
    ("=body.a if body.b else body.c", 20, "'if' cannot stand here; for a choice write `choose(condition, yes, no)`"),
    ("=if body.a then 'x'", 16, "'body' cannot stand here; for a choice write `choose(condition, yes, no)`"),
    ("=if(body.a, 'x', 'y')", 13, "unknown function 'if'; write `choose(…)`"),
    ("=body.a > 0", 22, "'0' cannot stand here; a number stands in backticks: `0`"),
    ("=body.a == -19.90", 23, "'-19' cannot stand here; a number stands in backticks: `-19.90`"),
    ("=body.items.0.sku", 24, "0 cannot stand here; an element of a list is taken with `[0]`"),
    ("=body.items.[0]", 25, "'0' cannot stand here; an element is taken without the dot: `[0]`"),
    ("=body['a']", 18, "'a' cannot stand here; a field is taken with a dot: `.name`, or `.\"odd name\"`"),
    ("=body.items[sku == 'x']", 24, "'sku' cannot stand here; a condition in brackets begins with `?`: `[?name == 'x']`"),
    ("=body.a <> 'x'", 21, "'>' cannot stand here; for *is not* write `!=`"),
    ("=body.a is 'x'", 20, "'is' cannot stand here; write `==`"),
    ("=body.a in body.b", 20, "'in' cannot stand here; write `contains([…], …)`"),
    ("=body.a like 'x'", 20, "'like' cannot stand here; write `contains(…, …)`, `starts_with(…, …)` or `ends_with(…, …)`"),
    ("=body.a & body.b", 20, "'&' cannot stand here; for *and* write `&&`"),
    ("=body->a", 17, "'-' has no meaning in an expression; a path is written with dots: `body.id`"),
    ("=body.a;", 19, "';' has no meaning in an expression; leave it out"),
    ("'={{ body.a }}'", 15, "'{' cannot stand here; a template is not read here: write the path alone, such as `=body.id`"),
    ("=${body.a}", 13, "'$' has no meaning in an expression; a template is not read here: write the path alone, such as `=body.id`"),
    ("=body.name.split(' ')", 23, "split() takes 2 arguments, got 1: split(text: string, separator: string) -> array; there are no methods: what stands before the dot is an argument"),
    ("=body.name.lower()", 23, "lower() takes 1 argument, got 0: lower(text: string) -> string; there are no methods: what stands before the dot is an argument"),
    ("=body.name.toLowerCase()", 23, "unknown function 'toLowerCase'; write `lower(…)`"),
    ("=len(body.items)", 13, "unknown function 'len'; write `length(…)`"),
    ("=concat(body.a, body.b)", 13, "unknown function 'concat'; write `format(…)`"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "column", "text"), EXPRESSIONS, ids=[each[0] for each in EXPRESSIONS])
def test_a_habit_of_another_language_is_told_with_what_to_write(typed: str, column: int, text: str) -> None:
    assert problems(one_event(f"properties:\n  x: {typed}")) == [f"shop.yaml:12:{column}: error: {text}"]


def test_every_function_that_a_message_names_is_there() -> None:
    assert set(OTHERS_FUNCTIONS.values()) <= FUNCTIONS.keys()
    assert not OTHERS_FUNCTIONS.keys() & FUNCTIONS.keys()


@pytest.mark.parametrize(
    "right", ["=body.a.or", "=body.is || body.in", '=body."e-mail"', "=body.a[*].b", "=body.a[-1]"]
)
def test_names_that_are_words_elsewhere_are_no_mistake(right: str) -> None:
    assert problems(one_event(f"properties:\n  x: '{right}'")) == []


FILES = [
    # what stands behind the head, from line 7, and the problem that it must hold
    ("rules:\n  - topic: a\n", "7:1: error: unknown key 'rules'; the rules stand under `events`"),
    ("topic: a\n", "7:1: error: unknown key 'topic'; it belongs to an entry of `events`: indent it"),
    ("  events: []\n", "7:3: error: unknown key 'events'; it belongs at the top: begin it in column 1"),
    ("  kind: hmac\n", "7:3: error: unknown key 'kind'; it belongs under `signature`"),
    ("signature: {}\n", "7:1: error: unknown key 'signature'; it belongs under `webhook`"),
    ("events:\n  topic: a\n", "8:3: error: events must be a list: begin each entry with `- `"),
    ("events:\n  - topic: a\n    if: =body.x\n", "9:5: error: unknown key 'if'; a condition is `when`"),
    ("events:\n  - topic: a\n    id: =body.x\n", "9:5: error: unknown key 'id'; what names the conversion is `dedupe`"),
    ("events:\n  - topic: a\n    event:\n    event_type: t\n", "10:5: error: unknown key 'event_type'; it belongs under `event`: indent it"),
    ("events:\n  - topic: a\n    event: {event_type: t}\n    properties: {}\n", "10:5: error: unknown key 'properties'; it belongs under `event`: indent it"),
    ("events:\n  - topic: a\n   when: =body.x\n", "9:4: error: not YAML: did not find expected '-' indicator; its indentation fits no line above: begin it in column 5"),
    ("events:\n  - topic: a\n  when: =body.x\n", "9:3: error: not YAML: did not find expected '-' indicator; its indentation fits no line above: begin it in column 5"),
    ("events:\n  - topic: a\n    event:\n      event_type: t\n        timestamp: =body.x\n", "11:18: error: not YAML: mapping values are not allowed in this context; its indentation fits no line above: begin it in column 7"),
    ("events:\n  - topic: a\n    event: {event_type: t}\n - topic: b\n", "10:2: error: not YAML: did not find expected key; its indentation fits no line above: begin it in column 3"),
    ("# a comment\nevents:\n\n  - topic: a\n    # another\n   when: =body.x\n", "12:4: error: not YAML: did not find expected '-' indicator; its indentation fits no line above: begin it in column 5"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "wanted"), FILES, ids=range(len(FILES)))
def test_a_key_at_another_place_is_told_with_its_own(typed: str, wanted: str) -> None:
    assert f"shop.yaml:{wanted}" in problems(HEAD + typed)
