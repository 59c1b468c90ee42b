"""Where each field of an event comes from, as lines that know each other: of the body, the mapping and the event. Pure.

A field names its line of the mapping, the lines of the names that it uses, and what of the body was read. Where exactly
one value below what was read is the field's, that is its source; else all that was read is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.core.json_text import Json
from bridge.http.console.masking import Path
from bridge.mapping.tools.explain import Explanation, RuleExplanation
from bridge.mapping.tools.trace_template import ExplainedField
from bridge.mapping.tools.tracer import Trace

_STEP = re.compile(r'\.?([A-Za-z_][A-Za-z0-9_]*)|\.?"([^"\\]*)"|\[([0-9]+)\]')
_PRIVATE = ("user_data", "context", "session_id", "user_id")


@dataclass(frozen=True, slots=True)
class FieldSource:
    """One field of an event: its lines of the mapping (its own, then those of names), and paths of the body.

    `is_exact` is whether the one path is the very value; `why` is why the field is absent, None where it is there.
    """

    name: str
    path: Path
    value: Json
    line: int | None
    name_lines: tuple[int, ...]
    body_paths: tuple[Path, ...]
    is_exact: bool
    recalled: bool
    why: str | None


@dataclass(frozen=True, slots=True)
class EventSources:
    """The fields of one event of a rule, and the lines of the mapping that had a hand in it."""

    rule_line: int
    fields: tuple[FieldSource, ...]
    lines: frozenset[int]


def find_sources(explanation: Explanation, body: Json) -> tuple[EventSources, ...]:
    """The sources of each event that was made, in order."""
    return tuple(_event_sources(rule, body) for rule in explanation.rules if rule.event is not None)


def private_paths(events: tuple[EventSources, ...]) -> frozenset[Path]:
    """The values of the body that went into what is about a person or a visit."""
    return frozenset(
        path for event in events for field in event.fields if field.path[0] in _PRIVATE for path in field.body_paths
    )


def _event_sources(rule: RuleExplanation, body: Json) -> EventSources:
    fields = tuple(_field_source(one, body) for one in rule.fields)
    lines = {rule.place.line, *(one.place.line for one in rule.conditions)}
    lines |= {line for one in fields for line in (one.line, *one.name_lines) if line}
    if rule.dedupe_place is not None:
        lines.add(rule.dedupe_place.line)
    return EventSources(rule.place.line, fields, frozenset(lines))


def _field_source(one: ExplainedField, body: Json) -> FieldSource:
    regions = tuple(dict.fromkeys(_regions(one.working, body)))
    exact = _only_value_below(body, regions, one.value)
    return FieldSource(
        name=one.name,
        path=one.path,
        value=one.value,
        line=one.place.line if one.place else None,
        name_lines=tuple(dict.fromkeys(_name_lines(one.working))),
        body_paths=(exact,) if exact is not None else regions,
        is_exact=exact is not None,
        recalled=one.recalled,
        why=one.absent,
    )


def _name_lines(working: Trace | None) -> Iterator[int]:
    for name in working.names if working else ():
        yield name.place.line
        yield from _name_lines(name.working)


def _regions(working: Trace | None, body: Json) -> Iterator[Path]:
    """What of the body an expression read, by itself or through names; nothing that was not there."""
    if working is None:
        return
    for read in working.reads:
        path = read_path(read.path)
        if path is not None and path and has_value(body, path):
            yield path
    for name in working.names:
        yield from _regions(name.working, body)


def read_path(text: str) -> Path | None:
    """The path below `body` that a text begins with, up to what selects or computes; None for what is no body's."""
    if not re.match(r"body(?![A-Za-z0-9_])", text):
        return None
    at, path = len("body"), list[str | int]()
    while found := _STEP.match(text, at):
        path.append(int(found[3]) if found[3] is not None else found[2] if found[2] is not None else found[1])
        at = found.end()
    return tuple(path)


def has_value(document: Json, path: Path) -> bool:
    """Whether there is something at a path."""
    return value_at(document, path) is not None


def value_at(document: Json, path: Path) -> Json:
    """What is at a path; None where there is nothing."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return None
            document = document[step]
        elif not isinstance(document, dict) or step not in document:
            return None
        else:
            document = document[step]
    return document


def _only_value_below(body: Json, regions: tuple[Path, ...], value: Json) -> Path | None:
    """The one leaf below these regions that is the value; None where there is none, or several."""
    if isinstance(value, (dict, list, bool)) or value is None:
        return None
    found = {
        path for region in regions for path, leaf in _leaves(value_at(body, region), region) if _is_same(leaf, value)
    }
    return found.pop() if len(found) == 1 else None


def _is_same(leaf: Json, value: Json) -> bool:
    return not isinstance(leaf, bool) and str(leaf) == str(value)


def _leaves(value: Json, path: Path) -> Iterator[tuple[Path, Json]]:
    match value:
        case dict():
            for key, below in value.items():
                yield from _leaves(below, (*path, key))
        case list():
            for place, below in enumerate(value):
                yield from _leaves(below, (*path, place))
        case _:
            yield path, value


def fields_by_line(events: tuple[EventSources, ...]) -> Mapping[int, tuple[int, ...]]:
    """For each line of the mapping the numbers of the fields that it went into, counted over all events."""
    found: dict[int, list[int]] = {}
    for number, field in enumerate(field for event in events for field in event.fields):
        for line in (field.line, *field.name_lines):
            if line:
                found.setdefault(line, []).append(number)
    return {line: tuple(dict.fromkeys(numbers)) for line, numbers in found.items()}
