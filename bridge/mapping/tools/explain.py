"""Where each field of an event comes from.

Its value, the mapping's line, the paths that were read, or why it is absent.

It evaluates the mapping's expressions again, one by one, beside what the compiled mapping made of the same webhook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bridge.contract import TEXT_FIELDS
from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import Event, EventNeeded, SetAside, SourceLocation, Translated, Translation, Webhook
from bridge.mapping import MappingReading
from bridge.mapping.codegen.template import texts_below
from bridge.mapping.definition import Rule
from bridge.mapping.engine.context import MappingFrame, as_list
from bridge.mapping.engine.recall import Known, NoEarlierEvents, Recall
from bridge.mapping.engine.topics import matches_topic
from bridge.mapping.expressions.parser import parse_expression
from bridge.mapping.expressions.runtime import CannotEvaluate, is_true
from bridge.mapping.language import EARLIER
from bridge.mapping.tools.explain_recall import RecallExplanation, explain_recall
from bridge.mapping.tools.tracer import Trace, TracedExpression, TracedName, TracedValue
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode

Path = tuple[str | int, ...]
_NOTHING = {type(None): "null", str: "an empty text", list: "an empty list", dict: "an empty object"}


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """One field of an event. `place` None: no line of the mapping gives it.

    `absent` says why it is not in the event, None where it is; `value` is what the event holds. `recalled`: the
    earlier event gave it, for what the mapping's line reads came out as nothing.
    """

    path: Path
    place: SourceLocation | None
    value: Json = None
    absent: str | None = None
    working: Trace | None = None
    recalled: bool = False

    @property
    def name(self) -> str:
        """`properties.items[0].sku`."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).removeprefix(".")


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """One rule that takes the webhook's topic. `event` None: its `when` does not hold, or the webhook was set aside."""

    place: SourceLocation
    when: Trace | None
    when_place: SourceLocation | None
    held: bool
    fields: tuple[ExplainedField, ...] = ()
    dedupe: Trace | None = None
    dedupe_place: SourceLocation | None = None
    event: Event | None = None
    recall: RecallExplanation | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a webhook became, and how, rule by rule."""

    topic: str | None
    outcome: Translation
    rules: tuple[RuleExplanation, ...]


def explain_webhook(
    found: MappingReading,
    webhook: Webhook,
    *,
    vars: Mapping[str, str],  # noqa: A002  the word of the language
    earlier: Known | None = None,
) -> Explanation:
    """How a mapping without problems makes what it makes of a webhook. Raises SettingsError for a wrong var.

    `earlier` holds the events that `recall` may find, by their conversion keys, and there are no others.
    """
    assert found.mapping is not None, "a mapping with problems explains nothing"  # noqa: S101  the caller's slip
    source = found.mapping.bind_source(webhook.source, secrets=(), vars=vars)
    known = NoEarlierEvents(earlier or {})
    outcome = source.translate_with_earlier(webhook, known)
    assert not isinstance(outcome, EventNeeded), "all earlier events are known"  # noqa: S101  the same
    frame, unreadable = source.make_frame(webhook)
    if unreadable is not None:
        return Explanation(webhook.topic, outcome, ())
    lets = _LetValues(found, frame, source.scope, known)
    events = iter(outcome.events if isinstance(outcome, Translated) else ())
    rules = [rule for rule in found.parts.rules if _takes_topic(rule, webhook.topic)]
    failed = isinstance(outcome, SetAside)
    try:
        told = tuple(_explain_rule(rule, lets, events, failed=failed) for rule in rules)
    except RecursionError:  # a value is nested too deep to be followed, as the outcome says
        told = ()
    return Explanation(webhook.topic, outcome, told)


def world_of(found: MappingReading, frame: MappingFrame) -> _ExplainContext:
    """What the names of a mapping represent, given one webhook's roots."""
    return _ExplainContext(_LetValues(found, frame, "", NoEarlierEvents()))


def _takes_topic(rule: Rule, topic: str | None) -> bool:
    return rule.topics is None or (topic is not None and any(matches_topic(pattern, topic) for pattern in rule.topics))


def _explain_rule(rule: Rule, lets: _LetValues, events: Iterator[Event], *, failed: bool) -> RuleExplanation:
    world = _ExplainContext(lets)
    when = world.trace_scalar(rule.when) if rule.when else None
    held = when is None or (when.failure is None and is_true(when.value))
    when_place = rule.when.place if rule.when else None
    if not held:
        return RuleExplanation(rule.place, when, when_place, held=False)
    event = None if failed else next(events, None)
    recall = _explain_recall(rule.recall, world, event) if rule.recall else None
    world = replace(world, earlier=recall.found if recall else None)
    return RuleExplanation(
        rule.place,
        when,
        when_place,
        held=True,
        fields=_explain_fields(rule, world, event, recall),
        dedupe=world.trace_scalar(rule.dedupe) if rule.dedupe else None,
        dedupe_place=rule.dedupe.place if rule.dedupe else None,
        event=event,
        recall=recall,
    )


