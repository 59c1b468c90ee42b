"""Fills what an event lacks from an earlier event: leaf by leaf, never over a value that is there.

Pure: the earlier events are arguments. `defer.py` decides which webhook of a conversion tells it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from bridge.core import dedupe_keys, json_text
from bridge.core.conversions import ConversionState, KnownConversion
from bridge.core.json_text import Json
from bridge.mapping.engine.rule_waits import RuleWait, read_wait
from bridge.mapping.language import LENDS
from bridge.mapping.object_reader import ObjectReader
from bridge.mapping.schema.mapping import RECALL_KEYS
from bridge.yaml.document import Node, Scalar
from bridge.yaml.problems import Problems

DEFAULT_RECALL_WAIT = timedelta(hours=1)
"""How long a webhook, such as a refund, waits for an earlier event if its rule has no `recall: wait`.

The rules of the shipped mappings have one: it is the var `wait_for_sale` of `mappings/shopify.yaml` and `stripe.yaml`.
"""
UNKNOWN_SALE = "refund_without_sale"
"""The var that says what becomes of an event whose sale is needed and unknown: `told` or `ignored`."""
SALE_UNKNOWN = "sale_unknown: no event of its sale is known"
_TOLD = ConversionState.TOLD

Known = Mapping[bytes, Sequence[KnownConversion]]
"""What is known under ledger keys; a key that is absent was not looked up."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Which earlier event a rule takes from: its types and dedupe keys, the fields, and how long it is waited for.

    The first key under which there is one counts, of the first type. Where it is `needed`, an event whose sale is only
    remembered is not told.
    """

    event_types: tuple[str, ...]
    dedupes: tuple[Scalar, ...]
    take: tuple[tuple[str, ...], ...]
    wait: RuleWait = field(default_factory=lambda: RuleWait(DEFAULT_RECALL_WAIT))
    needed: bool = False


class Awaited(Protocol):
    """What is looked for: events of these types, for so long."""

    @property
    def event_types(self) -> tuple[str, ...]:
        """The types of events."""
        ...

    @property
    def wait(self) -> RuleWait:
        """How long one is waited for."""
        ...


class ConversionWanted(Exception):
    """A rule asks for conversions that nobody has looked for yet, or that may still come, by these ledger keys."""

    def __init__(
        self, keys: tuple[bytes, ...], recall: Awaited, *, is_looked_up: bool = False, seen: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.seen = seen
        self.keys = keys
        self.recall = recall
        self.is_looked_up = is_looked_up


class NotTold(Exception):
    """A rule makes no event of this webhook: why, and what the ledger is told.

    `by` is the conversion that tells it instead, `keys` are those of this one; `revisit` those for which it is looked
    at again.
    """

    def __init__(
        self,
        reason: str,
        *,
        by: KnownConversion | None = None,
        keys: tuple[bytes, ...] = (),
        revisit: tuple[bytes, ...] = (),
    ) -> None:
        super().__init__()
        self.reason = reason
        self.by = by
        self.keys = keys
        self.revisit = revisit


class NoEarlierEvents(dict[bytes, Sequence[KnownConversion]]):
    """Earlier events, of which there are no others: what is not in it is not anywhere, and is not waited for."""

    def __missing__(self, key: bytes) -> Sequence[KnownConversion]:
        return ()


@dataclass(slots=True)
class RecallContext:
    """What a rule may find: conversions by their ledger keys, in one scope, tests among tests.

    `has_waited`: nothing more is waited for. `looked_until` is the time before which all that was received has been
    looked at. `webhook` is the number of the webhook that asks.
    """

    scope: str
    test: bool
    earlier: Known
    vars: Mapping[str, str] = field(default_factory=dict)
    received_at: datetime | None = None
    has_waited: bool = False
    looked_until: datetime | None = None
    webhook: int = 0
    made_keys: dict[object, dict[bytes, tuple[str, str]]] = field(default_factory=dict)
    """The keys that were made, by what they were made of: a rule asks for the same ones several times."""
    found: dict[object, object] = field(default_factory=dict)
    """What was found with what is known now, by what was asked for."""

    def look_again(self, earlier: Known) -> None:
        """Go on with more that is known."""
        self.earlier = earlier
        self.found.clear()

    def ledger_keys(
        self, event_types: Sequence[str], names: Sequence[str | None], *, test: bool
    ) -> dict[bytes, tuple[str, str]]:
        """The keys of the names that are none of nothing, each with its type and name, the first name's first."""
        asked = (event_types, tuple(names), test)
        made = self.made_keys.get(asked)
        if made is None:
            made = self.made_keys[asked] = {
                dedupe_keys.conversion_key(self.scope, event_type, name, test=test): (event_type, name)
                for name in names
                if name is not None
                for event_type in event_types
            }
        return made

    def has_waited_for(self, asked: Awaited) -> bool:
        """Whether what it asks for has been waited for long enough, and all that came before was looked at."""
        if self.has_waited or self.looked_until is None or self.received_at is None:
            return self.has_waited
        return self.received_at + asked.wait.length_for(self.vars) <= self.looked_until

    def look_up(self, keys: Sequence[bytes], recall: Awaited) -> list[Sequence[KnownConversion]]:
        """What is known under each of these keys. Raises ConversionWanted where one was not looked up yet.

        All are looked up together, and waited for together.
        """
        try:
            return [self.earlier[key] for key in keys]
        except KeyError:
            raise ConversionWanted(tuple(keys), recall) from None

    def find_conversion(self, recall: Recall, names: Sequence[str | None], *, test: bool) -> KnownConversion | None:
        """The conversion under the first of these names, a told one rather than one that is remembered.

        Raises ConversionWanted where one may still come, and NotTold where it is needed and was not told.
        """
        keys = tuple(self.ledger_keys(recall.event_types, names, test=test))
        known = [one for each in self.look_up(keys, recall) for one in each]
        told = next((one for one in known if one.state == _TOLD), None)
        if told is not None or not keys:
            return told
        found = [one for one in known if one.state != ConversionState.DEFERRED]
        is_deferred = len(known) > len(found)  # a webhook that waits, too, will tell it
        if is_deferred or (not found and not self.has_waited_for(recall)):
            seen = tuple(one.number for one in found)
            raise ConversionWanted(keys, recall, is_looked_up=True, seen=seen)
        if not recall.needed:
            return next(iter(found), None)
        if found:
            raise NotTold(f"its sale was not told: {found[0].reason}", revisit=keys)
        if self.vars.get(UNKNOWN_SALE) == "ignored":
            raise NotTold(f"no event of its sale is known ({UNKNOWN_SALE} = ignored)", revisit=keys)
        return None


