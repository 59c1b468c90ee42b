"""Random expressions on random documents: the compiler and the jmespath package agree."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import jmespath
import jmespath.exceptions
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.mapping.codegen.expressions import compile_standalone
from bridge.mapping.expressions.parser import ExpressionError
from bridge.mapping.expressions.runtime import CannotEvaluate

NAMES = st.sampled_from(["a", "b", "c", "foo", '"a-b"'])
TEXTS = st.sampled_from(["", "a", "b", "abc", "2", "3.5", "x y"])
# No 0 and 1 and no thirds: the package takes [1] for [true], and binary fractions for exact ones.
NUMBERS = st.sampled_from([2, 3, -4, 10, 2.5, -7.25])
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["a", "b", "c", "foo", "a-b"]), inner, max_size=4),
    ),
    max_leaves=20,
)


def literal(value: Json) -> str:
    return "`" + json.dumps(value).replace("`", "\\`") + "`"


UNARY = [
    "abs", "avg", "ceil", "floor", "keys", "length", "max", "min", "not_null", "reverse", "sort", "sum", "to_array",
    "to_number", "to_string", "type", "values", "merge",
]  # fmt: skip
BINARY = ["contains", "ends_with", "starts_with", "join", "not_null"]
KEYED = ["sort_by", "max_by", "min_by"]
COMPARATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
LEAVES = st.one_of(
    NAMES,
    st.just("@"),
    st.just("*"),
    st.just("[]"),
    st.just("[*]"),
    SCALARS.map(literal),
    TEXTS.map(lambda text: f"'{text}'"),
    st.integers(-3, 3).map(lambda place: f"[{place}]"),
)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    after_dot = st.one_of(NAMES, st.just("*"), st.builds("{{a: {}, b: {}}}".format, inner, inner))
    bound = st.one_of(st.just(""), st.integers(-3, 3).map(str))
    return st.one_of(
        st.builds("{}.{}".format, st.one_of(NAMES, inner.map("({})".format)), after_dot),
        st.builds("({})[{}]".format, inner, st.integers(-3, 3)),
        st.builds("({})[*]".format, inner),
        st.builds("({})[*].{}".format, inner, after_dot),
        st.builds("({})[]".format, inner),
        st.builds("({})[].{}".format, inner, after_dot),
        st.builds("({})[{}:{}]".format, inner, bound, bound),
        st.builds("({})[::{}]".format, inner, st.sampled_from([-2, -1, 1, 2])),
        st.builds("({})[?{}]".format, inner, inner),
        st.builds("({})[?{}].{}".format, inner, inner, after_dot),
        st.builds("({})[?{}][{}]".format, inner, inner, st.integers(-2, 2)),
        st.builds("({}) {} ({})".format, inner, COMPARATORS, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("({} && {})".format, inner, inner),
        st.builds("!{}".format, st.one_of(NAMES, inner.map("({})".format))),
        st.builds("({} | {})".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{a: {}, foo: {}}}".format, inner, inner),
        st.builds("{}({})".format, st.sampled_from(UNARY), inner),
        st.builds("{}({}, {})".format, st.sampled_from(BINARY), inner, inner),
        st.builds("{}({}, &{})".format, st.sampled_from(KEYED), inner, inner),
        st.builds("map(&{}, {})".format, inner, inner),
    )


SMALL = st.deferred(lambda: st.one_of(LEAVES, grown(LEAVES)))
MIDDLE = st.deferred(lambda: st.one_of(LEAVES, SMALL, grown(SMALL)))
EXPRESSIONS = st.deferred(lambda: grown(MIDDLE))


def same(one: Json, other: Json) -> bool:
    """Equal in value and type; means may differ in their last binary digits."""
    match one:
        case dict():
            return isinstance(other, dict) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
        case list():
            return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
        case bool() | None:
            return one is other
        case int() | Decimal():
            return not isinstance(other, bool | str | list | dict | None) and math.isclose(one, other, rel_tol=1e-12)
        case _:
            return bool(one == other) and isinstance(other, str)


def ours(expression: str, document: Json) -> tuple[str, Json]:
    try:
        compiled = compile_standalone(expression)
    except ExpressionError as error:
        return "refused at load", error.kind
    try:
        return "works out", compiled(document)
    except CannotEvaluate as error:
        return "fails", error.kind


def theirs(expression: str, document: Json) -> tuple[str, Json]:
    try:
        return "works out", jmespath.search(expression, document)
    except jmespath.exceptions.JMESPathTypeError:
        return "fails", "invalid-type"
    except TypeError:
        return "breaks", None  # it compares texts with numbers, or looks for a number in a text


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(expression=EXPRESSIONS, document=DOCUMENTS)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_the_compiler_agrees_with_the_jmespath_package(expression: str, document: Json) -> None:
    text = json.dumps(document)
    outcome, wanted = theirs(expression, json.loads(text))
    assume(outcome != "breaks")
    found, value = ours(expression, json_text.parse_json(text))
    event(found)
    if found == "refused at load":  # what can never work out is refused even where it would not be reached
        assert value == "invalid-type"
        assert "(" in expression
    else:
        assert found == outcome, value
        assert same(value, wanted), (value, wanted)


@settings(max_examples=300, deadline=None)
@given(document=DOCUMENTS, other=DOCUMENTS)
def test_equality_is_that_of_json_documents(document: Json, other: Json) -> None:
    compiled = compile_standalone("[a == b, a != b]")
    first, second = json_text.parse_json(json.dumps(document)), json_text.parse_json(json.dumps(other))
    assert compiled({"a": first, "b": second}) == [document == other, document != other]
    assert compiled({"a": first, "b": first}) == [True, False]


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("`1` == `true`", False),
        ("`0` == `false`", False),
        ("a == `true`", False),
        ("a == `1`", True),
        ("b == `1`", False),
        ("b == `true`", True),
        ("[a] == [b]", False),
        ("{x: a} == {x: b}", False),
        ("contains(@.list, `true`)", False),
        ("contains(@.list, `1.0`)", True),
        ("c == `1.50`", True),
        ("c == `1.5`", True),
        ("c == '1.5'", False),
        ("a < `1.1`", True),
        ("'a' < `1`", None),
        ("b < `2`", None),
        ("contains('abc', `1`)", False),
        ("!a", False),
        ("!zero", False),
        ("zero || 'x'", 0),
        ("zero && 'x'", "x"),
        ("type(c)", "number"),
        ("sum([c, `0.1`, a])", Decimal("2.60")),
        ("sum(big)", Decimal("1000000000000000000000000000000000000000.01")),
        ("abs(`-0.12345678901234567890123456789012345`)", Decimal("0.12345678901234567890123456789012345")),
        ("max([a, c])", Decimal("1.50")),
        ("to_string(c)", "1.50"),
        ("avg([a, `2`])", Decimal("1.5")),
        ("avg([a, a])", 1),
        ("ceil(c)", 2),
        ("to_number('1.10')", Decimal("1.10")),
        ("to_number('1_0')", None),
        ("to_number('0x1')", None),
        ("to_number(' 1')", None),
        ("id", 9007199254740993),
    ],
)
def test_numbers_are_exact_and_no_booleans(expression: str, result: Json) -> None:
    document = json_text.parse_json(
        '{"a": 1, "b": true, "c": 1.50, "zero": 0, "list": [1], "id": 9007199254740993,'
        ' "big": [1000000000000000000000000000000000000000, 0.01]}'
    )
    found = compile_standalone(expression)(document)
    assert type(found) is type(result)
    assert str(found) == str(result)