def _explain_recall(recall: Recall, world: _ExplainContext, event: Event | None) -> RecallExplanation:
    dedupes = [world.trace_scalar(dedupe) for dedupe in recall.dedupes]
    named = None if event else world.named("webhook.test")
    test = event.test if event else named is not None and named.working.value is True
    return explain_recall(recall, dedupes, scope=world.lets.scope, test=test, earlier=world.lets.earlier)


# ------------------------------------------------------------------------------------------------- the event's fields


def _explain_fields(
    rule: Rule, world: _ExplainContext, event: Event | None, recall: RecallExplanation | None
) -> tuple[ExplainedField, ...]:
    builder = TraceBuilder(world)
    builder.build_node(rule.event, (), world)
    if event is None:
        return tuple(builder.fields)
    document = json_text.parse_json(event.text)
    fields = [_settle_field(one, document, event, recall) for one in builder.fields]
    return (*fields, *_added_fields(document, fields, recall))


def _settle_field(
    one: ExplainedField, document: Json, event: Event, recall: RecallExplanation | None
) -> ExplainedField:
    """A field as it is in the event, which the contract has tidied."""
    inside, value = _value_at(document, one.path)
    if inside:
        lent = one.absent is not None and recall is not None and recall.lends_field(one.path)
        return ExplainedField(one.path, one.place, value, None, one.working, lent)
    note = next((note for note in event.notes if note.endswith(f"; {one.name} is left out")), None)
    absent = note or one.absent or "left out with what is around it"
    return ExplainedField(one.path, one.place, None, absent, one.working)


def _added_fields(
    document: Json, fields: list[ExplainedField], recall: RecallExplanation | None
) -> Iterator[ExplainedField]:
    """What is in the event and no line of its rule gives."""
    given = {one.path for one in fields}
    for key, value in document.items():
        lent = recall is not None and any(taken[0] == key for taken in recall.take)
        inside = isinstance(value, dict) and (lent or any(path[0] == key for path in given))
        for path, found in [((key, name), each) for name, each in value.items()] if inside else [((key,), value)]:
            if not any(path[: len(one)] == one or one[: len(path)] == path for one in given):
                yield ExplainedField(path, None, found, recalled=recall is not None and recall.lends_field(path))


def _value_at(document: Json, path: Path) -> tuple[bool, Json]:
    for step in path:
        in_list = isinstance(step, int) and isinstance(document, list) and step < len(document)
        if not in_list and not (isinstance(step, str) and isinstance(document, dict) and step in document):
            return False, None
        document = document[step]
    return True, document


@dataclass(slots=True)
class TraceBuilder:
    """Builds what a template builds, and notes every scalar of it as a field."""

    world: _ExplainContext
    fields: list[ExplainedField] = field(default_factory=list)

    def build_node(self, node: Node, path: Path, world: _ExplainContext) -> Json:
        """What a node becomes, None for nothing."""
        match node:
            case Scalar():
                return self._build_scalar(node, path, world)
            case SequenceNode():
                return self._build_series([(item, world) for item in node.items], path)
            case MappingNode() if "for_each" in node.entries:
                return self._build_for_each(node, path, world)
            case MappingNode():
                return self._build_mapping(node, path, world)

    def _build_mapping(self, node: MappingNode, path: Path, world: _ExplainContext) -> Json:
        out = {}
        for key, entry in node.entries.items():
            name = key[1:] if key.startswith("==") else key
            value = self.build_node(entry.value, (*path, name), world)
            if value is not None:
                out[name] = value
        return out or None

    def _build_series(self, items: list[tuple[Node, _ExplainContext]], path: Path) -> Json:
        out: list[Json] = []
        for node, world in items:
            value = self.build_node(node, (*path, len(out)), world)
            if value is not None:
                out.append(value)
        return out or None

    def _build_for_each(self, node: MappingNode, path: Path, world: _ExplainContext) -> Json:
        source, name, when = node.entries["in"].value, node.entries["for_each"].value, node.get_value("when")
        assert isinstance(source, Scalar)  # noqa: S101  the compiler has seen to it
        assert isinstance(name, Scalar)  # noqa: S101  the same
        working = world.trace_scalar(source)
        try:
            values = as_list(working.value)
        except CannotEvaluate as error:
            working, values = Trace(working.expression, failure=error.text, reads=working.reads), []
        if not values:
            why = f"cannot be worked out: {working.failure}" if working.failure else "`in` came out as an empty list"
            self.fields.append(ExplainedField(path, source.place, None, why, working))
            return None
        base = working.reads[0].path if len(working.reads) == 1 and not working.chains else None
        inside = [
            world.within_loop(name.text, TracedValue(value, f"{base}[{place}]" if base else f"{name.text}[{place}]"))
            for place, value in enumerate(values)
        ]
        if isinstance(when, Scalar):
            inside = [each for each in inside if is_true(each.trace_scalar(when).value)]
        return self._build_series([(node.entries["map"].value, each) for each in inside], path)

    def _build_scalar(self, node: Scalar, path: Path, world: _ExplainContext) -> Json:
        if not node.is_expression:
            value = world.lets.prune_value(node.literal, path)
            self.fields.append(
                ExplainedField(path, node.place, value, None if value is not None else "the mapping gives nothing")
            )
            return value
        working = world.trace_scalar(node)
        if working.failure is not None:
            why = f"cannot be worked out: {working.failure}"
            self.fields.append(ExplainedField(path, node.place, None, why, working))
            return None
        value = world.lets.prune_value(working.value, path)
        self.fields.append(
            ExplainedField(path, node.place, value, None if value is not None else _failure_of(working), working)
        )
        return value


