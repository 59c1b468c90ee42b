"""Where each field of an event comes from: its value, the mapping's line, the paths that were read, or why it is absent.

Works the mapping's tree out anew, slowly, beside what the compiled one made of the same webhook. Not concerned with how
any of it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bridge.contract import TEXT_FIELDS
from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import Event, Place, SetAside, Translated, Translation, Wanting, Webhook
from bridge.mapping import Reading
from bridge.mapping.codegen.template import texts_below
from bridge.mapping.definition import Rule
from bridge.mapping.engine.context import Frame, as_list
from bridge.mapping.engine.recall import Nothing, Recall
from bridge.mapping.engine.topics import matches
from bridge.mapping.expressions.parser import parse
from bridge.mapping.expressions.runtime import Unworkable, truth
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.tools.explain_recall import Recalled, look
from bridge.mapping.tools.tracer import Named, Seen, Working, work_out
from bridge.mapping.yaml.document import Node, Scalar, Series, Table

Path = tuple[str | int, ...]
_NOTHING = {type(None): "null", str: "an empty text", list: "an empty list", dict: "an empty object"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event. `place` None: no line of the mapping gives it.

    `absent` says why it is not in the event, None where it is; `value` is what the event holds. `recalled`: the
    earlier event gave it, for what the mapping's line reads came out as nothing.
    """

    path: Path
    place: Place | None
    value: Json = None
    absent: str | None = None
    working: Working | None = None
    recalled: bool = False

    @property
    def name(self) -> str:
        """`properties.items[0].sku`."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).removeprefix(".")


@dataclass(frozen=True, slots=True)
class Told:
    """One rule that takes the webhook's topic. `event` None: its `when` does not hold, or the webhook was set aside."""

    place: Place
    when: Working | None
    when_place: Place | None
    held: bool
    fields: tuple[Field, ...] = ()
    dedupe: Working | None = None
    dedupe_place: Place | None = None
    event: Event | None = None
    recall: Recalled | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a webhook came to, and how, rule by rule."""

    topic: str | None
    outcome: Translation
    rules: tuple[Told, ...]


def explain(
    found: Reading,
    webhook: Webhook,
    *,
    vars: Mapping[str, str],  # noqa: A002  the word of the language
    earlier: Mapping[bytes, bytes | None] | None = None,
) -> Explanation:
    """How a mapping without problems makes what it makes of a webhook. Raises SettingsError for a wrong var.

    `earlier` holds the events by their claims that `recall` may find, and there are no others.
    """
    assert found.mapping is not None, "a mapping with problems explains nothing"  # noqa: S101  the caller's slip
    source = found.mapping.bind(webhook.source, secrets=(), vars=vars)
    known = Nothing(earlier or {})
    outcome = source.translate_among(webhook, known)
    assert not isinstance(outcome, Wanting), "all earlier events are known"  # noqa: S101  the same
    frame, unreadable = source.frame(webhook)
    if unreadable is not None:
        return Explanation(webhook.topic, outcome, ())
    lets = _Lets(found, frame, source.scope, known)
    events = iter(outcome.events if isinstance(outcome, Translated) else ())
    rules = [rule for rule in found.parts.rules if _takes(rule, webhook.topic)]
    failed = isinstance(outcome, SetAside)
    return Explanation(webhook.topic, outcome, tuple(_told(rule, lets, events, failed=failed) for rule in rules))


def world_of(found: Reading, frame: Frame) -> _World:
    """What the names of a mapping stand for, given one webhook's roots."""
    return _World(_Lets(found, frame, "", Nothing()))


def _takes(rule: Rule, topic: str | None) -> bool:
    return rule.topics is None or (topic is not None and any(matches(pattern, topic) for pattern in rule.topics))


def _told(rule: Rule, lets: _Lets, events: Iterator[Event], *, failed: bool) -> Told:
    world = _World(lets)
    when = world.work(rule.when) if rule.when else None
    held = when is None or (when.failure is None and truth(when.value))
    when_place = rule.when.place if rule.when else None
    if not held:
        return Told(rule.place, when, when_place, held=False)
    event = None if failed else next(events, None)
    recall = _recalled(rule.recall, world, event) if rule.recall else None
    return Told(
        rule.place,
        when,
        when_place,
        held=True,
        fields=_fields(rule, world, event, recall),
        dedupe=world.work(rule.dedupe) if rule.dedupe else None,
        dedupe_place=rule.dedupe.place if rule.dedupe else None,
        event=event,
        recall=recall,
    )


