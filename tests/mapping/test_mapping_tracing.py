"""An expression that is traced has the value that it has otherwise, and the paths that it is said to read hold it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from test_mapping_jmespath_oracle import DOCUMENTS, EXPRESSIONS

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.mapping.codegen.expressions import compile_standalone
from bridge.mapping.expressions.parser import ExpressionError, parse_expression
from bridge.mapping.expressions.printer import print_expression
from bridge.mapping.expressions.runtime import CannotEvaluate
from bridge.mapping.functions.for_destinations import DESTINATION_FUNCTIONS
from bridge.mapping.tools.tracer import Trace, TraceContext, TracedExpression, TracedName, TracedValue


class BodyOnly(TraceContext):
    """One name, `body`."""

    def __init__(self, body: Json) -> None:
        self.body = body

    def local(self, name: str) -> TracedValue | None:
        return None

    def named(self, name: str) -> TracedName | None:
        return None

    def root(self, name: str) -> Json:
        return self.body


def compiled(expression: str, document: Json) -> tuple[str, Json]:
    try:
        return "works out", compile_standalone(expression, functions=DESTINATION_FUNCTIONS)(document)
    except CannotEvaluate as error:
        return "fails", error.text


def trace(expression: str, document: Json) -> Trace:
    """How an expression evaluates of a document, which the name `body` represents."""
    text = f"body | ({expression})"
    return TracedExpression(parse_expression(text), text).trace_value(BodyOnly(document))


def traced(expression: str, document: Json) -> tuple[str, Json]:
    made = trace(expression, document)
    return ("works out", made.value) if made.failure is None else ("fails", made.failure)


def compiles(expression: str) -> bool:
    try:
        compile_standalone(expression)
    except ExpressionError:
        return False
    return True


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, DOCUMENTS)
def test_a_traced_expression_has_the_compiled_value_or_fails_where_it_fails(expression: str, document: Json) -> None:
    assume(compiles(expression))
    read = json_text.parse_json(json_text.write_json(document))
    assert repr(traced(expression, read)) == repr(compiled(expression, read))


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, DOCUMENTS)
def test_a_printed_expression_means_the_same(expression: str, document: Json) -> None:
    assume(compiles(expression))
    again = print_expression(parse_expression(expression))
    read = json_text.parse_json(json_text.write_json(document))
    assert repr(compiled(again, read)) == repr(compiled(expression, read)), again


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, DOCUMENTS)
def test_every_path_that_was_read_reads_the_same_when_it_is_asked_for(expression: str, document: Json) -> None:
    assume(compiles(expression))
    read = json_text.parse_json(json_text.write_json(document))
    for each in trace(expression, read).reads:
        assert repr(compile_standalone(each.path)({"body": read})) == repr(each.value), each.path


@pytest.mark.parametrize("name", [name for name in DESTINATION_FUNCTIONS if name != "from_minor"])
def test_every_example_of_a_function_has_its_result_when_traced(name: str) -> None:
    for expression, _ in DESTINATION_FUNCTIONS[name].examples:
        assert repr(traced(expression, None)) == repr(compiled(expression, None))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("body.items[*].price", "body.items[*].price"),
        ("body.items[?kind=='refund'].amount|[0]", "body.items[?kind == 'refund'].amount | [0]"),
        ('headers."x-shop"', 'headers."x-shop"'),
        ("a||b||(c&&d)", "a || b || (c && d)"),
        ("!(a==`1`)", "!(a == `1`)"),
        ("join(', ', body.tags[].name)", "join(', ', body.tags[].name)"),
        ("sort_by(a, &b.c)[-1].{x: y, z: [p, q]}", "sort_by(a, &b.c)[-1].{x: y, z: [p, q]}"),
        ("a[1:3].b", "a[1:3].b"),
        ("a.*.b", "a.*.b"),
    ],
)
def test_parts_are_printed_as_people_write_them(expression: str, text: str) -> None:
    assert print_expression(parse_expression(expression)) == text
