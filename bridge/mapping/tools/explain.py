"""Where each field of an event comes from.

Its value, the mapping's line, the paths that were read, or why it is absent.

It evaluates the mapping's expressions again, one by one, beside what the compiled mapping made of the same webhook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import Event, EventNeeded, SetAside, SourceLocation, Translated, Translation, Webhook
from bridge.mapping import MappingReading
from bridge.mapping.definition import Rule
from bridge.mapping.engine.recall import Known, NoEarlierEvents, Recall
from bridge.mapping.engine.topics import matches_topic
from bridge.mapping.tools.body_paths import DocumentPaths, Path
from bridge.mapping.tools.explain_conditions import ConditionExplanation, explain_conditions, list_elements
from bridge.mapping.tools.explain_defer import DeferExplanation, explain_defer
from bridge.mapping.tools.explain_recall import RecallExplanation, explain_recall
from bridge.mapping.tools.trace_template import ExplainContext, ExplainedField, LetValues, TraceBuilder
from bridge.mapping.tools.tracer import Trace


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """One rule that takes the webhook's topic. `event` None: its `when` does not hold, or the webhook was set aside.

    `conditions` go as far as the first that does not hold. `defer` None: the rule defers to no other webhook. Of a rule
    with `for_each` there is one for each element, and `element` is its path; where its list is empty there is one, with
    the list's `elements`.
    """

    place: SourceLocation
    conditions: tuple[ConditionExplanation, ...]
    held: bool
    fields: tuple[ExplainedField, ...] = ()
    dedupe: Trace | None = None
    dedupe_place: SourceLocation | None = None
    event: Event | None = None
    recall: RecallExplanation | None = None
    defer: DeferExplanation | None = None
    element: str | None = None
    elements: ConditionExplanation | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a webhook became, and how, rule by rule. `paths` says where in its document a value is."""

    topic: str | None
    outcome: Translation
    rules: tuple[RuleExplanation, ...]
    paths: DocumentPaths


def explain_webhook(
    found: MappingReading,
    webhook: Webhook,
    *,
    vars: Mapping[str, str],  # noqa: A002  the word of the language
    scope: str | None = None,
    earlier: Known | None = None,
) -> Explanation:
    """How a mapping without problems makes what it makes of a webhook. Raises SettingsError for a wrong var.

    `earlier` holds the events that `recall` may find, by their conversion keys, and there are no others.
    """
    assert found.mapping is not None, "a mapping with problems explains nothing"  # noqa: S101  the caller's slip
    source = found.mapping.bind_source(webhook.source, secrets=(), vars=vars, scope=scope)
    known = NoEarlierEvents(earlier or {})
    outcome = source.translate_with_earlier(webhook, known)
    assert not isinstance(outcome, EventNeeded), "all earlier events are known"  # noqa: S101  the same
    frame, unreadable = source.make_frame(webhook)
    if unreadable is not None:
        return Explanation(webhook.topic, outcome, (), DocumentPaths(None, None))
    lets = LetValues(found, frame, source.scope, known)
    events = iter(outcome.events if isinstance(outcome, Translated) else ())
    rules = [rule for rule in found.parts.rules if _takes_topic(rule, webhook.topic)]
    asked = _Asked(webhook, found.mapping.richer_topics)
    failed = isinstance(outcome, SetAside)
    try:
        told = tuple(one for rule in rules for one in _explain_rule(rule, lets, events, asked, failed=failed))
    except RecursionError:  # a value is nested too deep to be followed, as the outcome says
        told = ()
    return Explanation(webhook.topic, outcome, told, lets.document_paths)


def _takes_topic(rule: Rule, topic: str | None) -> bool:
    return rule.topics is None or (topic is not None and any(matches_topic(pattern, topic) for pattern in rule.topics))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is explained, and which topics are richer than a rank."""

    webhook: Webhook
    richer_topics: Callable[[int, Sequence[str]], tuple[str, ...]]


def _explain_rule(
    rule: Rule, lets: LetValues, events: Iterator[Event], asked: _Asked, *, failed: bool
) -> Iterator[RuleExplanation]:
    """How a rule came to its event, or each element of its `for_each` to one."""
    world = ExplainContext(lets)
    if rule.loop is None:
        yield _explain_once(rule, world, events, asked, failed=failed)
        return
    working = world.trace_scalar(rule.loop.source)
    elements = list_elements(working, rule.loop.name, world.lets.document_paths)
    if not elements:
        empty = ConditionExplanation(rule.loop.source.place, working)
        yield RuleExplanation(rule.place, (), held=False, elements=empty)
    for element in elements:
        told = _explain_once(rule, world.within_loop(rule.loop.name, element), events, asked, failed=failed)
        yield replace(told, element=element.path)


def _explain_once(
    rule: Rule, world: ExplainContext, events: Iterator[Event], asked: _Asked, *, failed: bool
) -> RuleExplanation:
    found = _explain_recall(rule.recall, world, None).found if rule.recall else None
    conditions = tuple(explain_conditions(rule.when, replace(world, earlier=found).trace_scalar))
    if not all(condition.held for condition in conditions):
        return RuleExplanation(rule.place, conditions, held=False)
    defer = _explain_defer(rule, world, asked)
    event = None if failed or (defer is not None and defer.told_by) else next(events, None)
    recall = _explain_recall(rule.recall, world, event) if rule.recall else None
    world = replace(world, earlier=recall.found if recall else None)
    return RuleExplanation(
        rule.place,
        conditions,
        held=True,
        fields=_explain_fields(rule, world, event, recall),
        dedupe=world.trace_scalar(rule.dedupe) if rule.dedupe else None,
        dedupe_place=rule.dedupe.place if rule.dedupe else None,
        event=event,
        recall=recall,
        defer=defer,
    )


def _explain_defer(rule: Rule, world: ExplainContext, asked: _Asked) -> DeferExplanation | None:
    defer_to = rule.defer_to
    if defer_to is None or (defer_to.when is not None and world.trace_scalar(defer_to.when).value is not True):
        return None
    return explain_defer(
        defer_to,
        [world.trace_scalar(dedupe).value for dedupe in defer_to.dedupes],
        topics=asked.richer_topics(rule.rank, defer_to.event_types),
        vars=world.lets.frame.vars,
        received_at=asked.webhook.received_at,
        scope=world.lets.scope,
        test=_is_test(world, None),
        earlier=world.lets.earlier,
    )


def _is_test(world: ExplainContext, event: Event | None) -> bool:
    named = None if event else world.named("webhook.test")
    return event.test if event else named is not None and named.working.value is True


def _explain_recall(recall: Recall, world: ExplainContext, event: Event | None) -> RecallExplanation:
    dedupes = [world.trace_scalar(dedupe) for dedupe in recall.dedupes]
    test = _is_test(world, event)
    return explain_recall(recall, dedupes, scope=world.lets.scope, test=test, earlier=world.lets.earlier)


# ------------------------------------------------------------------------------------------------- the event's fields


def _explain_fields(
    rule: Rule, world: ExplainContext, event: Event | None, recall: RecallExplanation | None
) -> tuple[ExplainedField, ...]:
    builder = TraceBuilder(world)
    builder.build_node(rule.event, (), world)
    if event is None:
        return tuple(builder.fields)
    document = json_text.parse_json(event.text)
    given = {one.path for one in builder.fields if one.absent is None}
    fields = [
        # An element of a list that came out as nothing has the place of the next one.
        one if one.absent is not None and one.path in given else _settle_field(one, document, event, recall)
        for one in builder.fields
    ]
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