def _recalled(recall: Recall, world: _World, event: Event | None) -> Recalled:
    dedupe = world.work(recall.dedupe)
    named = None if event else world.named("webhook.test")
    test = event.test if event else named is not None and named.working.value is True
    return look(recall, dedupe, scope=world.lets.scope, test=test, earlier=world.lets.earlier)


# ------------------------------------------------------------------------------------------------- the event's fields


def _fields(rule: Rule, world: _World, event: Event | None, recall: Recalled | None) -> tuple[Field, ...]:
    builder = Builder(world)
    builder.build(rule.event, (), world)
    if event is None:
        return tuple(builder.fields)
    document = json_text.parse(event.text)
    fields = [_settled(one, document, event, recall) for one in builder.fields]
    return (*fields, *_added(document, fields, recall))


def _settled(one: Field, document: Json, event: Event, recall: Recalled | None) -> Field:
    """A field as it stands in the event, which the contract has tidied."""
    inside, value = _at(document, one.path)
    if inside:
        lent = one.absent is not None and recall is not None and recall.lends(one.path)
        return Field(one.path, one.place, value, None, one.working, lent)
    note = next((note for note in event.notes if note.endswith(f"; {one.name} is left out")), None)
    absent = note or one.absent or "left out with what is around it"
    return Field(one.path, one.place, None, absent, one.working)


def _added(document: Json, fields: list[Field], recall: Recalled | None) -> Iterator[Field]:
    """What is in the event and no line of its rule gives."""
    given = {one.path for one in fields}
    for key, value in document.items():
        lent = recall is not None and any(taken[0] == key for taken in recall.take)
        inside = isinstance(value, dict) and (lent or any(path[0] == key for path in given))
        for path, found in [((key, name), each) for name, each in value.items()] if inside else [((key,), value)]:
            if not any(path[: len(one)] == one or one[: len(path)] == path for one in given):
                yield Field(path, None, found, recalled=recall is not None and recall.lends(path))


def _at(document: Json, path: Path) -> tuple[bool, Json]:
    for step in path:
        in_list = isinstance(step, int) and isinstance(document, list) and step < len(document)
        if not in_list and not (isinstance(step, str) and isinstance(document, dict) and step in document):
            return False, None
        document = document[step]
    return True, document


@dataclass(slots=True)
class Builder:
    """Builds what a template builds, and notes every scalar of it as a field."""

    world: _World
    fields: list[Field] = field(default_factory=list)

    def build(self, node: Node, path: Path, world: _World) -> Json:
        """What a node comes to, None for nothing."""
        match node:
            case Scalar():
                return self._scalar(node, path, world)
            case Series():
                return self._series([(item, world) for item in node.items], path)
            case Table() if "for_each" in node.entries:
                return self._each(node, path, world)
            case Table():
                return self._table(node, path, world)

    def _table(self, node: Table, path: Path, world: _World) -> Json:
        out = {}
        for key, entry in node.entries.items():
            name = key[1:] if key.startswith("==") else key
            value = self.build(entry.value, (*path, name), world)
            if value is not None:
                out[name] = value
        return out or None

    def _series(self, items: list[tuple[Node, _World]], path: Path) -> Json:
        out: list[Json] = []
        for node, world in items:
            value = self.build(node, (*path, len(out)), world)
            if value is not None:
                out.append(value)
        return out or None

    def _each(self, node: Table, path: Path, world: _World) -> Json:
        source, name, when = node.entries["in"].value, node.entries["for_each"].value, node.get("when")
        assert isinstance(source, Scalar)  # noqa: S101  the compiler has seen to it
        assert isinstance(name, Scalar)  # noqa: S101  the same
        working = world.work(source)
        try:
            values = as_list(working.value)
        except Unworkable as error:
            working, values = Working(working.expression, failure=error.text, reads=working.reads), []
        if not values:
            why = f"cannot be worked out: {working.failure}" if working.failure else "`in` came out as an empty list"
            self.fields.append(Field(path, source.place, None, why, working))
            return None
        base = working.reads[0].path if len(working.reads) == 1 and not working.chains else None
        inside = [
            world.within(name.text, Seen(value, f"{base}[{place}]" if base else f"{name.text}[{place}]"))
            for place, value in enumerate(values)
        ]
        if isinstance(when, Scalar):
            inside = [each for each in inside if truth(each.work(when).value)]
        return self._series([(node.entries["map"].value, each) for each in inside], path)

    def _scalar(self, node: Scalar, path: Path, world: _World) -> Json:
        if not node.is_expression:
            value = world.lets.sifted(node.literal, path)
            self.fields.append(
                Field(path, node.place, value, None if value is not None else "the mapping gives nothing")
            )
            return value
        working = world.work(node)
        if working.failure is not None:
            why = f"cannot be worked out: {working.failure}"
            self.fields.append(Field(path, node.place, None, why, working))
            return None
        value = world.lets.sifted(working.value, path)
        self.fields.append(Field(path, node.place, value, None if value is not None else _why(working), working))
        return value