def _failure_of(working: Trace) -> str:
    empty = _NOTHING.get(working.value.__class__, "nothing") if not working.value else "nothing but empty values"
    tried = next((len(chain) for chain in working.chains if not any(one.taken for one in chain)), 0)
    return f"came out as {empty}" + (f": none of {tried} alternatives has a value" if tried else "")


# ---------------------------------------------------------------------------------------------------- what names mean


class _LetValues:
    """The names of `let` and of the webhook's expressions, each evaluated once, and the roots."""

    def __init__(self, found: MappingReading, frame: MappingFrame, scope: str, earlier: Known) -> None:
        self.scope = scope
        self.earlier = earlier
        self.parts = found.parts
        self.trees = found.compile_info.trees
        self.frame = frame
        self._worked: dict[str, TracedName] = {}
        self._compiled: dict[Scalar, TracedExpression] = {}

    def named(self, name: str) -> TracedName | None:
        """A name, evaluated; None for none of them."""
        node: Node | None = None
        if name in self.parts.lets:
            node = self.parts.lets[name][1]
        elif name.startswith("webhook."):
            node = self.parts.expressions.get(name.removeprefix("webhook."))
        if node is None:
            return None
        if name not in self._worked:
            self._worked[name] = TracedName(name, node.place, self._trace_of(node))
        return self._worked[name]

    def compile_traced(self, scalar: Scalar) -> TracedExpression:
        """An expression of the mapping, compiled once."""
        if scalar not in self._compiled:
            tree = self.trees.get(scalar) or parse_expression(scalar.expression)
            self._compiled[scalar] = TracedExpression(tree, scalar.expression, units=self.parts.units)
        return self._compiled[scalar]

    def _trace_of(self, node: Node) -> Trace:
        world = _ExplainContext(self)
        if isinstance(node, Scalar):
            return world.trace_scalar(node) if node.is_expression else Trace(node.text, node.literal)
        builder = TraceBuilder(world)
        value = builder.build_node(node, ("let",), world)
        if value is None:
            value = [] if isinstance(node, SequenceNode) or "for_each" in node.entries else {}
        failure = next((one.working.failure for one in builder.fields if one.working and one.working.failure), None)
        reads = tuple(read for one in builder.fields if one.working for read in one.working.reads)
        return Trace("", value, failure, reads)

    def prune_value(self, value: Json, path: Path) -> Json:
        """A value as the template puts it: None for nothing, text where the contract wants text."""
        names = tuple(step for step in path if isinstance(step, str))
        as_text = None if names in TEXT_FIELDS else texts_below(TEXT_FIELDS, names)
        target: dict[str, Json] = {}
        if isinstance(value, str):
            return value or None
        self.frame.put_texts(target, "it", value, as_text)
        return target.get("it")


@dataclass(frozen=True, slots=True)
class _ExplainContext:
    """What names represent at one place: inside a for_each, its names too."""

    lets: _LetValues
    locals: Mapping[str, TracedValue] = field(default_factory=dict)
    earlier: Json = None

    def within_loop(self, name: str, seen: TracedValue) -> _ExplainContext:
        """The names inside a for_each."""
        return replace(self, locals={**self.locals, name: seen})

    def trace_scalar(self, scalar: Scalar) -> Trace:
        """How an expression of the mapping becomes its value here."""
        return self.lets.compile_traced(scalar).trace_value(self)

    def local(self, name: str) -> TracedValue | None:
        """What a for_each around it calls so."""
        return self.locals.get(name)

    def named(self, name: str) -> TracedName | None:
        """A name of `let`."""
        return self.lets.named(name)

    def root(self, name: str) -> Json:
        """A root."""
        return self.earlier if name == EARLIER else getattr(self.lets.frame, name)
