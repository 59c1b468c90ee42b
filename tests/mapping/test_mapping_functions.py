"""Every function does what its signature, its help and its examples say."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.mapping.codegen.expressions import compile_standalone
from bridge.mapping.expressions.parser import ExpressionError
from bridge.mapping.expressions.runtime import CannotEvaluate
from bridge.mapping.functions.builtin import FUNCTIONS, OURS
from bridge.mapping.functions.for_destinations import DESTINATION_FUNCTIONS, FOR_DESTINATIONS
from bridge.mapping.functions.jmespath_builtins import STANDARD
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.functions.registry import FunctionParameter, MappingFunction

UNITS = MinorUnits({"jpy": 0, "kwd": 3}, default=2)
ALL = list(DESTINATION_FUNCTIONS.values())
VALUES: dict[str, list[Json]] = {
    "null": [None],
    "boolean": [True, False],
    "number": [0, -3, 10**30, Decimal("19.90"), Decimal("-0.001")],
    "string": ["", "a", "19.90", "2024-01-01", "{}", "\udc80", "x" * 1000],
    "array": [[], ["a", "b"], [1, Decimal("2.5")], [1, "a", None], [{"name": "n", "value": 1}]],
    "object": [{}, {"a": 1}, {"name": "n"}],
}


def worked_out(expression: str, document: Json = "a document") -> Json:
    return compile_standalone(expression, units=UNITS, functions=DESTINATION_FUNCTIONS)(document)


@pytest.mark.parametrize(
    ("expression", "result"),
    [example for function in ALL for example in function.examples],
    ids=lambda text: str(text)[:60],
)
def test_every_example_comes_out_as_it_says(expression: str, result: str) -> None:
    if result.startswith("!"):
        with pytest.raises(CannotEvaluate) as failure:
            worked_out(expression)
        assert failure.value.text == result[1:]
    else:
        assert json_text.write_json(worked_out(expression)) == json_text.write_json(json_text.parse_json(result))


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.name)
def test_every_function_has_an_example_and_a_line_of_help(function: MappingFunction) -> None:
    assert function.examples
    assert function.help.endswith(".")
    assert "\n" not in function.help


def test_jmespaths_own_functions_are_all_there() -> None:
    assert set(STANDARD) == {
        "abs", "avg", "ceil", "contains", "ends_with", "floor", "join", "keys", "length", "map", "max", "max_by",
        "merge", "min", "min_by", "not_null", "reverse", "sort", "sort_by", "starts_with", "sum", "to_array",
        "to_number", "to_string", "type", "values",
    }  # fmt: skip


@pytest.mark.parametrize("function", [*OURS.values(), *FOR_DESTINATIONS.values()], ids=lambda function: function.name)
def test_ours_answer_null_for_null(function: MappingFunction) -> None:
    for place, parameter in enumerate(function.parameters):
        if parameter.nullable or parameter.default is not None or parameter.words:
            continue
        arguments = [next(iter(each.types - {"null"})) for each in function.parameters]
        document = {f"a{n}": VALUES[kind][-1] for n, kind in enumerate(arguments)} | {f"a{place}": None}
        words = [argument(each, f"a{n}") for n, each in enumerate(function.parameters)]
        assert worked_out(f"{function.name}({', '.join(words)})", document) is None


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.name)
def test_any_argument_is_worked_out_or_refused_by_its_type(function: MappingFunction) -> None:
    kinds = [list(VALUES) if not parameter.is_expression else ["&"] for parameter in function.parameters]
    for place, parameter in enumerate(function.parameters):
        for kind in kinds[place]:
            for value in VALUES.get(kind, [None]):
                document = {
                    f"a{n}": VALUES[min(each.types & VALUES.keys(), default="null")][-1]
                    for n, each in enumerate(function.parameters)
                } | {f"a{place}": value}
                arguments = [argument(each, f"a{n}") for n, each in enumerate(function.parameters)]
                allowed = (
                    function.parameters[place].words
                    or kind == "&"
                    or kind in parameter.types
                    or (function.own and value is None)
                )
                outcome = kind_of_outcome(f"{function.name}({', '.join(arguments)})", document)
                assert allowed or outcome == "invalid-type", (function.name, place, value)


def argument(parameter: FunctionParameter, name: str) -> str:
    """How an argument is written whose value has this name."""
    return f"'{parameter.words[0]}'" if parameter.words else "&@" if parameter.is_expression else name


def kind_of_outcome(expression: str, document: Json) -> str:
    try:
        worked_out(expression, document)
    except CannotEvaluate as failure:
        return failure.kind
    return "worked out"


@pytest.mark.parametrize(
    ("expression", "text", "kind"),
    [
        ("lower()", "lower() takes 1 argument, got 0: lower(text: string) -> string", "invalid-arity"),
        ("lower('a', 'b')", "lower() takes 1 argument, got 2: lower(text: string) -> string", "invalid-arity"),
        ("lowr('a')", "unknown function 'lowr'; did you mean 'lower'?", "unknown-function"),
        ("zzz('a')", "unknown function 'zzz'", "unknown-function"),
        ("not_null()", "not_null() takes at least 1 argument, got 0: not_null(...values: any) -> any", "invalid-arity"),
        (
            "pairs(a, 'b', 'c', 'd')",
            (
                "pairs() takes 1 to 3 arguments, got 4: "
                "pairs(list: array, name: string = 'name', value: string = 'value') -> object"
            ),
            "invalid-arity",
        ),
        ("lower(`5`)", "lower() takes text as argument 1, not a number", "invalid-type"),
        ("abs('5')", "abs() takes a number as argument 1, not text", "invalid-type"),
        ("lower(decimal(a))", "lower() takes text as argument 1, not null or a number", "invalid-type"),
        ("sort_by(a, b)", "sort_by() takes `&…` as argument 2", "invalid-type"),
        ("lower(&a)", "`&…` stands only where a function takes an expression", "invalid-type"),
        ("&a", "`&…` stands only where a function takes an expression", "invalid-type"),
        ("a[::0]", "a slice's step cannot be 0", "invalid-value"),
    ],
)
def test_what_cannot_work_out_is_refused_at_load(expression: str, text: str, kind: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        compile_standalone(expression)
    assert (refusal.value.text, refusal.value.kind) == (text, kind)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("unix(a, 'sec')", "unix() takes one of these texts as argument 2: 's', 'ms', 'us'"),
        ("unix(a, b)", "unix() takes one of these texts as argument 2: 's', 'ms', 'us'"),
        ("unix(a, `5`)", "unix() takes one of these texts as argument 2: 's', 'ms', 'us'"),
    ],
)
def test_an_argument_that_must_be_known_is_refused_at_load(expression: str, text: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        compile_standalone(expression, functions=DESTINATION_FUNCTIONS)
    assert (refusal.value.text, refusal.value.kind) == (text, "invalid-value")


def test_an_unknown_rule_of_hashed_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ExpressionError, match=r"; did you mean 'email_google'\?$"):
        compile_standalone("hashed(a, 'email_gogle')", functions=DESTINATION_FUNCTIONS)


def test_a_mapping_has_no_function_of_destination_files() -> None:
    assert FUNCTIONS.keys() & FOR_DESTINATIONS.keys() == set()
    for name in FOR_DESTINATIONS:
        with pytest.raises(ExpressionError, match=f"unknown function '{name}'"):
            compile_standalone(f"{name}(a, b)")


def test_from_minor_needs_the_mappings_table() -> None:
    with pytest.raises(ExpressionError) as refusal:
        compile_standalone("from_minor(a, b)")
    assert refusal.value.text == "from_minor() needs the table `minor_units:` in the mapping"


@pytest.mark.parametrize(
    ("amount", "currency", "result"),
    [
        ("1999", "usd", "19.99"),
        ("1999", "USD", "19.99"),
        ("1999", "JPY", "1999"),
        ("5120", "kwd", "5.120"),
        ("0", "usd", "0.00"),
        ("-5", "usd", "-0.05"),
        ('"1250"', "usd", "12.50"),
        ("12.5", "usd", "0.125"),
        ("123456789012345678901234567890123456789", "usd", "1234567890123456789012345678901234567.89"),
    ],
)
def test_minor_units_keep_every_digit(amount: str, currency: str, result: str) -> None:
    found = worked_out(
        "from_minor(amount, currency)", json_text.parse_json(f'{{"amount": {amount}, "currency": "{currency}"}}')
    )
    assert json_text.write_json(found).decode() == result


def test_a_currency_without_decimals_in_the_table_is_no_guess() -> None:
    with pytest.raises(CannotEvaluate, match="`minor_units` names no decimals for this currency and no `default`"):
        compile_standalone("from_minor(`5`, 'usd')", units=MinorUnits({"jpy": 0}))(None)


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20)


@given(one=DECIMALS, other=DECIMALS)
def test_sums_are_exact_in_any_spelling(one: Decimal, other: Decimal) -> None:
    document = {"a": one, "b": format(other, "f")}
    assert worked_out("add(a, b)", document) == one + other
    assert worked_out("subtract(a, b)", document) == one - other
    assert worked_out("total([a, b, a])", document) == one + other + one
    assert worked_out("negate(a)", document) == -one


@given(texts=st.lists(st.integers(-(10**9), 10**9).map(lambda cents: format(Decimal(cents) / 100, ".2f")), max_size=50))
def test_a_total_of_prices_is_the_total_of_their_cents(texts: list[str]) -> None:
    cents = sum(int(text.replace(".", "")) for text in texts)
    assert worked_out("total(@)", texts) == Decimal(cents) / 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "1.",
        ".5",
        "1,50",
        "1e5",
        "1_000",
        "0x1",
        "\u0661",
        "NaN",
        "Infinity",
        "--1",
        "1.2.3",
        "9" * 401,
    ],
)
def test_only_plain_decimals_are_numbers(text: str) -> None:
    assert kind_of_outcome("decimal(@)", text) == "invalid-value"


@pytest.mark.parametrize(
    ("expression", "document"),
    [
        ("multiply(@, @)", 10**399),
        ("multiply(multiply(@, @), @)", Decimal("1e-300")),
        ("add(@, `1`)", 10**400 - 1),
        ("join(a, b)", {"a": "x" * 2000, "b": [""] * 1000}),
        ("replace(@, 'x', @)", "x" * 2000),
        ("format('{}{}', @, @)", "x" * 700_000),
        ("upper(@)", "ß" * 700_000),
    ],
)
def test_what_grows_out_of_bounds_is_refused(expression: str, document: Json) -> None:
    assert kind_of_outcome(expression, document) == "invalid-value"


@pytest.mark.parametrize(
    ("instant", "result"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (1704067200, "2024-01-01T00:00:00Z"),
        (Decimal("1704067200.25"), "2024-01-01T00:00:00.250Z"),
        (1704067200123, "2024-01-01T00:00:00.123Z"),
        ("2024-01-01", "2024-01-01T00:00:00Z"),
        ("2024-01-01T01:02", "2024-01-01T01:02:00Z"),
        ("2024-01-01 01:02:03", "2024-01-01T01:02:03Z"),
        ("2024-01-01T01:02:03Z", "2024-01-01T01:02:03Z"),
        ("2024-01-01T01:02:03.5Z", "2024-01-01T01:02:03.500Z"),
        ("2024-01-01T01:02:03.123456789Z", "2024-01-01T01:02:03.123456Z"),
        ("2024-01-01T01:02:03+05:30", "2023-12-31T19:32:03Z"),
        ("2024-01-01T01:02:03-0500", "2024-01-01T06:02:03Z"),
        ("2024-01-01 01:02:03 +0000", "2024-01-01T01:02:03Z"),
        ("2024-01-01 01:02:03 UTC", "2024-01-01T01:02:03Z"),
    ],
)
def test_instants_come_out_in_utc(instant: Json, result: str) -> None:
    assert worked_out("iso8601(@)", instant) == result


@pytest.mark.parametrize(
    "instant",
    [
        "",
        "soon",
        "2024-13-01",
        "2024-02-30",
        "2024-01-01T25:00",
        "2024-W01-1",
        "20240101",
        10**15,
        -(10**15),
        "1704067200",
    ],
)
def test_what_is_no_instant_is_refused(instant: Json) -> None:
    assert kind_of_outcome("iso8601(@)", instant) == "invalid-value"


@pytest.mark.parametrize(
    ("phone", "country", "result"),
    [
        ("(201) 555-0123", "US", "+12015550123"),
        ("(201) 555-0123", "us", "+12015550123"),
        ("+1 201 555 0123", None, "+12015550123"),
        ("+1 201 555 0123", "DE", "+12015550123"),
        ("030 901820", "DE", "+4930901820"),
        (2015550123, "US", "+12015550123"),
        ("2015550123", None, None),
        ("2015550123", "", None),
        ("2015550123", "XX", None),
        ("0049 30 901820", None, None),
        ("12", "US", None),
        ("call me", "US", None),
        ("", "US", None),
        (None, "US", None),
        ("+" * 300, None, None),
    ],
)
def test_phone_numbers_are_valid_or_null_and_never_guessed(phone: Json, country: Json, result: Json) -> None:
    assert worked_out("e164(phone, country)", {"phone": phone, "country": country}) == result


@pytest.mark.parametrize(
    ("url", "path", "result"),
    [
        ("https://Shop.example:8443/a/b?x=1&x=2&y=a%20b+c&z=#top", "host", "shop.example"),
        ("https://Shop.example:8443/a/b?x=1", "port", 8443),
        ("https://shop.example/a?x=1&x=2", "query.x", "1"),
        ("https://shop.example/a?y=a%20b+c", "query.y", "a b c"),
        ("https://shop.example/a?z=", "query.z", None),
        ("https://shop.example/a#top", "fragment", "top"),
        ("http://h?x=1", "query.x", "1"),
        ("?x=1", "query.x", "1"),
        ("/a?gclid=x", "path", "/a"),
        ("http://[", "host", None),
        ("http://h:99999/", "host", None),
        ("", "path", None),
        ("x" * 100_000, "path", None),
        ("?" + "&".join(f"a{n}=1" for n in range(2000)), "query.a1", None),
    ],
)
def test_addresses_come_in_parts_and_never_fail(url: str, path: str, result: Json) -> None:
    assert worked_out(f"parse_url(@).{path}", url) == result


@given(st.text("ab=&;% +é2F\n", max_size=16))
def test_a_query_is_read_as_the_standard_library_reads_it(text: str) -> None:
    query = worked_out("parse_url(@).query", f"https://shop.example/?{text}#")
    assert list(query.items()) == list(dict(reversed(parse_qsl(text.replace("\n", "")))).items())


@pytest.mark.parametrize(("names", "read"), [(1_000, True), (1_001, False)])
def test_a_query_of_over_a_thousand_names_is_no_address(names: int, read: bool) -> None:  # noqa: FBT001  pytest gives it
    assert (worked_out("parse_url(@)", "/?" + "&".join(["a=1"] * names)) is not None) == read


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("first_name('  Ada  ')", "Ada"),
        ("last_name('  Ada  Lovelace ')", "Lovelace"),
        ("trim(' \t a ')", "a"),
        ("split('a,b,,c', ',')", ["a", "b", "", "c"]),
        ("format('{}-{}', `1.50`, `true`)", "1.50-true"),
        ("lookup({a: `0`}, 'a')", 0),
        ("choose(`null`, 'a', 'b')", "b"),
        ("choose(`0`, 'a', 'b')", "a"),
        ("choose('', `null`, 'b')", "b"),
        ("choose('x', `null`, 'b')", None),
        ("parse_json('[1.10, 9007199254740993]')", [Decimal("1.10"), 9007199254740993]),
        ('pairs(`[5, {"name": 5}, {"name": "a"}, {"name": "a", "value": 0}]`)', {"a": 0}),
        ("total(`null`)", None),
        ("to_string(`[1.10]`)", "[1.10]"),
    ],
)
def test_odds_and_ends(expression: str, result: Json) -> None:
    assert worked_out(expression) == result
