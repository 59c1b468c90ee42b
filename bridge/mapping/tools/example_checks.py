"""What examples show of a mapping together: orders that share a key, negative sales, topics that nobody sends."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bridge.core.model import Event, SourceLocation
from bridge.core.suggestions import suggest_nearest
from bridge.mapping.definition import MappingDefinition, Rule
from bridge.mapping.engine.topics import matches_topic
from bridge.mapping.language import REQUIRING
from bridge.yaml.document import MappingNode, Scalar
from bridge.yaml.problems import Problems


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """An event that an example makes: the example's name, its topic, and the event."""

    example: str
    topic: str | None
    event: Event


def check_told_events(parts: MappingDefinition, told: Sequence[ToldEvent], problems: Problems) -> None:
    """Tell two orders with one dedupe key, and a sale or refund that is negative."""
    _check_shared_keys(parts, told, problems)
    for one in told:
        event_type, value = one.event.event_type, one.event.value
        if event_type in REQUIRING and value is not None and Decimal(value) < 0:
            place = next(_value_places(parts, one), None)
            if place is not None:
                problems.add_warning(place, f"comes out negative in the example {one.example}: {_positive(event_type)}")


def check_topics(parts: MappingDefinition, seen: Collection[str], known: Collection[str], problems: Problems) -> None:
    """Tell each topic of a rule that is in no example and not among the `known` ones of the provider."""
    topics = {*seen, *known, *parts.ignores}
    for rule in parts.rules if seen or known else ():
        for topic, place in zip(rule.topics or (), rule.topic_places, strict=True):
            if not any(matches_topic(topic, each) for each in topics):
                mend = suggest_nearest(topic, sorted(topics)) or "; is it written as the provider writes it?"
                problems.add_warning(place, f"the topic `{topic}` is in no example{mend}")


def _check_shared_keys(parts: MappingDefinition, told: Sequence[ToldEvent], problems: Problems) -> None:
    first: dict[tuple[str | None, bytes], ToldEvent] = {}
    for one in told:
        for key in one.event.conversion_keys if one.event.order_id is not None else ():
            other = first.setdefault((one.topic, key), one)
            if other.event.order_id == one.event.order_id:
                continue
            for rule in _rules_of(parts, one):
                if rule.dedupe is not None:
                    told_of = f"the examples {other.example} and {one.example} are of different orders and have one key"
                    problems.add_error(rule.dedupe.place, f"{told_of}: the second order would be a duplicate")
            break


def _rules_of(parts: MappingDefinition, one: ToldEvent) -> Iterator[Rule]:
    """The rules that may have made an event."""
    for rule in parts.rules:
        kind = rule.event.get_value("event_type")
        fits = not isinstance(kind, Scalar) or kind.is_expression or kind.value == one.event.event_type
        topic = one.topic
        if fits and (rule.topics is None or (topic and any(matches_topic(each, topic) for each in rule.topics))):
            yield rule


def _value_places(parts: MappingDefinition, one: ToldEvent) -> Iterator[SourceLocation]:
    for rule in _rules_of(parts, one):
        properties = rule.event.get_value("properties")
        value = properties.get_value("value") if isinstance(properties, MappingNode) else None
        if isinstance(value, Scalar):
            yield value.place


def _positive(event_type: str) -> str:
    what = "what was paid back" if event_type == "refund" else "what was paid"
    return f"the value of a {event_type} is {what}, and positive"
