"""Whether two rules tell one order under keys of which none is the same.

Within one source `dedupe` alone says what is a duplicate: an order id that both have joins only events of different
mappings and of callers of the track API.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from bridge.mapping.definition import MappingDefinition, Rule
from bridge.yaml.document import MappingNode, Scalar
from bridge.yaml.problems import Problems


def lint_duplicates(parts: MappingDefinition, advice: Problems) -> None:
    """Warn at each rule that names the order of an earlier one, and its conversion otherwise."""
    telling = [rule for rule in parts.rules if rule.dedupes and rule.remember is None and rule.defer_to is None]
    warned: set[int] = set()
    for first, second in combinations(telling, 2):
        if id(second) not in warned and _tells_the_same_order(first, second) and not _shares_key(first, second):
            warned.add(id(second))
            advice.add_warning(
                second.dedupes[0].place,
                f"the rule in line {first.place.line} tells the same event type of the same order_id under another "
                "`dedupe`: within one source `dedupe` alone decides, so an order that comes by both is told twice; "
                "give both a key that both webhooks have",
            )


def _tells_the_same_order(first: Rule, second: Rule) -> bool:
    mine, other = list(_order_of(first)), list(_order_of(second))
    return len(mine) > 1 and mine == other and first.topics != second.topics


def _shares_key(first: Rule, second: Rule) -> bool:
    return bool({key.text for key in first.dedupes} & {key.text for key in second.dedupes})


def _order_of(rule: Rule) -> Iterator[str]:
    """The event type of a rule and its order id, as they are written; less where it has none."""
    event_type, properties = rule.event.get_value("event_type"), rule.event.get_value("properties")
    order = properties.get_value("order_id") if isinstance(properties, MappingNode) else None
    for node in (event_type, order):
        if isinstance(node, Scalar):
            yield node.text
