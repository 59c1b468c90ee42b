"""Reads an object of a mapping file key by key: each mistake becomes a problem at its place, and reading continues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from bridge.core.suggestions import suggest_nearest
from bridge.mapping.expressions.parser import ExpressionError, parse_expression
from bridge.yaml.document import IN_QUOTES, MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

Entries = dict[str, tuple[Scalar, Node]]


class ObjectReader:
    """The entries of one object, whose keys are known."""

    def __init__(self, node: Node, table: MappingNode | None, problems: Problems, *, what: str) -> None:
        self._node = node
        self._table = table
        self._problems = problems
        self._what = what

    @classmethod
    def read_object(cls, node: Node, keys: Sequence[str], problems: Problems, *, what: str) -> Self:
        """The object in `node`; other keys than `keys` are reported."""
        if not isinstance(node, MappingNode):
            problems.add_error(node.place, f"{what} must be an object")
            return cls(node, None, problems, what=what)
        for key, entry in node.entries.items():
            if key not in keys:
                problems.add_error(entry.key.place, _unknown_key(key, keys, node))
        return cls(node, node, problems, what=what)

    def read_node(self, key: str, *, needed: bool = False) -> Node | None:
        """The value under a key, whatever it is; a bare key counts as missing."""
        found = self._table.get_value(key) if self._table else None
        if isinstance(found, Scalar) and found.value is None:
            found = None
        if found is None and needed and self._table is not None:
            self._problems.add_error(self._node.place, f"{self._what} needs `{key}`")
        return found

    def read_scalar(self, key: str, *, needed: bool = False) -> Scalar | None:
        """A single value under a key."""
        node = self.read_node(key, needed=needed)
        if node is None or isinstance(node, Scalar):
            return node
        self._problems.add_error(node.place, f"{key} must be a single value")
        return None

    def read_text(self, key: str, *, needed: bool = False) -> str | None:
        """A text under a key, as it is written."""
        scalar = self.read_scalar(key, needed=needed)
        if scalar is None:
            return None
        if scalar.is_expression or not scalar.text:
            self._problems.add_error(scalar.place, f"{key} must be a plain text")
            return None
        return scalar.text

    def read_expression(self, key: str, *, needed: bool = False) -> Scalar | None:
        """An expression under a key."""
        scalar = self.read_scalar(key, needed=needed)
        if scalar is None or scalar.is_expression:
            return scalar
        self._problems.add_error(scalar.place, f"{key} must be an expression, which begins with `=`")
        return None

    def read_expressions(self, key: str, *, needed: bool = False) -> list[Scalar]:
        """One expression or a list of expressions under a key."""
        node = self.read_node(key, needed=needed)
        found: list[Scalar] = []
        for item in () if node is None else node.items if isinstance(node, SequenceNode) else (node,):
            if isinstance(item, Scalar) and item.is_expression:
                found.append(item)
            else:
                self._problems.add_error(item.place, f"{key} must be an expression, which begins with `=`")
        return found

    def read_scalars(self, key: str, *, needed: bool = False) -> list[Scalar]:
        """One value or a list of values under a key."""
        node = self.read_node(key, needed=needed)
        return [] if node is None else self.as_list(node)

    def as_list(self, node: Node) -> list[Scalar]:
        """The values of a list, or a single value as a list of one."""
        items = node.items if isinstance(node, SequenceNode) else (node,)
        found: list[Scalar] = []
        for item in items:
            if isinstance(item, Scalar) and item.text and not item.is_expression:
                found.append(item)
            else:
                self._problems.add_error(item.place, "must be a plain text")
        return found

    def read_items(self, key: str, *, needed: bool = False) -> tuple[Node, ...]:
        """The items of a list under a key."""
        node = self.read_node(key, needed=needed)
        if node is None or isinstance(node, SequenceNode):
            return node.items if node else ()
        self._problems.add_error(node.place, f"{key} must be a list")
        return ()

    def read_entries(self, key: str) -> Entries:
        """The entries of an object under a key, with any keys."""
        node = self.read_node(key)
        if node is None or isinstance(node, MappingNode):
            return {name: (entry.key, entry.value) for name, entry in node.entries.items()} if node else {}
        self._problems.add_error(node.place, f"{key} must be an object")
        return {}


def _unknown_key(key: str, known: Sequence[str], table: MappingNode) -> str:
    """The message for a key that nothing knows: perhaps the rest of an expression that a comma in `{…}` cut off."""
    if any(is_cut_short(entry.value) for entry in table.entries.values()):
        return f"unknown key '{key}'; if it belongs to an expression, {IN_QUOTES}"
    return f"unknown key '{key}'{suggest_nearest(key, known)}"


def is_cut_short(node: Node) -> bool:
    """Whether YAML took something off the end of an expression without which it is none."""
    if not isinstance(node, Scalar) or not node.is_expression or not node.is_cut:
        return False
    try:
        parse_expression(node.expression)
    except ExpressionError:
        return True
    return False
