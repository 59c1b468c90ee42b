"""What JMESPath allows and hardly anybody means, each with its remedy."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import NamedTuple

from bridge.mapping.expressions.parser import PATHS, ExpressionNode, child_parts

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAKERS = frozenset({"multi_select_list", "multi_select_dict", "function_expression"})
_WORDS = frozenset({"null", "true", "false"})


class Pitfall(NamedTuple):
    """A part of an expression that is probably not what was meant; `certain` where it cannot be."""

    at: int
    text: str
    certain: bool = False


def find_pitfalls(node: ExpressionNode, roots: Container[str], *, outermost: bool = True) -> Iterator[Pitfall]:
    """The traps in a tree. `roots` are the names that the outermost level knows."""
    yield from _pitfalls_here(node, outermost=outermost)
    for place, (child, same_level) in enumerate(child_parts(node)):
        inside = outermost and same_level
        if not same_level and _begins_scope(node, place):
            yield from _stray_roots(child, roots)
        yield from find_pitfalls(child, roots, outermost=inside)


def _pitfalls_here(node: ExpressionNode, *, outermost: bool) -> Iterator[Pitfall]:
    if node.kind in PATHS and node.children[0].kind == "not_expression":
        at = node.children[0].at
        yield Pitfall(at, "`!a.b` means `(!a).b`, which is null: write `!(a.b)`, or ``a.b == `false` ``", certain=True)
    if node.kind == "filter_projection" and _indexes_each(node.children[1]):
        yield Pitfall(node.at, "`[?…][0]` takes the index of each element: write `[?…] | [0]`")
    if node.kind == "literal" and node.loose:
        yield Pitfall(node.at, "backticks hold JSON: write text as `'…'`")
    if node.kind == "field" and node.value in _WORDS and not node.quoted and not outermost:
        yield Pitfall(node.at, f"`{node.value}` is a field's name here: write it in backticks")
    if node.kind == "comparator" and not outermost:
        yield from _quoted_pitfalls(node)


def _quoted_pitfalls(node: ExpressionNode) -> Iterator[Pitfall]:
    for place, child in enumerate(node.children):
        if child.kind == "field" and child.quoted and (place == 1 or _NAME.fullmatch(child.value)):
            yield Pitfall(child.at, f"\"{child.value}\" in double quotes is a field's name: write '{child.value}'")


def _indexes_each(each: ExpressionNode) -> bool:
    while each.kind in PATHS:
        if each.kind == "index_expression" and each.children[0].kind == "identity":
            return each.children[1].kind == "index"
        each = each.children[0]
    return False


def _begins_scope(node: ExpressionNode, place: int) -> bool:
    """Whether names of a part are the element's though they look like roots: after dots nobody would think so."""
    match node.kind:
        case "filter_projection":
            return place == 2  # noqa: PLR2004  the condition
        case "pipe":
            return place > 0
        case "expref":
            return True
        case _:
            return place > 0 and node.children[place].kind in _MAKERS


def _stray_roots(node: ExpressionNode, roots: Container[str]) -> Iterator[Pitfall]:
    """Names of roots where only the element's names are known."""
    if node.kind == "field" and not node.quoted and node.value in roots:
        yield Pitfall(
            node.at,
            f"`{node.value}` is the element's field here, not the root: bring the value in with for_each, "
            f"or write `@.{node.value}` if the field is meant",
        )
    last = 1 if node.kind in PATHS or node.kind == "expref" else len(node.children)
    for child in node.children[:last]:
        if child.kind != "expref":
            yield from _stray_roots(child, roots)
