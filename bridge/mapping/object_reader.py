"""Reads an object of a mapping file key by key, expressions and lists of texts among its values."""

from __future__ import annotations

from collections.abc import Collection

from bridge.mapping.expressions.parser import ExpressionError, parse_expression
from bridge.yaml.document import IN_QUOTES, Node, Scalar, SequenceNode
from bridge.yaml.key_reader import KeyReader


class ObjectReader(KeyReader):
    """The entries of one object of a mapping."""

    def read_text(self, key: str, *, needed: bool = False) -> str | None:
        """A text under a key, as it is written."""
        scalar = self.read_scalar(key, needed=needed)
        if scalar is None:
            return None
        if scalar.is_expression or not scalar.text:
            self.problems.add_error(scalar.place, f"{key} must be a plain text")
            return None
        return scalar.text

    def read_expression(self, key: str, *, needed: bool = False) -> Scalar | None:
        """An expression under a key."""
        scalar = self.read_scalar(key, needed=needed)
        if scalar is None or scalar.is_expression:
            return scalar
        self.problems.add_error(scalar.place, f"{key} must be an expression, which begins with `=`")
        return None

    def read_expressions(self, key: str, *, needed: bool = False) -> list[Scalar]:
        """One expression or a list of expressions under a key."""
        node = self.read_node(key, needed=needed)
        found: list[Scalar] = []
        for item in () if node is None else node.items if isinstance(node, SequenceNode) else (node,):
            if isinstance(item, Scalar) and item.is_expression:
                found.append(item)
            else:
                self.problems.add_error(item.place, f"{key} must be an expression, which begins with `=`")
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
                self.problems.add_error(item.place, "must be a plain text")
        return found

    def _unknown_key(self, key: str, known: Collection[str]) -> str:
        """The message for a key that nothing knows: perhaps the rest of an expression that a comma in `{…}` cut off."""
        if self._table is not None and any(is_cut_short(entry.value) for entry in self._table.entries.values()):
            return f"unknown key '{key}'; if it belongs to an expression, {IN_QUOTES}"
        return super()._unknown_key(key, known)


def is_cut_short(node: Node) -> bool:
    """Whether YAML took something off the end of an expression without which it is none."""
    if not isinstance(node, Scalar) or not node.is_expression or not node.is_cut:
        return False
    try:
        parse_expression(node.expression)
    except ExpressionError:
        return True
    return False
