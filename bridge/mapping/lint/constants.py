"""Names that are the same in every event: all conversions after the first would be its duplicates, and stay unsaid."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.mapping.codegen.compiler import CompileInfo
from bridge.mapping.codegen.expression_compiler import UNREADABLE
from bridge.mapping.definition import MappingDefinition, Rule
from bridge.mapping.expressions.parser import ExpressionNode as Tree
from bridge.mapping.expressions.parser import child_parts
from bridge.mapping.language import REQUIRING
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

_FIXED = frozenset({"source"})
_VARYING_WEBHOOK = frozenset({"", "id", "received_at", "occurred_at"})
_PURCHASES = frozenset({"purchase", "subscription"})


class ConstantLint:
    """Looks at what identifies the conversion of each rule, and at the sign of its amount."""

    def __init__(self, parts: MappingDefinition, compile_info: CompileInfo, advice: Problems) -> None:
        self._parts = parts
        self._trees = compile_info.trees
        self._advice = advice

    def lint_rule(self, rule: Rule) -> None:
        """Tell a dedupe key or an order id that is the same for all, and a purchase that is negative."""
        own = {rule.loop.name} if rule.loop else set[str]()
        if rule.dedupe is not None:
            self._check_key(rule.dedupe, own)
        kind, order, value = (_find_scalar(rule.event, *path) for path in _LOOKED_AT)
        event_type = kind.value if kind is not None else None
        if order is not None and event_type in REQUIRING and not self._varies(order, own, frozenset()):
            told = "the order id is the same in every event: all orders after the first would be its duplicates"
            self._advice.add_error(order.place, f"{told}; write what names the order, as `=body.id`")
        if value is not None and event_type in _PURCHASES and self._is_negative(value):
            told = f"a {event_type} has a positive value; money that goes back is a `refund`, positive too"
            self._advice.add_warning(value.place, told)

    def _check_key(self, key: Scalar, own: set[str]) -> None:
        if not self._varies(key, own, frozenset()):
            told = "the key is the same in every event: all conversions after the first would be its duplicates"
            self._advice.add_error(key.place, f"{told}; write what names the conversion, as `=body.id`")
        elif own and not self._reads_any(key, own):
            name = next(iter(own))
            told = f"the key is the same for each {name}: all after the first would be its duplicates"
            self._advice.add_error(key.place, f"{told}; write what names one of them, as `={name}.id`")

    def _varies(self, node: Node, own: set[str], seen: frozenset[str]) -> bool:
        """Whether what a node becomes may differ between two webhooks of one topic."""
        return any(self._name_varies(name, field, own, seen) for name, field in self._outer_names(node))

    def _name_varies(self, name: str, field: str, own: set[str], seen: frozenset[str]) -> bool:
        let = f"webhook.{field}" if name == "webhook" else name
        behind = (
            self._parts.expressions.get(field) if name == "webhook" else self._parts.lets.get(name, (None, None))[1]
        )
        if behind is not None:
            return let not in seen and self._varies(behind, own, seen | {let})
        if name == "webhook":
            return field in _VARYING_WEBHOOK
        return name not in _FIXED  # a name that nobody knows is an error of its own

    def _reads_any(self, node: Node, names: set[str]) -> bool:
        return any(name in names for name, _ in self._outer_names(node))

    def _outer_names(self, node: Node) -> Iterator[tuple[str, str]]:
        """Each name of the outermost level that the expressions in a node read, and the field that follows it."""
        match node:
            case Scalar():
                tree = self._trees.get(node)
                if tree is not None and tree is UNREADABLE:
                    yield "", ""
                yield from _tree_names(tree) if tree is not None else ()
            case SequenceNode():
                for item in node.items:
                    yield from self._outer_names(item)
            case MappingNode():
                for entry in node.entries.values():
                    yield from self._outer_names(entry.value)

    def _is_negative(self, value: Scalar) -> bool:
        if not value.is_expression:
            return isinstance(value.literal, int) and value.literal < 0
        tree = self._trees.get(value)
        return tree is not None and tree.kind == "function_expression" and tree.value == "negate"


_LOOKED_AT = (("event_type",), ("properties", "order_id"), ("properties", "value"))


def _find_scalar(node: Node | None, *path: str) -> Scalar | None:
    """The single value at a path of an event; None where there is another or none."""
    for step in path:
        node = node.get_value(step) if isinstance(node, MappingNode) and "for_each" not in node.entries else None
    return node if isinstance(node, Scalar) and node.value not in (None, "") else None


def _tree_names(tree: Tree) -> Iterator[tuple[str, str]]:
    if tree.kind == "field":
        yield str(tree.value), ""
        return
    first = tree.children[0] if tree.kind == "subexpression" else None
    if first is not None and first.kind == "field":
        second = tree.children[1]
        yield str(first.value), str(second.value) if second.kind == "field" else ""
        return
    for child, same_level in child_parts(tree):
        if same_level:
            yield from _tree_names(child)
