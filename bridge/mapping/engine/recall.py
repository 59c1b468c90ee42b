"""Fills what an event lacks from an earlier event: leaf by leaf, never over a value that is there.

Pure: the earlier events are arguments.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from bridge.core import dedupe_keys, json_text
from bridge.core.instants import parse_length
from bridge.core.json_text import Json
from bridge.core.suggestions import suggest_nearest
from bridge.mapping.object_reader import ObjectReader
from bridge.yaml.document import Node, Scalar
from bridge.yaml.problems import Problems

KEYS = ("event_type", "dedupe", "take", "wait")
LENDS = ("user_data", "context", "session_id", "user_id", "properties")
"""What an event may take from another; what names or dates it is its own."""
DEFAULT_WAIT = timedelta(hours=1)
"""How long a webhook waits for an earlier event if its rule has no `wait`."""
LONGEST_WAIT = timedelta(days=7)
_VARS = "source.vars."


@dataclass(frozen=True, slots=True)
class Recall:
    """Which earlier event a rule takes from: its types and dedupe keys, the fields, and how long it is waited for.

    The first key under which there is one counts, of the first type. `wait_var` names the var that says how long.
    """

    event_types: tuple[str, ...]
    dedupes: tuple[Scalar, ...]
    take: tuple[tuple[str, ...], ...]
    wait: timedelta = DEFAULT_WAIT
    wait_var: str | None = None

    def find_wait(self, vars: Mapping[str, str]) -> timedelta:  # noqa: A002  the word of the language
        """How long the earlier event is waited for, given the vars of the source."""
        return self.wait if self.wait_var is None else parse_length(vars[self.wait_var]) or self.wait


class EventWanted(Exception):
    """A rule asks for an event that nobody has looked for yet, by these conversion keys."""

    def __init__(self, keys: tuple[bytes, ...], recall: Recall) -> None:
        super().__init__()
        self.keys = keys
        self.recall = recall


class NoEarlierEvents(dict[bytes, bytes | None]):
    """Earlier events, of which there are no others: what is not in it is not anywhere."""

    def __missing__(self, key: bytes) -> None:
        return None


@dataclass(frozen=True, slots=True)
class RecallContext:
    """What a rule may find: events by their conversion keys, in one scope, tests among tests."""

    scope: str
    test: bool
    earlier: Mapping[bytes, bytes | None]

    def find_event(self, recall: Recall, names: Sequence[str | None], *, test: bool) -> Json:
        """The earlier event under the first of these names, None where there is none; a name that is None has none.

        Raises EventWanted where one was not looked up yet: all are looked up together, and waited for together.
        """
        keys = tuple(
            dedupe_keys.conversion_key(self.scope, event_type, name, test=test)
            for name in names
            if name is not None
            for event_type in recall.event_types
        )
        try:
            texts = [self.earlier[key] for key in keys]
        except KeyError:
            raise EventWanted(keys, recall) from None
        return next((json_text.parse_json(text) for text in texts if text is not None), None)


class HasRecalling(Protocol):
    """What may find earlier events, if anything."""

    recalling: RecallContext | None


def find_earlier(frame: HasRecalling, recall: Recall, names: Sequence[str | None]) -> Json:
    """What `earlier` is in a rule: the event that its `recall` finds, None where there is none."""
    if frame.recalling is None:
        return None
    return frame.recalling.find_event(recall, names, test=frame.recalling.test)


def take_from_earlier(frame: HasRecalling, event: dict[str, Json], recall: Recall, names: Sequence[str | None]) -> None:
    """Fill what `event` lacks from the earlier event under the first of these names that has one."""
    recalling = frame.recalling
    if recalling is None:
        return
    found = recalling.find_event(recall, names, test=recalling.test or event.get("test") is True)
    if found is not None:
        for path in recall.take:
            _lend_path(found, event, path)


def read_recall(node: Node, problems: Problems, *, durations: Collection[str] = ()) -> Recall | None:
    """The `recall` of a rule; None, with problems, where it is none. `durations` are the vars that it may wait for."""
    before = len(problems.errors)
    reader = ObjectReader.read_object(node, KEYS, problems, what="recall")
    event_types = tuple(one.text for one in reader.read_scalars("event_type", needed=True))
    dedupes = tuple(reader.read_expressions("dedupe", needed=True))
    fields = reader.read_scalars("take", needed=True)
    for field in fields:
        if field.text.split(".")[0] not in LENDS:
            problems.add_error(field.place, f"recall cannot take `{field.text}`; it takes from {', '.join(LENDS)}")
    wait, wait_var = _read_wait(reader.read_scalar("wait"), problems, durations)
    if not event_types or not dedupes or len(problems.errors) > before:
        return None
    return Recall(event_types, dedupes, tuple(tuple(field.text.split(".")) for field in fields), wait, wait_var)


def _read_wait(scalar: Scalar | None, problems: Problems, durations: Collection[str]) -> tuple[timedelta, str | None]:
    """How long to wait, or the var that says it."""
    if scalar is None:
        return DEFAULT_WAIT, None
    if scalar.is_expression:
        name = scalar.expression.strip().removeprefix(_VARS)
        if name not in durations:
            near = suggest_nearest(name, durations)
            problems.add_error(
                scalar.place, f"wait must be a length of time, or `={_VARS}NAME` of a var with `type: duration`{near}"
            )
        return DEFAULT_WAIT, name
    length = parse_length(scalar.text)
    if length is None or length > LONGEST_WAIT:
        problems.add_error(scalar.place, "wait must be a length of time such as 30m, 1h or 2d, of at most 7d")
        return DEFAULT_WAIT, None
    return length, None


def _lend_path(lender: Json, taker: dict[str, Json], path: Sequence[str]) -> None:
    step, *rest = path
    if lender.__class__ is not dict or step not in lender:
        return
    if not rest:
        _fill_missing(taker, step, lender[step])
        return
    below = taker.get(step)
    if below is None:
        made: dict[str, Json] = {}
        _lend_path(lender[step], made, rest)
        if made:
            taker[step] = made
    elif below.__class__ is dict:
        _lend_path(lender[step], below, rest)


def _fill_missing(taker: dict[str, Json], name: str, value: Json) -> None:
    own = taker.get(name)
    if own is None:
        taker[name] = value
    elif own.__class__ is dict and value.__class__ is dict:
        for key, item in value.items():
            _fill_missing(own, key, item)
