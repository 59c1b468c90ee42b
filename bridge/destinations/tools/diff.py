"""Compares two versions of a destination file over the same events: what becomes of each, and what its request says.

Pure. It keeps counts and a few samples. What a file reads of a person, and hashes of it, are only described.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from bridge.core import json_text
from bridge.core.delivery import Delivery, Outgoing
from bridge.core.json_text import Json
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.engine.requests import Item
from bridge.destinations.tools.described import describe_request, describe_unsent
from bridge.destinations.tools.explain import explain_item
from bridge.mapping.expressions.runtime import are_equal
from bridge.mapping.tools.diff import DiffChange, Fault

SENT = "sent"
_PERSONAL = frozenset({"user_data", "context", "user_id", "session_id"})
_MONEY = frozenset({("properties", "value"), ("properties", "currency")})
_LONGEST = 80
_LEAST = 3
"""Characters from which on a personal value is looked for in others: a shorter one stands in ordinary words."""


@dataclass(frozen=True, slots=True)
class SeenDelivery:
    """What one version makes of an event. `fate` is `sent`, or why not, such as `skipped: no consent`.

    `leaves` are the values of the request by their paths, those of a list under one path.
    """

    fate: str
    leaves: dict[str, Json] = field(default_factory=dict)
    money: tuple[Json, ...] = ()
    personal: frozenset[str] = frozenset()


def see_delivery(destination: DeclaredDestination, text: bytes, event_id: str, *, now: datetime) -> SeenDelivery:
    """What a destination with masked secrets makes of an event's text."""
    made = destination.make_requests([Delivery(0, destination.name, event_id, text, 0)], now=now)[0]
    if not isinstance(made, Outgoing):
        [(word, reason)] = describe_unsent(made)[0].items()
        return SeenDelivery(f"{word}: {reason}")
    item = destination.decide_item(text, now=now)
    money, personal = _explained_values(destination, item) if isinstance(item, Item) else ((), frozenset[str]())
    return SeenDelivery(SENT, _values_by_path(describe_request(made)), money, personal)


def _explained_values(destination: DeclaredDestination, item: Item) -> tuple[tuple[Json, ...], frozenset[str]]:
    """The values of an item that say money, and all texts that come from a person."""
    personal = {text for root in _PERSONAL for text in _iter_texts(item.event.get(root))}
    money: list[Json] = []
    for one in explain_item(destination.platform, item):
        paths = [path for path, _ in one.reads]
        money += [one.value] if _MONEY.intersection(paths) else []
        if any(path[0] in _PERSONAL for path in paths):
            personal.update(_iter_texts(one.value))
    return tuple(money), frozenset(text for text in personal if len(text) >= _LEAST)


@dataclass(slots=True)
class DestinationDiff:
    """What has been found so far. `fates` by what it was and what it would be, `fields` by (event type, path).

    `faults` counts events that would be sent no more, and those whose money would be another.
    """

    events: int = 0
    same: int = 0
    fates: dict[tuple[str, str], DiffChange] = field(default_factory=dict)
    fields: dict[tuple[str, str], DiffChange] = field(default_factory=dict)
    sent_before: Counter[str] = field(default_factory=Counter)
    sent_after: Counter[str] = field(default_factory=Counter)
    faults: Counter[Fault] = field(default_factory=Counter)

    def add_event(self, event_type: str, before: SeenDelivery, after: SeenDelivery, *, name: str) -> None:
        """What both make of one event more; samples call it `name`."""
        self.events += 1
        self.sent_before[event_type] += before.fate == SENT
        self.sent_after[event_type] += after.fate == SENT
        if before.fate != after.fate:
            change = self.fates.setdefault((before.fate, after.fate), DiffChange())
            change.add_sample(name, "", "")
            self.faults["lost-events"] += before.fate == SENT
            return
        old, new = before.leaves, after.leaves
        paths = [path for path in dict.fromkeys([*old, *new]) if not are_equal(old.get(path), new.get(path))]
        for path in paths:
            change = self.fields.setdefault((event_type, path), DiffChange())
            one, other = _shown_value(old.get(path), before.personal), _shown_value(new.get(path), after.personal)
            change.add_sample(name, one, f"another {other}" if one == other else other)
        self.faults["changed-value"] += not are_equal(list(before.money), list(after.money))
        self.same += not paths


def _values_by_path(document: Json) -> dict[str, Json]:
    """Every value of a document under its path; the elements of a list under one path, `data[].em`, in order."""
    found: dict[str, Json] = {}
    for path, value in _iter_leaves(document, ""):
        if "[]" in path:
            found.setdefault(path, []).append(value)
        else:
            found[path] = value
    return found


def _iter_leaves(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    match value:
        case dict():
            for key, each in value.items():
                yield from _iter_leaves(each, f"{path}.{key}" if path else key)
        case list():
            for each in value:
                yield from _iter_leaves(each, f"{path}[]")
        case _:
            yield path, value


def _iter_texts(value: Json) -> Iterator[str]:
    for _, leaf in _iter_leaves(value, ""):
        if isinstance(leaf, str):
            yield leaf


def _shown_value(value: Json, personal: frozenset[str]) -> str:
    """A value as a sample shows it: a person's own, and its hash, only by its length."""
    if value is None:
        return "absent"
    texts: Sequence[str] = list(_iter_texts(value))
    if any(one in text or quote(one, safe="") in text for text in texts for one in personal):
        return f"text of {sum(map(len, texts))} characters"
    text = json_text.write_json(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
