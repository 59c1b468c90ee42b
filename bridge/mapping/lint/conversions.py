"""Whether a conversion makes sense.

It has a key, so that it counts once, whole amounts, and no misplaced personal data.

Only names can be judged before a webhook arrives, so all of these are warnings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from bridge.core.model import SourceLocation
from bridge.core.suggestions import nearest_word
from bridge.mapping.codegen.compiler import CompileInfo
from bridge.mapping.definition import MappingDefinition, Rule
from bridge.mapping.expressions.parser import PATHS
from bridge.mapping.expressions.parser import ExpressionNode as Tree
from bridge.mapping.language import REQUIRING
from bridge.mapping.lint import suggestions
from bridge.mapping.lint.fields import named_entries
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

_NEAR = 0.85
_MINOR = re.compile(r"(?:^|_)(?:cents?|minor|pence|subunits?|micros)(?:_|$)")
_MINOR_NAMES = frozenset({
    "amount_captured", "amount_due", "amount_paid", "amount_received", "amount_refunded", "amount_remaining",
    "amount_subtotal", "amount_total", "unit_amount",
})  # fmt: skip
_AMOUNTS = frozenset({("properties", "value"), ("properties", "items", "price")})
_SILENT = frozenset({"index", "slice", "identity"})
_SAME_AMOUNT = frozenset({"decimal", "total", "negate", "add", "subtract", "sum", "choose", "not_null", "abs"})
_SAME_PERSON = frozenset({"lower", "upper", "trim", "choose", "not_null", "first_name", "last_name", "e164"})


class PathEnd(NamedTuple):
    """A part of an expression, and the scalar that it is in."""

    scalar: Scalar
    tree: Tree

    def part_at(self, tree: Tree) -> PathEnd:
        """Another part of the same expression."""
        return PathEnd(self.scalar, tree)

    @property
    def field_name(self) -> str:
        """The field's name, where it is one."""
        return str(self.tree.value)

    @property
    def place(self) -> SourceLocation:
        """Where it is."""
        return self.scalar.location_at(self.tree.at)


