"""Prints the tree of an expression, or a path that was read, as text for people.

The text means the same; its spaces and parentheses may differ from what was written.
"""

from __future__ import annotations

import re

from bridge.core import json_text
from bridge.mapping.expressions.parser import ExpressionNode

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMPARATORS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_JOINED = {"or_expression": "||", "and_expression": "&&", "pipe": "|"}
_ATOMS = frozenset({"field", "literal", "function_expression", "not_expression", "current"})
_PROJECTIONS = frozenset({"projection", "value_projection", "filter_projection", "not_expression"})
_LOOSE = frozenset({*_JOINED, "comparator"})
"""Kinds that are in parentheses inside of another part."""


def print_expression(node: ExpressionNode) -> str:  # noqa: C901, PLR0911  one case for each kind of node
    """The text of an expression."""
    match node.kind:
        case "field":
            return print_name(node.value)
        case "current" | "identity":
            return "@"
        case "literal":
            return _print_literal(node)
        case "function_expression":
            return f"{node.value}({', '.join(map(print_expression, node.children))})"
        case "expref":
            return f"&{print_expression(node.children[0])}"
        case "not_expression":
            [what] = node.children
            return f"!{print_expression(what)}" if what.kind in _ATOMS else f"!({print_expression(what)})"
        case "comparator":
            one, other = map(_parenthesise, node.children)
            return f"{one} {_COMPARATORS[node.value]} {other}"
        case "or_expression" | "and_expression" | "pipe":
            return _join_operands(node)
        case "multi_select_list":
            return f"[{', '.join(map(print_expression, node.children))}]"
        case "multi_select_dict":
            return (
                "{"
                + ", ".join(f"{print_name(pair.value)}: {print_expression(pair.children[0])}" for pair in node.children)
                + "}"
            )
        case _:
            return _print_path(node)


def print_name(text: str) -> str:
    """A field's name, in double quotes where it needs them."""
    return text if _PLAIN.fullmatch(text) else json_text.write_json(text).decode()


def print_step(node: ExpressionNode) -> str:
    """What follows a value: `.sku`, `[0]`, nothing for the value itself."""
    match node.kind:
        case "identity" | "current":
            return ""
        case "index":
            return f"[{node.value}]"
        case "slice":
            first, last, by = ("" if part is None else str(part) for part in node.value)
            return f"[{first}:{last}:{by}]" if by else f"[{first}:{last}]"
        case _:
            text = print_expression(node)
            return text if text.startswith("[") and node.kind != "multi_select_list" else f".{text}"


def _print_path(node: ExpressionNode) -> str:
    match node.kind:
        case "index" | "slice":
            return print_step(node)
        case "projection":
            base, each = node.children
            return f"{_print_base(base)}{'' if _is_projection(base) else '[*]'}{print_step(each)}"
        case "value_projection":
            base, each = node.children
            return f"{_print_base(base)}.*{print_step(each)}".removeprefix(".")
        case "filter_projection":
            base, each, condition = node.children
            return f"{_print_base(base)}[?{print_expression(condition)}]{print_step(each)}"
        case "flatten":
            return f"{_print_base(node.children[0])}[]"
        case _:  # subexpression, index_expression
            first, *rest = node.children
            return (_print_base(first) + "".join(map(print_step, rest))).removeprefix(".")


def _print_base(node: ExpressionNode) -> str:
    if node.kind == "identity":
        return ""
    return f"({print_expression(node)})" if node.kind in _PROJECTIONS else _parenthesise(node)


def _is_projection(base: ExpressionNode) -> bool:
    """Whether what is projected says so by itself: `[]` and slices."""
    return base.kind == "flatten" or (base.kind == "index_expression" and base.children[-1].kind == "slice")


def _join_operands(node: ExpressionNode) -> str:
    one, other = node.children
    left = print_expression(one) if one.kind == node.kind else _parenthesise(one)
    return f"{left} {_JOINED[node.kind]} {_parenthesise(other)}"


def _parenthesise(node: ExpressionNode) -> str:
    return f"({print_expression(node)})" if node.kind in _LOOSE else print_expression(node)


def _print_literal(node: ExpressionNode) -> str:
    if isinstance(node.value, str):
        escaped = node.value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    written = json_text.write_json(node.value).decode().replace("`", "\\`")
    return f"`{written}`"