class HasRecalling(Protocol):
    """What may find earlier events, if anything."""

    recalling: RecallContext | None
    notes: list[str]


def find_earlier(frame: HasRecalling, recall: Recall, names: Sequence[str | None]) -> Json:
    """What `earlier` is in a rule: the event that its `recall` finds, None where there is none."""
    if frame.recalling is None:
        return None
    found = frame.recalling.find_conversion(recall, names, test=frame.recalling.test)
    return None if found is None else json_text.parse_json(found.text, strict=False)


def look_up_all(frame: HasRecalling, *wanted: tuple[Awaited, Sequence[str | None]]) -> None:
    """Raise ConversionWanted with all that a rule looks for, where any of it was not looked up yet: once is enough."""
    recalling = frame.recalling
    if recalling is None:
        return
    keys: dict[bytes, tuple[str, str]] = {}
    for recall, names in wanted:
        keys |= recalling.ledger_keys(recall.event_types, names, test=recalling.test)
    recalling.look_up(tuple(keys), wanted[0][0])


def await_sale(frame: HasRecalling, recall: Recall, names: Sequence[str | None]) -> None:
    """Raise ConversionWanted or NotTold where the earlier event is not there: nothing else need be worked out."""
    if frame.recalling is not None:
        frame.recalling.find_conversion(recall, names, test=frame.recalling.test)


def take_from_earlier(frame: HasRecalling, event: dict[str, Json], recall: Recall, names: Sequence[str | None]) -> None:
    """Fill what `event` lacks from the earlier event under the first of these names that has one."""
    recalling = frame.recalling
    if recalling is None:
        return
    test = recalling.test or event.get("test") is True
    found = recalling.find_conversion(recall, names, test=test)
    if found is None:
        if recall.needed:
            frame.notes.append(SALE_UNKNOWN)
        return
    lender = json_text.parse_json(found.text, strict=False)
    lend_paths(lender, event, recall.take)
    _note_currency(frame, event, lender)


def lend_paths(lender: Json, taker: dict[str, Json], paths: Sequence[Sequence[str]]) -> None:
    """Fill what `taker` lacks under these paths from `lender`."""
    for path in paths:
        _lend_path(lender, taker, path)


def read_recall(node: Node, durations: Collection[str], problems: Problems) -> Recall | None:
    """The `recall` of a rule; None, with problems, where it is none. `durations` are vars that it may wait for."""
    before = len(problems.errors)
    reader = ObjectReader.read_object(node, RECALL_KEYS, problems, what="recall")
    event_types = tuple(one.text for one in reader.read_scalars("event_type", needed=True))
    dedupes = tuple(reader.read_expressions("dedupe", needed=True))
    take = read_take(reader, problems, what="recall", needed=True)
    wait = read_wait(reader.read_scalar("wait"), DEFAULT_RECALL_WAIT, durations, problems)
    needed = reader.read_scalar("needed")
    if needed is not None and not isinstance(needed.value, bool):
        problems.add_error(needed.place, "needed must be true or false")
    if not event_types or not dedupes or len(problems.errors) > before:
        return None
    return Recall(event_types, dedupes, take, wait, needed is not None and needed.value is True)


def read_take(
    reader: ObjectReader, problems: Problems, *, what: str, needed: bool = False
) -> tuple[tuple[str, ...], ...]:
    """The paths of a `take`."""
    fields = reader.read_scalars("take", needed=needed)
    for field_ in fields:
        if field_.text.split(".")[0] not in LENDS:
            problems.add_error(field_.place, f"{what} cannot take `{field_.text}`; it takes from {', '.join(LENDS)}")
    return tuple(tuple(field_.text.split(".")) for field_ in fields)


def _note_currency(frame: HasRecalling, event: Json, lender: Json) -> None:
    """Note where an event is in another currency than its sale: the two cannot be added up."""
    mine, sold = ((each.get("properties") or {}).get("currency") for each in (event, lender))
    if isinstance(mine, str) and isinstance(sold, str) and mine.upper() != sold.upper():
        frame.notes.append(f"its sale was told in {sold.upper()}, this is in {mine.upper()}")


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
