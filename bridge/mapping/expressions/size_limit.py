"""How many times an expression may repeat what it reads: a bound that holds for every document.

`[@, @] | [@, @] | …` doubles with every step. Amounts of text are bounded while they are built.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from bridge.mapping.expressions.parser import ExpressionNode, child_parts

MOST_REPETITIONS = 1_000
"""What an expression may evaluate to, in copies of what the webhook holds."""

_SUMS = frozenset({"multi_select_list", "multi_select_dict", "function_expression"})
_ONE_OF = frozenset({"or_expression", "and_expression"})
_SMALL = frozenset({"literal", "comparator", "not_expression"})


def growth_bound(node: ExpressionNode, of_name: Callable[[str], int]) -> int:
    """At most how many copies of what it reads `node` holds; `of_name` says it for names at the outermost level."""
    if node.kind == "field":
        return of_name(node.value)
    if node.kind in _SMALL or not node.children:
        return 1
    each = [growth_bound(child, of_name if same_level else _read_once) for child, same_level in child_parts(node)]
    if node.kind in _SUMS:
        return min(MOST_REPETITIONS + 1, sum(each))
    if node.kind in _ONE_OF:
        return max(each)
    return min(MOST_REPETITIONS + 1, math.prod(each))


def _read_once(_name: str) -> int:
    return 1
