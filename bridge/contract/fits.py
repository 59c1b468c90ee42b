"""Does a document fit the schema? The schema, compiled once into plain Python, for the way every event goes.

Says only yes or no; `problems` says why not, with jsonschema as the judge. Both must agree on every input. A
keyword that is not compiled here is refused at import, so that the two cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite

from bridge.contract.instants import SHAPE, instant
from bridge.contract.schema import SCHEMA
from bridge.jsontext import Json

Check = Callable[[Json], bool]

_DESCRIBES = {"$schema", "title", "description", "examples", "x-must-be"}
_NARROWS = {"minLength", "pattern", "format"}
_TYPES: Mapping[str, type | tuple[type, ...]] = {"string": str, "boolean": bool, "object": dict, "array": list}


def is_number(value: object) -> bool:
    """Whether a value is a number as the contract means it: finite, and no boolean."""
    match value:
        case Decimal():
            return value.is_finite()
        case bool():
            return False
        case int():
            return True
        case float():
            return isfinite(value)
        case _:
            return False


def compiled(schema: Mapping[str, Json]) -> Check:
    """A schema as a function. Raises ValueError for a keyword that it does not know."""
    left = dict(schema)
    checks = [_type(left.pop("type"))]
    if "properties" in left:
        checks.append(_properties(left.pop("properties"), frozenset(left.pop("required", ()))))
    if "items" in left:
        checks.append(_items(compiled(left.pop("items"))))
    if "minLength" in left:
        checks.append(_min_length(left.pop("minLength")))
    if left.get("format") == "iso-8601" and left.get("pattern") == SHAPE:
        del left["format"], left["pattern"]  # an instant has the shape
        checks.append(lambda value: value is None or instant(value) is not None)
    if "pattern" in left:
        checks.append(_pattern(left.pop("pattern")))
    if unknown := left.keys() - _DESCRIBES:
        raise ValueError(f"the schema uses {', '.join(sorted(unknown))}, which is not compiled")
    return checks[0] if len(checks) == 1 else _all(checks)


def _all(checks: list[Check]) -> Check:
    first, *others = checks

    def check(value: Json) -> bool:
        if not first(value):
            return False
        for other in others:  # noqa: SIM110  a generator would take as long as the checks
            if not other(value):
                return False
        return True

    return check


def _type(types: str | list[str]) -> Check:
    words = [types] if isinstance(types, str) else list(types)
    if "null" in words:
        words.remove("null")
        some = _type(words)
        return lambda value: value is None or some(value)
    (word,) = words
    if word == "number":
        return is_number
    wanted = _TYPES[word]
    return lambda value: isinstance(value, wanted)


def _properties(fields: Mapping[str, Json], required: frozenset[str]) -> Check:
    known = {name: compiled(field) for name, field in fields.items()}.get
    any_text = {name for name, field in fields.items() if not field.keys() & _NARROWS and "string" in field["type"]}

    def check(value: Json) -> bool:
        if value is None:
            return True
        for name, part in value.items():
            if part.__class__ is str and name in any_text:
                continue
            judge = known(name)
            if judge is not None and not judge(part):
                return False
        return bool(required <= value.keys())

    return check


def _items(each: Check) -> Check:
    return lambda value: value is None or all(map(each, value))


def _min_length(length: int) -> Check:
    return lambda value: value is None or len(value) >= length


def _pattern(pattern: str) -> Check:
    matches = re.compile(pattern).fullmatch
    return lambda value: value is None or matches(value) is not None


fits: Check = compiled(SCHEMA)
"""Whether a document is an event by the schema."""
