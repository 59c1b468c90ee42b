"""Whether a document fits the schema of an event: the schema compiled once into plain Python, for every event.

It says only yes or no; `validate` says why not, by jsonschema. Both must agree on every input. A schema keyword that is
not compiled here is refused at import.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import isfinite

from bridge.contract.schema import SCHEMA
from bridge.core.instants import parse_instant
from bridge.core.json_text import Json

Check = Callable[[Json], object]
"""Returns something true where a value passes; it is not converted to `True`, because there are many calls."""

_DESCRIBES = {"$schema", "title", "description", "examples", "x-must-be"}
_NARROWS = {"minLength", "pattern", "format"}
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "number": (Decimal, int, float),
    "object": dict,
    "array": list,
}


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


def compile_schema(schema: Mapping[str, Json]) -> Check:
    """A schema as a function. Raises ValueError for a keyword that it does not know."""
    left = dict(schema)
    types = left.pop("type")
    narrower: list[Check] = []
    if "properties" in left:
        others = compile_schema(left.pop("additionalProperties")) if "additionalProperties" in left else None
        narrower.append(_compile_properties(left.pop("properties"), frozenset(left.pop("required", ())), others))
    if "items" in left:
        narrower.append(_compile_items(compile_schema(left.pop("items"))))
    if "minLength" in left:
        narrower.append(_min_length(left.pop("minLength")))
    if left.get("format") == "iso-8601":
        del left["format"], left["pattern"]  # an instant matches the pattern
        narrower.append(parse_instant)
    if "pattern" in left:
        narrower.append(re.compile(left.pop("pattern")).fullmatch)
    if unknown := left.keys() - _DESCRIBES:
        raise ValueError(f"the schema uses {', '.join(sorted(unknown))}, which is not compiled")
    return _compile_types(types, narrower)


def _compile_types(types: str | Sequence[str], narrower: Sequence[Check]) -> Check:
    """Null where that is allowed, or of another type and all that is narrower. In few calls: each takes time."""
    null = "null" in types
    words = [word for word in ([types] if isinstance(types, str) else types) if word != "null"]
    if not words:
        return lambda value: value is None
    if len(words) > 1:
        kinds = [_compile_types([word], narrower if word == "string" else ()) for word in words]  # a pattern is of text
        return lambda value: any(kind(value) for kind in kinds) or (null and value is None)
    [word] = words
    wanted = _TYPES[word]
    checks = [is_number, *narrower] if word == "number" else narrower
    if not checks:
        return lambda value: isinstance(value, wanted) or (null and value is None)
    further = checks[0] if len(checks) == 1 else lambda value: all(check(value) for check in checks)
    return lambda value: further(value) if isinstance(value, wanted) else null and value is None


def _compile_properties(fields: Mapping[str, Json], required: frozenset[str], others: Check | None) -> Check:
    known = {name: compile_schema(field) for name, field in fields.items()}.get
    any_number = {name for name, field in fields.items() if "number" in field["type"]}
    any_text = {name for name, field in fields.items() if not field.keys() & _NARROWS and "string" in field["type"]}

    def check(value: Json) -> object:
        for name, part in value.items():
            if part.__class__ is str and name in any_text:
                continue
            if (part.__class__ is int or (part.__class__ is Decimal and part.is_finite())) and name in any_number:
                continue
            judge = known(name) or others
            if judge is not None and not judge(part):
                return False
        return not required or required <= value.keys()

    return check


def _compile_items(each: Check) -> Check:
    return lambda value: all(map(each, value))


def _min_length(length: int) -> Check:
    return lambda value: len(value) >= length


_passes = compile_schema(SCHEMA)


def fits_schema(document: Json) -> bool:
    """Whether a document is an event by the schema."""
    return bool(_passes(document))
