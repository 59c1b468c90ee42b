"""Where each field of an event comes from, as lines that know each other: of the body, the mapping and the event. Pure.

A field names its line of the mapping, the lines of the names that it uses, and the paths of the body that were read for
it. Where the evaluator handed on a value as it was read, its path is exact; any other was computed from those paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.core.json_text import Json
from bridge.http.console.masking import Path
from bridge.mapping.tools.explain import Explanation, RuleExplanation
from bridge.mapping.tools.origins import OriginFinder, ValueOrigin, is_like
from bridge.mapping.tools.trace_template import ExplainedField
from bridge.mapping.tools.tracer import Trace

_PRIVATE = ("user_data", "context", "session_id", "user_id")


@dataclass(frozen=True, slots=True)
class FieldSource:
    """One field of an event: its lines of the mapping (its own, then those of names), and paths of the body.

    `is_exact` is whether the first path is the very value's, and the others were only looked at; `why` is why the field
    is absent, None where it is there.
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

    @property
    def value_paths(self) -> tuple[Path, ...]:
        """The path of the very value, else each that it was computed from."""
        return self.body_paths[:1] if self.is_exact else self.body_paths


@dataclass(frozen=True, slots=True)
class EventSources:
    """The fields of one event of a rule, and the lines of the mapping that had a hand in it."""

    rule_line: int
    fields: tuple[FieldSource, ...]
    lines: frozenset[int]


def find_sources(explanation: Explanation) -> tuple[EventSources, ...]:
    """The sources of each event that was made, in order."""
    finder = OriginFinder(explanation.paths)
    return tuple(_event_sources(rule, finder) for rule in explanation.rules if rule.event is not None)


def private_paths(events: tuple[EventSources, ...]) -> frozenset[Path]:
    """The values of the body that went into what is about a person or a visit."""
    return frozenset(
        path for event in events for field in event.fields if field.path[0] in _PRIVATE for path in field.value_paths
    )


def _event_sources(rule: RuleExplanation, finder: OriginFinder) -> EventSources:
    fields = tuple(_field_source(one, finder) for one in rule.fields)
    lines = {rule.place.line, *(one.place.line for one in rule.conditions)}
    lines |= {line for one in fields for line in (one.line, *one.name_lines) if line}
    if rule.dedupe_place is not None:
        lines.add(rule.dedupe_place.line)
    return EventSources(rule.place.line, fields, frozenset(lines))


def _field_source(one: ExplainedField, finder: OriginFinder) -> FieldSource:
    origin = ValueOrigin() if one.working is None else finder.find_origin(one.working)
    exact = origin.exact if _is_handed_on(one) else None
    return FieldSource(
        name=one.name,
        path=one.path,
        value=one.value,
        line=one.place.line if one.place else None,
        name_lines=tuple(dict.fromkeys(_name_lines(one.working))),
        body_paths=origin.read if exact is None else tuple(dict.fromkeys((exact, *origin.read))),
        is_exact=exact is not None,
        recalled=one.recalled,
        why=one.absent,
    )


def _is_handed_on(one: ExplainedField) -> bool:
    """Whether the event holds what the expression became, and nothing that was made of it."""
    if one.working is None or one.absent is not None or one.recalled:
        return False
    return is_like(one.working.value, one.value)


def _name_lines(working: Trace | None) -> Iterator[int]:
    for name in working.names if working else ():
        yield name.place.line
        yield from _name_lines(name.working)


def fields_by_line(events: tuple[EventSources, ...]) -> Mapping[int, tuple[int, ...]]:
    """For each line of the mapping the numbers of the fields that it went into, counted over all events."""
    found: dict[int, list[int]] = {}
    for number, field in enumerate(field for event in events for field in event.fields):
        for line in (field.line, *field.name_lines):
            if line:
                found.setdefault(line, []).append(number)
    return {line: tuple(dict.fromkeys(numbers)) for line, numbers in found.items()}
