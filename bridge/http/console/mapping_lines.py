"""A mapping's text as lines, those that had no hand in an event folded. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

LONGEST = 400
"""Characters of a line that are shown."""


@dataclass(frozen=True, slots=True)
class MappingLine:
    """A line with its number, its depth, and the numbers of the fields it went into; or how many lines are folded."""

    number: int
    depth: int
    text: str
    fields: str = ""
    folded: int = 0


def failed_line(reason: str | None, name: str) -> int | None:
    """The line of the mapping that a reason begins with; None where it begins with no place in that file."""
    found = re.match(rf"{re.escape(name)}:([0-9]{{1,6}}):", reason or "")
    return int(found[1]) if found else None


def mapping_lines(text: str, used: Collection[int], fields: Mapping[int, tuple[int, ...]]) -> list[MappingLine]:
    """The used lines and those that continue them; where lines are left out, one that says how many."""
    lines = text.splitlines()
    kept = _with_continuations(lines, used)
    shown: list[MappingLine] = []
    left_out = 0
    for number, line in enumerate(lines, start=1):
        if number not in kept:
            left_out += 1
            continue
        if left_out:
            shown.append(MappingLine(number, 0, "", folded=left_out))
        left_out = 0
        own = fields.get(kept[number], ())
        depth = min((len(line) - len(line.lstrip())) // 2, 11)
        shown.append(MappingLine(number, depth, line.strip()[:LONGEST], " ".join(f"f{one}" for one in own)))
    if left_out:
        shown.append(MappingLine(len(lines), 0, "", folded=left_out))
    return shown


def _with_continuations(lines: list[str], used: Collection[int]) -> dict[int, int]:
    """Each line that is shown, and the used line that it belongs to: what is indented more continues a block text."""
    kept: dict[int, int] = {}
    for first in sorted(used):
        if not 0 < first <= len(lines):
            continue
        kept[first] = first
        if lines[first - 1].rstrip().endswith((">", "|", ">-", "|-")):
            indent = _indent(lines[first - 1])
            for number in range(first + 1, len(lines) + 1):
                if lines[number - 1].strip() and _indent(lines[number - 1]) <= indent:
                    break
                if lines[number - 1].strip():
                    kept[number] = first
    return kept


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
