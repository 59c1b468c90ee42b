"""Paths that no example has: each expression is evaluated over the bodies of its topics' examples.

All branches are taken at once: both sides of `||`, every element of a list. A field is reported where an example has
the object around it and none has the field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.json_text import Json
from bridge.core.suggestions import suggest_nearest
from bridge.mapping.codegen.compiler import CompileInfo
from bridge.mapping.definition import MappingDefinition, Rule
from bridge.mapping.engine.topics import matches_topic
from bridge.mapping.expressions.parser import ExpressionNode as Tree
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

_SAME = frozenset({"not_null", "merge", "to_array", "reverse", "sort", "sort_by", "max_by", "min_by", "choose"})
"""Functions whose result is made of what their arguments hold."""

_MOST_TOPICS = 2
Values = list[Json]


@dataclass(frozen=True, slots=True)
class ExampleWebhook:
    """One webhook of an example: its topic, its body, and the whole request's."""

    topic: str | None
    body: Json
    request: Json


@dataclass(slots=True)
class _FieldSighting:
    """What was seen where one field of an expression looks: the names there, and whether its own was among them."""

    found: bool = False
    names: set[str] = field(default_factory=set)
    topics: set[str] = field(default_factory=set)


def lint_unread_paths(
    parts: MappingDefinition, compile_info: CompileInfo, samples: Sequence[ExampleWebhook], problems: Problems
) -> None:
    """Tell each field below `body` that no sample of its topics has."""
    seen: dict[tuple[Scalar, Tree], _FieldSighting] = {}
    for sample in samples:
        walk = _SampleWalk(parts, compile_info, sample, seen)
        for rule in parts.rules:
            if _takes_topic(rule, sample.topic):
                walk.walk_rule(rule)
    for (scalar, tree), sighting in seen.items():
        if not sighting.found and sighting.names:
            problems.add_warning(scalar.location_at(tree.at), _describe_unread(str(tree.value), sighting))


def _describe_unread(name: str, sighting: _FieldSighting) -> str:
    mend = suggest_nearest(name, sorted(sighting.names))
    return f"`{name}` occurs in no example of {_list_topics(sorted(sighting.topics))}{mend}"


def _list_topics(topics: Sequence[str]) -> str:
    if len(topics) > _MOST_TOPICS:
        return f"{topics[0]} and {len(topics) - 1} other topics"
    return " and ".join(topics) or "this mapping"


def _takes_topic(rule: Rule, topic: str | None) -> bool:
    return rule.topics is None or (topic is not None and any(matches_topic(pattern, topic) for pattern in rule.topics))


class _SampleWalk:
    """One sample, walked by the rules that take its topic."""

    def __init__(
        self,
        parts: MappingDefinition,
        compile_info: CompileInfo,
        sample: ExampleWebhook,
        seen: dict[tuple[Scalar, Tree], _FieldSighting],
    ) -> None:
        self._parts = parts
        self._compile_info = compile_info
        self._sample = sample
        self._seen = seen
        self._lets: dict[str, Values] = {}
        self._visited: set[int] = set()
        self._roots: Mapping[str, Values] = {"body": [sample.body], "request": [sample.request]}

    def walk_rule(self, rule: Rule) -> None:
        """Walk every expression of a rule."""
        names = {rule.loop.name: _list_elements(self._walk_scalar(rule.loop.source, {}))} if rule.loop else {}
        looked_up = [each.dedupes for each in (rule.recall, rule.defer_to) if each is not None]
        conditions = [condition.test for condition in rule.when]
        for scalar in (*conditions, *rule.dedupes, *(scalar for each in looked_up for scalar in each)):
            self._walk_scalar(scalar, names)
        self._visit_node(rule.event, names)

    def _visit_node(self, node: Node, names: Mapping[str, Values]) -> None:
        """Walk a node whose value nobody asks for; what rules share by an alias, and no loop is around, once."""
        if not names and id(node) in self._visited:
            return
        if not names:
            self._visited.add(id(node))
        match node:
            case SequenceNode():
                for item in node.items:
                    self._visit_node(item, names)
            case MappingNode() if "for_each" not in node.entries:
                for entry in node.entries.values():
                    self._visit_node(entry.value, names)
            case _:
                self._walk_node(node, names)

    def _walk_node(self, node: Node, names: Mapping[str, Values]) -> Values:
        match node:
            case Scalar():
                return self._walk_scalar(node, names)
            case SequenceNode():
                return [[value] for item in node.items for value in self._walk_node(item, names)]
            case MappingNode() if "for_each" in node.entries:
                return self._walk_for_each(node, names)
            case MappingNode():
                made = {key: self._walk_node(entry.value, names) for key, entry in node.entries.items()}
                return [{key: values[0] for key, values in made.items() if values}]

    def _walk_for_each(self, node: MappingNode, names: Mapping[str, Values]) -> Values:
        name, source = node.get_value("for_each"), node.get_value("in")
        if not isinstance(name, Scalar) or not isinstance(source, Scalar):
            return []
        inside = {**names, name.text: _list_elements(self._walk_scalar(source, names))}
        parts = (node.get_value("when"), node.get_value("map"))
        found = [self._walk_node(part, inside) for part in parts if part is not None]
        return [found[-1]] if found else []

    def _walk_scalar(self, scalar: Scalar, names: Mapping[str, Values]) -> Values:
        if not scalar.is_expression:
            return [scalar.literal]
        tree = self._compile_info.trees.get(scalar)
        return self._walk_outermost(scalar, tree, names) if tree is not None else []

    # ------------------------------------------------------------------------------------------------ expressions

    def _walk_outermost(self, scalar: Scalar, tree: Tree, names: Mapping[str, Values]) -> Values:
        return _ExpressionValues(self, scalar, names).values(tree, None)

    def root_values(self, name: str, names: Mapping[str, Values]) -> Values:
        """What a name at the outermost level may represent; nothing where that is not known."""
        if name in names:
            return names[name]
        if name in self._parts.lets:
            if name not in self._lets:
                self._lets[name] = []
                self._lets[name] = self._walk_node(self._parts.lets[name][1], {})
            return self._lets[name]
        return self._roots.get(name, [])

    def look_up_field(self, scalar: Scalar, tree: Tree, value: dict[str, Json]) -> Values:
        """A field of an object, noted as seen or not."""
        sighting = self._seen.get((scalar, tree))
        if sighting is None:
            sighting = self._seen[scalar, tree] = _FieldSighting()
        sighting.names.update(value)
        sighting.topics |= {self._sample.topic} if self._sample.topic else set()
        if tree.value not in value:
            return []
        sighting.found = True
        return [value[tree.value]]


