"""Compares two mappings over the same webhooks: which outcomes and fields change, and the totals of both.

Pure. It keeps counts and a few samples. Values below `user_data` or `context`, and ids of persons or sessions, are only
described.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import Event, Ignored, SetAside, Translated, Translation
from bridge.mapping.expressions.runtime import are_equal, type_name

SAMPLES = 3
"""How many samples of one change are kept."""

Fault = Literal["lost-events", "changed-value"]
FAULTS: tuple[Fault, ...] = ("lost-events", "changed-value")
_PERSONAL = frozenset({"user_data", "context", "user_id", "session_id"})
_MONEY = frozenset({"properties.value", "properties.currency"})
_LONGEST = 80


@dataclass(slots=True)
class DiffChange:
    """One kind of change: how often, and the webhooks or values of a few."""

    count: int = 0
    samples: list[tuple[str, str, str]] = field(default_factory=list)

    def add_sample(self, webhook: str, before: str, after: str) -> None:
        """Once more."""
        self.count += 1
        if len(self.samples) < SAMPLES:
            self.samples.append((webhook, before, after))


@dataclass(slots=True)
class DiffTotals:
    """What a mapping makes in all: events by type, and the sum of `value` by type and currency.

    An event whose conversion was told before is no event more: it counts under `duplicates` alone. Test events
    count as their type with ` (test)`.
    """

    events: Counter[str] = field(default_factory=Counter)
    values: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    duplicates: int = 0
    _seen: set[bytes] = field(default_factory=set)

    def add_event(self, event: Event) -> None:
        """One event more."""
        if any(key in self._seen for key in event.conversion_keys):
            self.duplicates += 1
            return
        self._seen.update(event.conversion_keys)
        kind = f"{event.event_type} (test)" if event.test else event.event_type
        self.events[kind] += 1
        if event.value is not None:
            key = (kind, event.currency or "no currency")
            self.values[key] = self.values.get(key, Decimal()) + Decimal(event.value)


@dataclass(slots=True)
class MappingDiff:
    """What has been found so far. `outcomes` by what it was and what it would be, `fields` by (event type, path).

    `faults` counts webhooks that would make fewer events of a type, and events whose money would be another.
    """

    webhooks: int = 0
    same: int = 0
    outcomes: dict[tuple[str, str], DiffChange] = field(default_factory=dict)
    fields: dict[tuple[str, str], DiffChange] = field(default_factory=dict)
    before: DiffTotals = field(default_factory=DiffTotals)
    after: DiffTotals = field(default_factory=DiffTotals)
    faults: Counter[Fault] = field(default_factory=Counter)

    def add_webhook(self, before: Translation, after: Translation, *, name: str) -> None:
        """What both make of one webhook more; samples call it `name`."""
        self.webhooks += 1
        changed = self._compare_outcome(name, before, after)
        for kind, one, other in _pair_events(_events_of(before), _events_of(after)):
            changed = self._compare_event(name, kind, one, other) or changed
        self.same += not changed
        for totals, events in ((self.before, _events_of(before)), (self.after, _events_of(after))):
            for event in events:
                totals.add_event(event)

    def _compare_outcome(self, name: str, before: Translation, after: Translation) -> bool:
        was, would = _outcome_word(before), _outcome_word(after)
        if was != would:
            change = self.outcomes.setdefault((was, would), DiffChange())
            change.add_sample(name, _reason_of(before), _reason_of(after))
        lost = Counter(event.event_type for event in _events_of(before))
        lost.subtract(event.event_type for event in _events_of(after))
        self.faults["lost-events"] += any(count > 0 for count in lost.values())
        return was != would

    def _compare_event(self, name: str, kind: str, before: Event, after: Event) -> bool:
        old, new = _iter_leaves(before), _iter_leaves(after)
        paths = [path for path in dict.fromkeys([*old, *new]) if not are_equal(old.get(path), new.get(path))]
        for path in paths:
            change = self.fields.setdefault((kind, path), DiffChange())
            change.add_sample(name, _shown_value(path, old.get(path)), _shown_value(path, new.get(path)))
        self.faults["changed-value"] += bool(_MONEY.intersection(paths))
        return bool(paths)


def _events_of(translation: Translation) -> tuple[Event, ...]:
    return translation.events if isinstance(translation, Translated) else ()


def _pair_events(before: tuple[Event, ...], after: tuple[Event, ...]) -> Iterator[tuple[str, Event, Event]]:
    """The events that both made, of each type the first with the first."""
    for kind in dict.fromkeys(event.event_type for event in before):
        old = [event for event in before if event.event_type == kind]
        new = [event for event in after if event.event_type == kind]
        yield from ((kind, one, other) for one, other in zip(old, new, strict=False))


def _outcome_word(translation: Translation) -> str:
    match translation:
        case Translated(events):
            return " + ".join(sorted(event.event_type for event in events))
        case Ignored():
            return "ignored"
        case SetAside():
            return "set aside"


def _reason_of(translation: Translation) -> str:
    return "" if isinstance(translation, Translated) else translation.reason


def _iter_leaves(event: Event) -> dict[str, Json]:
    """Every value of an event under its path; the elements of a list under one path, `items[].sku`, in order."""
    found: dict[str, Json] = {}

    def walk(value: Json, path: str) -> None:
        match value:
            case dict():
                for key, each in value.items():
                    walk(each, f"{path}.{key}" if path else key)
            case list():
                for each in value:
                    walk(each, f"{path}[]")
            case _ if "[]" in path:
                found.setdefault(path, []).append(value)
            case _:
                found[path] = value

    walk(json_text.parse_json(event.text), "")
    return found


def _shown_value(path: str, value: Json) -> str:
    """A value as a sample shows it: a person's own only by what kind of thing it is."""
    if value is None:
        return "absent"
    if path.partition(".")[0].partition("[")[0] not in _PERSONAL:
        text = json_text.write_json(value).decode()
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"text of {len(value)} characters" if isinstance(value, str) else type_name(value)