class ConversionLint:
    """Looks at one rule."""

    def __init__(self, parts: MappingDefinition, compile_info: CompileInfo, advice: Problems) -> None:
        self._parts = parts
        self._compile_info = compile_info
        self._advice = advice

    def lint_rule(self, rule: Rule) -> None:
        """Tell what a conversion lacks, and what is where it does not belong."""
        self._event_type(rule)
        properties = rule.event.get_value("properties")
        if isinstance(properties, MappingNode):
            for path, key, node in _iter_leaves(properties, ("properties",)):
                self._check_personal(path, key, node)
                self._check_amount(path, node)

    # ------------------------------------------------------------------------------------------------ event types

    def _event_type(self, rule: Rule) -> None:
        node = rule.event.get_value("event_type")
        if not isinstance(node, Scalar) or node.is_expression or not isinstance(node.literal, str):
            return
        name = node.literal
        if name in REQUIRING and rule.dedupe is None:
            told = "told under two topics it would count twice; name it, as `dedupe: =body.id` does"
            self._advice.add_warning(rule.place, f"a {name} without `dedupe`: {told}")
        if name in suggestions.EVENT_TYPES:
            return
        plain = suggestions.to_snake_case(name)
        near = nearest_word(plain, suggestions.EVENT_TYPES, cutoff=_NEAR)
        if near:
            self._advice.add_warning(
                node.place, f"event_type '{name}' is none that the contract names; did you mean '{near}'?"
            )

    # ------------------------------------------------------------------------------------------------------ people

    def _check_personal(self, path: suggestions.Path, key: Scalar, node: Scalar) -> None:
        told = "`user_data`, where it is hashed before it goes to an ad platform"
        if suggestions.is_personal(path[-1]):
            self._advice.add_warning(
                key.place, f"personal data under {suggestions.format_path(path)}; it belongs under {told}"
            )
            return
        for end in self._path_ends(node, _SAME_PERSON):
            if suggestions.is_personal(end.field_name):
                what = f"`{end.field_name}` is personal data, and goes under {suggestions.format_path(path)}"
                self._advice.add_warning(end.place, f"{what}; it belongs under {told}")

    # ----------------------------------------------------------------------------------------------------- amounts

    def _check_amount(self, path: suggestions.Path, node: Scalar) -> None:
        if path not in _AMOUNTS or not node.is_expression:
            return
        found = [end for end in self._path_ends(node, _SAME_AMOUNT) if _is_minor(end.field_name)]
        for end in found:
            self._advice.add_warning(
                end.place,
                f"`{end.field_name}` looks like an amount in a currency's smallest unit; write `from_minor(…, "
                "currency)`",
            )
        if not found and self._parts.units is not None and not self._is_converted(node, frozenset()):
            self._advice.add_warning(
                node.place, "the mapping has `minor_units`, and this amount goes through no from_minor()"
            )

    def _is_converted(self, node: Node, seen: frozenset[str]) -> bool:
        """Whether what a node says, or a name that it reads, calls from_minor(); a constant needs not."""
        match node:
            case Scalar() if node.is_expression:
                tree = self._compile_info.trees.get(node)
                return tree is None or tree.kind == "literal" or self._tree_converts(tree, seen)
            case Scalar():
                return False
            case SequenceNode():
                return any(self._is_converted(item, seen) for item in node.items)
            case MappingNode():
                return any(self._is_converted(entry.value, seen) for entry in node.entries.values())

    def _tree_converts(self, tree: Tree, seen: frozenset[str]) -> bool:
        if tree.kind == "function_expression" and tree.value == "from_minor":
            return True
        if tree.kind == "field" and tree.value in self._parts.lets and tree.value not in seen:
            return self._is_converted(self._parts.lets[tree.value][1], seen | {tree.value})
        return any(self._tree_converts(child, seen) for child in tree.children)

    # ------------------------------------------------------------------------------------------- where paths end

    def _path_ends(self, node: Scalar, same: frozenset[str], seen: frozenset[str] = frozenset()) -> Iterator[PathEnd]:
        """The last field of each path whose value an expression passes on; `same` functions change little of it."""
        tree = self._compile_info.trees.get(node) if node.is_expression else None
        if tree is not None:
            yield from self._tree_ends(PathEnd(node, tree), same, seen, outermost=True)

    def _tree_ends(
        self, here: PathEnd, same: frozenset[str], seen: frozenset[str], *, outermost: bool
    ) -> Iterator[PathEnd]:
        tree = here.tree
        match tree.kind:
            case "field" if outermost and tree.value in self._parts.lets:
                let = self._parts.lets[tree.value][1]
                if isinstance(let, Scalar) and tree.value not in seen:
                    yield from self._path_ends(let, same, seen | {tree.value})
            case "field":
                yield here
            case "or_expression" | "multi_select_list":
                for child in tree.children:
                    yield from self._tree_ends(here.part_at(child), same, seen, outermost=outermost)
            case "and_expression":
                yield from self._tree_ends(here.part_at(tree.children[-1]), same, seen, outermost=outermost)
            case "function_expression" if tree.value in same:
                for child in tree.children[1 if tree.value == "choose" else 0 :]:
                    yield from self._tree_ends(here.part_at(child), same, seen, outermost=outermost)
            case kind if kind in PATHS:
                yield from self._last_steps(here, same, seen, outermost=outermost)

    def _last_steps(
        self, here: PathEnd, same: frozenset[str], seen: frozenset[str], *, outermost: bool
    ) -> Iterator[PathEnd]:
        """What the last step of a path that says something ends with: an index says nothing."""
        steps = here.tree.children if here.tree.kind == "subexpression" else here.tree.children[:2]
        for place in reversed(range(len(steps))):
            step = steps[place]
            if step.kind in _SILENT:
                continue
            found = list(self._tree_ends(here.part_at(step), same, seen, outermost=outermost and place == 0))
            yield from found
            if found or step.kind not in PATHS:
                return


def _is_minor(name: str) -> bool:
    plain = suggestions.to_snake_case(name)
    return plain in _MINOR_NAMES or _MINOR.search(plain) is not None


def _iter_leaves(node: Node, path: suggestions.Path) -> Iterator[tuple[suggestions.Path, Scalar, Scalar]]:
    """Every single value below a node: its path, its key, and itself. Elements of lists have the list's path."""
    match node:
        case MappingNode() if "for_each" in node.entries:
            each = node.get_value("map")
            if each is not None:
                yield from _iter_leaves(each, path)
        case MappingNode():
            for name, entry in named_entries(node):
                if isinstance(entry.value, Scalar):
                    yield (*path, name), entry.key, entry.value
                else:
                    yield from _iter_leaves(entry.value, (*path, name))
        case SequenceNode():
            for item in node.items:
                yield from _iter_leaves(item, path)
        case Scalar():
            pass