@dataclass(frozen=True, slots=True)
class _ExpressionValues:
    """One expression over one sample. The current values are None at the outermost level."""

    walk: _SampleWalk
    scalar: Scalar
    names: Mapping[str, Values]

    def values(self, tree: Tree, current: Values | None) -> Values:
        """Everything that a part may evaluate to."""
        match tree.kind:
            case "field":
                return self._field(tree, current)
            case "subexpression" | "index_expression" | "pipe":
                return self._steps(tree, current)
            case "projection" | "flatten" | "value_projection" | "filter_projection":
                return self._projected(tree, current)
            case "function_expression":
                return self._call(tree, current)
            case "multi_select_list" | "multi_select_dict":
                return [self._made(tree, current)]
            case _:
                return self._plain(tree, current)

    def _field(self, tree: Tree, current: Values | None) -> Values:
        if current is None:
            return self.walk.root_values(tree.value, self.names)
        return [
            found for value in _only_objects(current) for found in self.walk.look_up_field(self.scalar, tree, value)
        ]

    def _plain(self, tree: Tree, current: Values | None) -> Values:
        """What is a value by itself, or an element of the current ones; conditions are looked at for their paths."""
        match tree.kind:
            case "literal":
                return [tree.value]
            case "identity" | "current":
                return current or []
            case "index" | "slice":
                found = _list_elements(current or [])
                return found if tree.kind == "index" else [found]
            case "or_expression":
                return self._all(tree.children, current)
            case "and_expression":
                self.values(tree.children[0], current)
                return self.values(tree.children[1], current)
            case _:
                self._all(tree.children, current)
                return []

    def _made(self, tree: Tree, current: Values | None) -> Json:
        if tree.kind == "multi_select_list":
            return self._all(tree.children, current)
        return {child.value: _merge_values(self.values(child.children[0], current)) for child in tree.children}

    def _all(self, parts: Iterable[Tree], current: Values | None) -> Values:
        return [value for part in parts for value in self.values(part, current)]

    def _steps(self, tree: Tree, current: Values | None) -> Values:
        for step in tree.children:
            current = self.values(step, current)
        return current or []

    def _projected(self, tree: Tree, current: Values | None) -> Values:
        base = self.values(tree.children[0], current)
        if tree.kind == "flatten":
            return [[inner for item in _list_elements(base) for inner in (item if isinstance(item, list) else [item])]]
        inside = list(_field_values(base)) if tree.kind == "value_projection" else _list_elements(base)
        for condition in tree.children[2:]:
            self.values(condition, inside)
        return [self.values(tree.children[1], inside)]

    def _call(self, tree: Tree, current: Values | None) -> Values:
        arguments = self._all((child for child in tree.children if child.kind != "expref"), current)
        elements = _list_elements(arguments)
        mapped = [self.values(child.children[0], elements) for child in tree.children if child.kind == "expref"]
        if tree.value == "map":
            return mapped[:1]
        if tree.value in {"max_by", "min_by"}:
            return elements
        return arguments if tree.value in _SAME else []


def _only_objects(values: Values) -> Iterator[dict[str, Json]]:
    return (value for value in values if isinstance(value, dict))


def _list_elements(values: Values) -> Values:
    return [element for value in values if isinstance(value, list) for element in value]


def _field_values(values: Values) -> Iterator[Json]:
    return (found for value in _only_objects(values) for found in value.values())


def _merge_values(values: Values) -> Json:
    """One value that represents several: an object with the fields of all, or the first of them."""
    objects = list(_only_objects(values))
    if len(objects) < 2:  # noqa: PLR2004  nothing to join
        return values[0] if values else None
    return {key: value for each in reversed(objects) for key, value in each.items()}
