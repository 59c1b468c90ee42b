"""All problems of a document that is no event, as sentences that tell a caller what to change.

jsonschema decides; the sentences are our own, because they name the field and must never repeat a personal value. Only
refused events come here, so it need not be fast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

from bridge.contract.fast_validator import compile_schema, is_number
from bridge.contract.json_safety import find_unsafe_json
from bridge.contract.messages import describe_value, format_path
from bridge.contract.nulls import without_nulls
from bridge.contract.schema import CONSENT, SCHEMA, type_word
from bridge.core.instants import parse_instant
from bridge.core.json_text import Json
from bridge.core.model import EventProblem
from bridge.core.suggestions import suggest_or_list

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

    Judge = Callable[[Json], Iterator[ValidationError]]

MOST_PROBLEMS = 100
"""How many problems a message holds; nobody fixes more at once."""

_SHOWN = frozenset({"event_type", "event_id", "timestamp", "test", "properties"})
"""The fields whose values a message may hold; all others may be personal."""
_A = {
    "string": "a string",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
}


def find_problems(raw: Json, *, values: bool = True) -> tuple[EventProblem, ...]:
    """Everything that is wrong with `raw` as an event: what is missing first, then in the document's order.

    None where nothing is. At most 100. Without `values` the messages name types only.
    """
    found: dict[tuple[str | int, ...], EventProblem] = {}
    judged = (_error_message(error, values=values) for error in schema_validator()(raw))
    for problem in (*islice(judged, MOST_PROBLEMS), *islice(find_unsafe_json(without_nulls(raw)), MOST_PROBLEMS)):
        found.setdefault(problem.path, problem)
    return tuple(sorted(found.values(), key=lambda problem: _position_in_document(raw, problem.path))[:MOST_PROBLEMS])


@cache
def schema_validator() -> Judge:
    """The schema as jsonschema reads it: gives the errors of a document."""
    import jsonschema  # noqa: PLC0415  a tenth of a second that only the first refused event should cost

    checker = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("number", lambda _, value: is_number(value))
    formats = jsonschema.FormatChecker(formats=())
    formats.checks("iso-8601")(lambda value: not isinstance(value, str) or parse_instant(value) is not None)
    extend: Json = jsonschema.validators.extend  # it has no types
    kind = extend(
        jsonschema.Draft202012Validator,
        validators={"pattern": _whole_pattern, "items": _wrong_items},
        type_checker=checker,
    )
    errors: Judge = kind(SCHEMA, format_checker=formats).iter_errors
    return errors


def _whole_pattern(_validator: Json, pattern: str, value: Json, _schema: Json) -> Iterator[ValidationError]:
    """JSON Schema's `$` is the end of the text; Python's also matches before a last line feed."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415  as above

    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError("does not match")


def _wrong_items(validator: Json, schema: Json, value: Json, _schema: Json) -> Iterator[ValidationError]:
    """Only items that are wrong: one takes jsonschema 6 µs, and in 1 MB there may be 340,000 that are right."""
    fits = compile_schema(schema)
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if not fits(item):
            yield from validator.descend(item, schema, path=index)


def _error_message(error: ValidationError, *, values: bool) -> EventProblem:
    path = tuple(error.absolute_path)
    value: Json = error.instance
    schema: Json = error.schema
    if error.validator == "required":
        return _missing_field((*path, *schema["required"]), value)
    if value is None and path == ("event_type",):
        return _missing_field(path, {})
    if schema["type"] == "null":
        meant = suggest_or_list(str(path[-1]), CONSENT)
        return EventProblem(path, f"{format_path(path)} is no word of consent; {meant}")
    plain = error.validator == "type" and not ("boolean" in schema["type"] and "x-must-be" in schema)
    must = _A[type_word(schema)] if plain else schema["x-must-be"]
    shown = values and path[:1] != () and path[0] in _SHOWN
    return EventProblem(path, f"{format_path(path)} must be {must}, got {describe_value(value, shown=shown)}")


def _missing_field(path: tuple[str | int, ...], parent: Json) -> EventProblem:
    hint = "; a batch goes to /v1/track/batch" if len(path) == 1 and isinstance(parent.get("events"), list) else ""
    return EventProblem(path, f"{format_path(path)} is missing{hint}")


def _position_in_document(raw: Json, path: Sequence[str | int]) -> tuple[int, ...]:
    """The position of a path in its document, for sorting; missing fields come first."""
    position = []
    for step in path:
        if isinstance(raw, dict):
            position.append(list(raw).index(step) if step in raw else -1)
            raw = raw.get(step)
        elif isinstance(raw, list) and isinstance(step, int):
            position.append(step)
            raw = raw[step]
    return tuple(position)