def _why(working: Working) -> str:
    empty = _NOTHING.get(working.value.__class__, "nothing") if not working.value else "nothing but empty values"
    tried = next((len(chain) for chain in working.chains if not any(one.taken for one in chain)), 0)
    return f"came out as {empty}" + (f": none of {tried} alternatives has a value" if tried else "")


# -------------------------------------------------------------------------------------------------------- what names mean


class _Lets:
    """The names of `let` and of the webhook's expressions, each worked out once, and the roots."""

    def __init__(self, found: Reading, frame: Frame, scope: str, earlier: Mapping[bytes, bytes | None]) -> None:
        self.scope = scope
        self.earlier = earlier
        self.parts = found.parts
        self.trees = found.learnt.trees
        self.frame = frame
        self._worked: dict[str, Named] = {}

    def named(self, name: str) -> Named | None:
        """A name, worked out; None for none of them."""
        node: Node | None = None
        if name in self.parts.lets:
            node = self.parts.lets[name][1]
        elif name.startswith("webhook."):
            node = self.parts.expressions.get(name.removeprefix("webhook."))
        if node is None:
            return None
        if name not in self._worked:
            self._worked[name] = Named(name, node.place, self._working(node))
        return self._worked[name]

    def _working(self, node: Node) -> Working:
        world = _World(self)
        if isinstance(node, Scalar):
            return world.work(node) if node.is_expression else Working(node.text, node.literal)
        builder = Builder(world)
        value = builder.build(node, ("let",), world)
        if value is None:
            value = [] if isinstance(node, Series) or "for_each" in node.entries else {}
        failure = next((one.working.failure for one in builder.fields if one.working and one.working.failure), None)
        reads = tuple(read for one in builder.fields if one.working for read in one.working.reads)
        return Working("", value, failure, reads)

    def sifted(self, value: Json, path: Path) -> Json:
        """A value as the template puts it: None for nothing, text where the contract wants text."""
        names = tuple(step for step in path if isinstance(step, str))
        as_text = None if names in TEXT_FIELDS else texts_below(TEXT_FIELDS, names)
        target: dict[str, Json] = {}
        if isinstance(value, str):
            return value or None
        self.frame.put_texts(target, "it", value, as_text)
        return target.get("it")


@dataclass(frozen=True, slots=True)
class _World:
    """What names stand for at one place: inside a for_each, its names too."""

    lets: _Lets
    locals: Mapping[str, Seen] = field(default_factory=dict)

    @property
    def units(self) -> MinorUnits | None:
        """The mapping's table of minor units."""
        return self.lets.parts.units

    def within(self, name: str, seen: Seen) -> _World:
        """The names inside a for_each."""
        return _World(self.lets, {**self.locals, name: seen})

    def work(self, scalar: Scalar) -> Working:
        """How an expression of the mapping comes to its value here."""
        tree = self.lets.trees.get(scalar) or parse(scalar.expression)
        return work_out(tree, scalar.expression, self)

    def local(self, name: str) -> Seen | None:
        """What a for_each around it calls so."""
        return self.locals.get(name)

    def named(self, name: str) -> Named | None:
        """A name of `let`."""
        return self.lets.named(name)

    def root(self, name: str) -> Json:
        """A root."""
        return getattr(self.lets.frame, name)
