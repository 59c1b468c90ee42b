"""JMESPath's own functions, with the specification's meaning and exact numbers.

They raise on null, as the specification says: https://jmespath.org/specification.html#built-in-functions.
The compiler checks their arguments by their signatures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.mapping.expressions.runtime import (
    MOST_TEXT,
    CannotEvaluate,
    Pruner,
    are_equal,
    bound_text,
    type_name,
    type_of,
)
from bridge.mapping.functions import money
from bridge.mapping.functions.registry import FunctionRegistry

STANDARD = FunctionRegistry()
_function = partial(STANDARD.register, own=False)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
Key = Callable[[Json], Json]


@_function("abs(value: number) -> number", "The value without its sign.", (("abs(`-1.50`)", "1.50"),))
def _abs(value: int | Decimal) -> int | Decimal:
    return value.copy_abs() if isinstance(value, Decimal) else abs(value)


@_function(
    "avg(values: array[number]) -> number|null",
    "The mean of a list's numbers; null for an empty list.",
    (("avg(`[1, 2, 3]`)", "2"), ("avg(`[]`)", "null")),
)
def _avg(values: list[int | Decimal]) -> int | Decimal | None:
    return money.divide_numbers(money.total_numbers(values), len(values)) if values else None


@_function("ceil(value: number) -> number", "The next whole number upwards.", (("ceil(`1.2`)", "2"),))
def _ceil(value: int | Decimal) -> int:
    return math.ceil(value)


@_function(
    "contains(subject: array|string, search: any) -> boolean",
    "Whether a text holds another, or a list an item.",
    (("contains('vip, new', 'vip')", "true"), ("contains(`[1, 2]`, `2.0`)", "true")),
)
def _contains(subject: str | list[Json], search: Json) -> bool:
    if isinstance(subject, str):
        return isinstance(search, str) and search in subject
    if search.__class__ is str:
        return search in subject
    return any(are_equal(item, search) for item in subject)


@_function(
    "ends_with(subject: string, suffix: string) -> boolean",
    "Whether a text ends with another.",
    (("ends_with('a.csv', '.csv')", "true"),),
)
def _ends_with(subject: str, suffix: str) -> bool:
    return subject.endswith(suffix)


@_function("floor(value: number) -> number", "The next whole number downwards.", (("floor(`-1.2`)", "-2"),))
def _floor(value: int | Decimal) -> int:
    return math.floor(value)


@_function(
    "join(glue: string, texts: array[string]) -> string",
    "A list's texts as one, with `glue` between them.",
    (("join(', ', ['a', 'b'])", '"a, b"'),),
)
def _join(glue: str, texts: list[str]) -> str:
    if len(glue) * len(texts) + sum(map(len, texts)) > MOST_TEXT:
        raise CannotEvaluate("builds a text of over 1 MiB")
    return bound_text(glue.join(texts))


@_function("keys(value: object) -> array", "An object's keys.", (('keys(`{"a": 1}`)', '["a"]'),))
def _keys(value: dict[str, Json]) -> list[str]:
    return list(value)


@_function(
    "length(value: string|array|object) -> number",
    "How many characters, items or keys there are.",
    (("length('abc')", "3"), ("length(`[]`)", "0")),
)
def _length(value: str | list[Json] | dict[str, Json]) -> int:
    return len(value)


@_function(
    "map(each: &expression, values: array) -> array",
    "A list of what the expression makes of each item, nulls too.",
    (("map(&a, [{a: 'x'}, {b: 'y'}])", '["x", null]'),),
)
def _map(each: Key, values: list[Json]) -> list[Json]:
    return [each(value) for value in values]


@_function(
    "max(values: array[number]|array[string]) -> number|string|null",
    "The greatest of a list; null for an empty one.",
    (("max(`[1, 2.5]`)", "2.5"),),
)
def _max(values: list[Json]) -> Json:
    return max(values, default=None)


@_function(
    "max_by(values: array, by: &expression) -> any",
    "The item for which the expression is greatest.",
    (("max_by([{n: `1`}, {n: `2`}], &n)", '{"n": 2}'),),
)
def _max_by(values: list[Json], by: Key) -> Json:
    keys = _sort_keys("max_by", values, by)
    return values[max(range(len(values)), key=keys.__getitem__)] if values else None


@_function(
    "merge(...objects: object) -> object",
    "One object of several; later ones win.",
    (("merge({a: 'x'}, {b: 'y'})", '{"a": "x", "b": "y"}'),),
)
def _merge(*objects: dict[str, Json]) -> dict[str, Json]:
    merged: dict[str, Json] = {}
    for each in objects:
        merged.update(each)
    return merged


@_function(
    "min(values: array[number]|array[string]) -> number|string|null",
    "The least of a list; null for an empty one.",
    (("min(['b', 'a'])", '"a"'),),
)
def _min(values: list[Json]) -> Json:
    return min(values, default=None)


@_function(
    "min_by(values: array, by: &expression) -> any",
    "The item for which the expression is least.",
    (("min_by([{n: `1`}, {n: `2`}], &n)", '{"n": 1}'),),
)
def _min_by(values: list[Json], by: Key) -> Json:
    keys = _sort_keys("min_by", values, by)
    return values[min(range(len(values)), key=keys.__getitem__)] if values else None


@_function(
    "not_null(...values: any) -> any", "The first argument that is not null.", (("not_null(`null`, 'a')", '"a"'),)
)
def _not_null(*values: Json) -> Json:
    for value in values:
        if value is not None:
            return value
    return None


@_function("reverse(value: array|string) -> array|string", "The other way round.", (("reverse('abc')", '"cba"'),))
def _reverse(value: str | list[Json]) -> str | list[Json]:
    return value[::-1]


@_function(
    "sort(values: array[string]|array[number]) -> array", "A list in order.", (("sort(`[2, 1.5]`)", "[1.5, 2]"),)
)
def _sort(values: list[Json]) -> list[Json]:
    return sorted(values)


@_function(
    "sort_by(values: array, by: &expression) -> array",
    "A list in the order of what the expression makes of each item.",
    (("sort_by([{n: `2`}, {n: `1`}], &n)[].n", "[1, 2]"),),
)
def _sort_by(values: list[Json], by: Key) -> list[Json]:
    keys = _sort_keys("sort_by", values, by)
    return [values[place] for place in sorted(range(len(values)), key=keys.__getitem__)]


@_function(
    "starts_with(subject: string, prefix: string) -> boolean",
    "Whether a text begins with another.",
    (("starts_with('pi_1', 'pi_')", "true"),),
)
def _starts_with(subject: str, prefix: str) -> bool:
    return subject.startswith(prefix)


@_function(
    "sum(values: array[number]) -> number", "The sum of a list's numbers, exact.", (("sum(`[0.1, 0.2]`)", "0.3"),)
)
def _sum(values: list[int | Decimal]) -> int | Decimal:
    return money.total_numbers(values)


@_function("to_array(value: any) -> array", "A list as it is, else a list of the value.", (("to_array('a')", '["a"]'),))
def _to_array(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


@_function(
    "to_number(value: any) -> number|null",
    "A JSON number's text as a number; null for what is none. `decimal` fails instead.",
    (("to_number('1.50')", "1.50"), ("to_number('x')", "null")),
)
def _to_number(value: Json) -> int | Decimal | None:
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value)
        if found is None:
            return None
        return money.parse_json_number(value)
    return None if isinstance(value, bool | list | dict) else value


@_function(
    "to_string(value: any) -> string",
    "A text as it is, else the value's JSON.",
    (("to_string(`1.50`)", '"1.50"'), ("to_string({a: 'x'})", '"{\\"a\\":\\"x\\"}"')),
)
def _to_string(value: Json) -> str:
    if isinstance(value, str):
        return value
    Pruner().prune_value(value)  # counts: what a list of lists of one list would become
    try:
        return bound_text(json_text.write_json(value).decode())
    except ValueError as error:
        raise CannotEvaluate(str(error)) from None


@_function("type(value: any) -> string", "The JMESPath type of a value.", (("type(`1`)", '"number"'),))
def _type(value: Json) -> str:
    return type_of(value)


@_function("values(value: object) -> array", "An object's values.", (('values(`{"a": 1}`)', "[1]"),))
def _values(value: dict[str, Json]) -> list[Json]:
    return list(value.values())


def _sort_keys(function: str, values: Sequence[Json], by: Key) -> list[Json]:
    """What `by` makes of each value, held to one type that has an order."""
    keys = [by(value) for value in values]
    kinds = {type_of(key) for key in keys}
    if not kinds <= {"number"} and not kinds <= {"string"}:
        odd = next(key for key in keys if type_of(key) not in ("number", "string") or type_of(key) != type_of(keys[0]))
        raise CannotEvaluate(
            f"{function}() sorts by numbers or by texts, an item came to {type_name(odd)}", kind="invalid-type"
        )
    return keys
