"""The tree of an expression becomes text again: how one part of it, or a path that was read, is named to people.

What is spelt means what the part means; its spaces and parentheses may differ from what was written. Not concerned
with values.
"""

from __future__ import annotations

import re

from bridge.core import json_text
from bridge.mapping.expressions.parser import Node

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMPARATORS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_JOINED = {"or_expression": "||", "and_expression": "&&", "pipe": "|"}
_ATOMS = frozenset({"field", "literal", "function_expression", "not_expression", "current"})
_PROJECTIONS = frozenset({"projection", "value_projection", "filter_projection", "not_expression"})
_LOOSE = frozenset({*_JOINED, "comparator"})
"""Kinds that stand in parentheses inside of another part."""


def spelt(node: Node) -> str:  # noqa: C901, PLR0911  one case for each kind of node
    """The text of an expression."""
    match node.kind:
        case "field":
            return name(node.value)
        case "current" | "identity":
            return "@"
        case "literal":
            return _literal(node)
        case "function_expression":
            return f"{node.value}({', '.join(map(spelt, node.children))})"
        case "expref":
            return f"&{spelt(node.children[0])}"
        case "not_expression":
            [what] = node.children
            return f"!{spelt(what)}" if what.kind in _ATOMS else f"!({spelt(what)})"
        case "comparator":
            one, other = map(_tight, node.children)
            return f"{one} {_COMPARATORS[node.value]} {other}"
        case "or_expression" | "and_expression" | "pipe":
            return _joined(node)
        case "multi_select_list":
            return f"[{', '.join(map(spelt, node.children))}]"
        case "multi_select_dict":
            return "{" + ", ".join(f"{name(pair.value)}: {spelt(pair.children[0])}" for pair in node.children) + "}"
        case _:
            return _path(node)


def name(text: str) -> str:
    """A field's name, in double quotes where it needs them."""
    return text if _PLAIN.fullmatch(text) else json_text.write(text).decode()


def step(node: Node) -> str:
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
            text = spelt(node)
            return text if text.startswith("[") and node.kind != "multi_select_list" else f".{text}"


def _path(node: Node) -> str:
    match node.kind:
        case "index" | "slice":
            return step(node)
        case "projection":
            base, each = node.children
            return f"{_base(base)}{'' if _spreads(base) else '[*]'}{step(each)}"
        case "value_projection":
            base, each = node.children
            return f"{_base(base)}.*{step(each)}".removeprefix(".")
        case "filter_projection":
            base, each, condition = node.children
            return f"{_base(base)}[?{spelt(condition)}]{step(each)}"
        case "flatten":
            return f"{_base(node.children[0])}[]"
        case _:  # subexpression, index_expression
            first, *rest = node.children
            return (_base(first) + "".join(map(step, rest))).removeprefix(".")


def _base(node: Node) -> str:
    if node.kind == "identity":
        return ""
    return f"({spelt(node)})" if node.kind in _PROJECTIONS else _tight(node)


def _spreads(base: Node) -> bool:
    """Whether what is projected says so by itself: `[]` and slices."""
    return base.kind == "flatten" or (base.kind == "index_expression" and base.children[-1].kind == "slice")


def _joined(node: Node) -> str:
    one, other = node.children
    left = spelt(one) if one.kind == node.kind else _tight(one)
    return f"{left} {_JOINED[node.kind]} {_tight(other)}"


def _tight(node: Node) -> str:
    return f"({spelt(node)})" if node.kind in _LOOSE else spelt(node)


def _literal(node: Node) -> str:
    if isinstance(node.value, str):
        escaped = node.value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    written = json_text.write(node.value).decode().replace("`", "\\`")
    return f"`{written}`"
