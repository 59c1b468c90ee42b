"""What is built while rules run: the names evaluated so far, the notes, a bound; and one webhook's roots.

Generated code reads and writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn, Protocol

from bridge.core.conversions import Deferral
from bridge.core.json_text import Json
from bridge.mapping.engine.recall import RecallContext
from bridge.mapping.expressions.runtime import BOXES, MOST_NODES, CannotEvaluate, Pruner, begin_building, type_name

_FEW = 1_000
"""Rounds of for_each that cannot make an event too large to be written: each is bounded by itself."""

MOST_ELEMENTS = 1_000
"""Events that a rule with for_each may make of one webhook: they are kept in one transaction."""

UNSET = object()
"""A name that has not been evaluated."""


Texts = Mapping[str, "Texts | None"]
"""Text fields level by level: None for one, what is below for an object or a list around them."""


class BuildFrame:
    """What building needs whatever is built: the names evaluated so far, notes, and bounds.

    `teller` turns a failure into the text of a note.
    """

    __slots__ = ("lets", "notes", "pruner", "rounds", "teller")

    def __init__(self, *, names: int, teller: FailureNotes) -> None:
        self.lets: list[Json] = [UNSET] * names
        self.teller = teller
        self.begin_again()

    def begin_again(self) -> None:
        """Build anew, with the names that were evaluated."""
        self.notes: list[str] = []
        self.pruner = Pruner()
        self.rounds = 0
        begin_building()

    def put(self, target: Json, key: str | None, value: Json) -> None:
        """Put a value that is no text into an object, or to the end of a list, without what is nothing in it."""
        kept = self.pruner.prune_value(value) if value.__class__ in BOXES else value
        if kept is None:
            return
        if key is None:
            target.append(kept)
        else:
            target[key] = kept

    def put_texts(self, target: Json, key: str | None, value: Json, texts: Texts | None) -> None:
        """The same where whole numbers are text: `texts` None is the value itself, else the fields below it."""
        self.put(target, key, _as_text(value, texts))

    def each(self, value: Json) -> list[Json]:
        """The elements that a for_each goes through, counted against a bound."""
        items = as_list(value)
        self.rounds += len(items)
        if self.rounds > MOST_NODES:
            raise CannotEvaluate(f"for_each goes through more than {MOST_NODES:,} elements")
        return items

    def elements(self, value: Json) -> list[Json]:
        """The elements that a rule with for_each makes an event of, of which there may be few."""
        items = as_list(value)
        if len(items) > MOST_ELEMENTS:
            raise CannotEvaluate(f"for_each of a rule goes through more than {MOST_ELEMENTS:,} elements")
        return items

    def weigh(self, event: Json) -> None:
        """Refuse an event whose texts, repeated by many rounds of for_each, are more than may be built."""
        if self.rounds > _FEW:
            Pruner().prune_value(event)

    def leave_out(self, field: str, error: Exception) -> None:
        """Note that a field is left out, and why."""
        self.notes.append(self.teller.note_text(field, error))


class MappingFrame(BuildFrame):
    """The roots of one webhook."""

    __slots__ = ("body", "deferred_for", "headers", "query", "recalling", "request", "source", "vars", "webhook")

    def __init__(  # noqa: PLR0913  the roots, by name
        self,
        *,
        body: Json,
        request: Json,
        headers: dict[str, str],
        query: dict[str, str],
        webhook: dict[str, Json],
        source: dict[str, Json],
        names: int,
        teller: FailureNotes,
    ) -> None:
        super().__init__(names=names, teller=teller)
        self.body = body
        self.request = request
        self.headers = headers
        self.query = query
        self.webhook = webhook
        self.source = source
        self.vars: Mapping[str, str] = source["vars"]
        self.recalling: RecallContext | None = None
        self.deferred_for: Deferral | None = None

    def with_vars(self, vars: Mapping[str, str]) -> MappingFrame:  # noqa: A002  the word of the language
        """The same webhook at a source with other vars, nothing of it evaluated yet."""
        other = MappingFrame(
            body=self.body,
            request=self.request,
            headers=self.headers,
            query=self.query,
            webhook=self.webhook,
            source={**self.source, "vars": vars},
            names=len(self.lets),
            teller=self.teller,
        )
        other.recalling = self.recalling
        return other


class FailureNotes(Protocol):
    """Says where and why a value cannot be evaluated."""

    def note_text(self, field: str, error: Exception) -> str:
        """The text of a note about a field that was left out."""
        ...


def _texts_in(value: Json, texts: Texts) -> Json:
    """A list or object in which the whole numbers of text fields are text."""
    if value.__class__ is list:
        return [_texts_in(item, texts) for item in value]
    if value.__class__ is not dict:
        return value
    return {key: _as_text(item, texts[key]) if key in texts else item for key, item in value.items()}


def _as_text(value: Json, below: Texts | None) -> Json:
    if below is not None:
        return _texts_in(value, below)
    return str(value) if value.__class__ is int else value


def as_key(value: Json) -> str:
    """A dedupe key: a text, or a whole number's."""
    if value.__class__ is str and value:
        return str(value)
    if value.__class__ is int:
        return str(value)
    if value is None or value == "" or value.__class__ in BOXES:
        raise CannotEvaluate(f"the dedupe key came out as {'nothing' if not value else type_name(value)}")
    raise CannotEvaluate(f"the dedupe key must be text or a whole number, it came out as {type_name(value)}")


def as_names(value: Json) -> tuple[str, ...]:
    """The dedupe keys that one expression gives: its own, or each of a list."""
    if value.__class__ is list:
        return tuple(as_key(one) for one in value if one is not None and one != "")
    return (as_key(value),)


def as_keys(values: Sequence[Json]) -> tuple[str, ...]:
    """The dedupe keys of a list: what came out as nothing is passed over, and each text of a list is one."""
    keys = tuple(name for value in values if value is not None and value != "" for name in as_names(value))
    if not keys:
        raise CannotEvaluate("each dedupe key came out as nothing")
    return keys


def as_flag(value: Json) -> bool:
    """Whether `webhook.test` holds; what is neither true nor false nor nothing is no answer."""
    if value.__class__ is bool:
        return bool(value)
    if value is None or value == "":
        return False
    raise CannotEvaluate(
        f"`test` must come out as true or false, it came out as {type_name(value)}; compare it: `… == 'true'`"
    )


def as_list(value: Json) -> list[Json]:
    """What `in` of a for_each became."""
    if value is None or value == "":
        return []
    if value.__class__ is not list:
        raise CannotEvaluate(f"`in` must come out as a list, it came out as {type_name(value)}")
    return list(value)


def has_field(event: Json, path: Sequence[str]) -> bool:
    """Whether an event has a field. What is nothing was left out before."""
    for step in path:
        if event.__class__ is not dict or step not in event:
            return False
        event = event[step]
    return True


def refuse_missing(field: str) -> NoReturn:
    """Refuse an event without a field that it must have."""
    raise CannotEvaluate(f"`{field}` came out as nothing and is required; give it a value, or write `require: []`")


HELPERS: dict[str, object] = {
    "_UNSET": UNSET,
    "_as_key": as_key,
    "_as_keys": as_keys,
    "_as_names": as_names,
    "_as_flag": as_flag,
    "_as_list": as_list,
    "_has": has_field,
    "_lacking": refuse_missing,
}
"""What the generated code of rules may name."""
