"""What a mapping says that loads and is still hardly meant: each slip at its place, with its mend.

What cannot come out right is an error, what is suspicious a warning. `lint` needs the mapping alone, `unread` its
examples too. Not concerned with what keeps a mapping from compiling: layout and compiler tell that.
"""

from __future__ import annotations

from bridge.mapping.codegen.compiler import Learnt
from bridge.mapping.definition import Layout
from bridge.mapping.lint.conversions import Sense
from bridge.mapping.lint.fields import Fields
from bridge.mapping.lint.unread_paths import Sample, unread
from bridge.mapping.problems import Problems

__all__ = ["Sample", "lint", "unread"]


def lint(parts: Layout, learnt: Learnt, problems: Problems, advice: Problems) -> None:
    """Hold every event that the rules build to the contract, and to what a conversion needs.

    Errors go to `problems`, warnings to `advice`.
    """
    for rule in parts.rules:
        Fields(learnt, problems, advice).look(rule)
        Sense(parts, learnt, advice).look(rule)
