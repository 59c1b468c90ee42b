"""Which webhook of a conversion tells it: the richest one that comes.

A rule with `defer_to` waits, and then tells what no richer webhook has told. Two webhooks are of one conversion where
they share the key that comes first for the one that asks, or any key if their ranks differ: an invoice and an intent
that names it are one payment, and two intents of one invoice are two. Pure: what is known is an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bridge.core import json_text
from bridge.core.conversions import ConversionState, Deferral, KnownConversion
from bridge.core.json_text import Json
from bridge.mapping.engine.recall import (
    ConversionWanted,
    HasRecalling,
    NotTold,
    RecallContext,
    lend_paths,
    read_take,
)
from bridge.mapping.engine.rule_waits import RuleWait, read_wait
from bridge.mapping.language import LENDS
from bridge.mapping.object_reader import ObjectReader
from bridge.mapping.schema.mapping import DEFER_TO_KEYS
from bridge.yaml.document import Node, Scalar
from bridge.yaml.problems import Problems

DEFAULT_DEFER_WAIT = timedelta(minutes=10)
"""How long a webhook waits for a richer one if its rule has no `wait`."""
_OF_A_PERSON = tuple(name for name in LENDS if name != "properties")
TAKES = tuple((name,) for name in _OF_A_PERSON)
"""What is taken from the other webhooks of a conversion if the rule has no `take`: who bought, and from where."""


@dataclass(frozen=True, slots=True)
class DeferTo:
    """Which conversions a rule leaves to a richer webhook, and how long it waits for one.

    `when` None: it always defers; else where that holds.
    """

    event_types: tuple[str, ...]
    dedupes: tuple[Scalar, ...]
    wait: RuleWait = field(default_factory=lambda: RuleWait(DEFAULT_DEFER_WAIT))
    take: tuple[tuple[str, ...], ...] = TAKES
    when: Scalar | None = None
    rank: int = 0


class Deferring(Exception):
    """A webhook waits whether a richer one tells its conversion; `event` is what it would tell."""

    def __init__(self, keys: tuple[bytes, ...], defer_to: DeferTo, event: Json, *, seen: tuple[int, ...]) -> None:
        super().__init__()
        self.keys = keys
        self.seen = seen
        self.defer_to = defer_to
        self.event = event


class DefersInTurn(HasRecalling):
    """What a frame knows of deferring: how long each event that it tells would have waited."""

    deferred_for: Deferral | None


def find_others(frame: HasRecalling, defer_to: DeferTo, names: Sequence[str | None]) -> Json:
    """What `earlier` is in a rule that defers: what the other webhooks of the conversion lend, the richest first.

    What a webhook that waits, too, would be called without this one is no name of the conversion.
    """
    if frame.recalling is None:
        return None
    merged: dict[str, Json] = {}
    for one in _find_conversions(frame.recalling, defer_to, names, test=frame.recalling.test).find_lenders():
        lent = LENDS if one.state == ConversionState.REMEMBERED else _OF_A_PERSON
        lend_paths(json_text.parse_json(one.text, strict=False), merged, [(name,) for name in lent])
    return merged or None


def leave_to_told(frame: HasRecalling, defer_to: DeferTo, names: Sequence[str | None]) -> None:
    """Raise NotTold where another webhook told the conversion: what the event would say need not be worked out."""
    recalling = frame.recalling
    if recalling is not None:
        _find_conversions(recalling, defer_to, names, test=recalling.test).refuse_told()


def defer_event(frame: DefersInTurn, event: dict[str, Json], defer_to: DeferTo, names: Sequence[str | None]) -> None:
    """Fill `event` from the other webhooks of its conversion, and return where it is to be told.

    Raises NotTold where another webhook told it, and Deferring where one may still come.
    """
    recalling = frame.recalling
    if recalling is None:
        return
    test = recalling.test or event.get("test") is True
    mine = _find_conversions(recalling, defer_to, names, test=test)
    mine.refuse_told()
    told = mine.find_told()
    richer = mine.find_richer()
    if told is None and (not recalling.has_waited_for(defer_to) or richer is not None):
        lends = {name: event[name] for name in LENDS if name in event}
        raise Deferring(tuple(mine.keys), defer_to, lends, seen=mine.seen)
    for one in mine.find_lenders():
        lend_paths(json_text.parse_json(one.text, strict=False), event, defer_to.take)
    frame.deferred_for = Deferral(defer_to.wait.length_for(recalling.vars), defer_to.event_types)


class _Conversions:
    """What is known under the keys by which a rule defers."""

    def __init__(self, recalling: RecallContext, defer_to: DeferTo, names: Sequence[str | None], *, test: bool) -> None:
        self.keys = recalling.ledger_keys(defer_to.event_types, names, test=test)
        self._rank = defer_to.rank
        self._webhook = recalling.webhook
        first = next((name for name in names if name is not None), None)
        known = recalling.look_up(tuple(self.keys), defer_to)
        self.seen = tuple({one.number for each in known for one in each})
        self._known = [
            one
            for (_, name), each in zip(self.keys.values(), known, strict=True)
            for one in each
            if (name == first or one.rank != self._rank) and one.webhook != self._webhook
        ]

    def find_told(self) -> KnownConversion | None:
        """The richest that tells the conversion already."""
        told = [one for one in self._known if one.state == ConversionState.TOLD]
        return max(told, key=lambda one: one.rank or self._rank, default=None)

    def refuse_told(self) -> None:
        """Raise NotTold where a webhook that is as rich told it; one without a rank told at once."""
        told = self.find_told()
        if told is not None and (told.rank or self._rank) >= self._rank:
            raise NotTold(f"told by {told.by}", by=told, keys=tuple(self.keys))

    def find_richer(self) -> KnownConversion | None:
        """A webhook that waits, too, and goes first: it is richer, or as rich and came earlier."""
        return next((one for one in self._known if self._goes_first(one)), None)

    def _goes_first(self, one: KnownConversion) -> bool:
        if one.state != ConversionState.DEFERRED:
            return False
        return one.rank > self._rank or (one.rank == self._rank and 0 < one.webhook < (self._webhook or one.webhook))

    def find_lenders(self) -> list[KnownConversion]:
        """The webhooks that this one takes from, the richest first."""
        lending = {one.webhook or one.number: one for one in self._known if one.state != ConversionState.TOLD}
        return sorted(lending.values(), key=lambda one: -one.rank)


def _find_conversions(
    recalling: RecallContext, defer_to: DeferTo, names: Sequence[str | None], *, test: bool
) -> _Conversions:
    """The same ones where they were found before: a rule asks for them up to three times."""
    asked = (id(defer_to), tuple(names), test)
    found = recalling.found.get(asked)
    if not isinstance(found, _Conversions):
        found = recalling.found[asked] = _Conversions(recalling, defer_to, names, test=test)
    return found


def read_defer_to(node: Node, rank: int, durations: Collection[str], problems: Problems) -> DeferTo | None:
    """The `defer_to` of a rule; None, with problems, where it is none. `durations` are vars that it may wait for."""
    before = len(problems.errors)
    reader = ObjectReader.read_object(node, DEFER_TO_KEYS, problems, what="defer_to")
    event_types = tuple(one.text for one in reader.read_scalars("event_type", needed=True))
    dedupes = tuple(reader.read_expressions("dedupe", needed=True))
    wait = read_wait(reader.read_scalar("wait"), DEFAULT_DEFER_WAIT, durations, problems)
    take = read_take(reader, problems, what="defer_to") or TAKES
    when = reader.read_expression("when")
    if not event_types or not dedupes or len(problems.errors) > before:
        return None
    return DeferTo(event_types, dedupes, wait, take, when, rank)


__all__ = ["ConversionWanted", "DeferTo", "Deferring", "defer_event", "find_others", "read_defer_to"]
