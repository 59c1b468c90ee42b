"""Where a line that YAML cannot place would fit: at the columns of the lines above that are still open."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DASHES = re.compile(r" *(?:- +)*")
_MISPLACED = ("'-' indicator", "expected key", "mapping values are not allowed")
_EMPTY = re.compile(r" *(?:#.*)?$")


def indentation_hint(lines: Sequence[str], problem: str) -> str:
    """The column at which the last of these lines would fit, after a semicolon; empty where that is not its trouble."""
    *above, last = lines
    if not any(words in problem for words in _MISPLACED) or not last.strip():
        return ""
    here = len(last) - len(last.lstrip(" "))
    written = [line for line in above if not _EMPTY.match(line)]
    keys, dashes = _open_columns(written)
    columns = dashes if last.lstrip().startswith("- ") else keys
    if not columns or here in columns or (here > max(columns) and written[-1].rstrip().endswith(":")):
        return ""
    best = min(columns, key=lambda column: (abs(column - here), -column))
    return f"; its indentation fits no line above: begin it in column {best + 1}"


def _open_columns(lines: Sequence[str]) -> tuple[list[int], list[int]]:
    """The columns of the objects, and of the dashes of the lists, that are open after these lines."""
    keys: list[int] = []
    dashes: list[int] = []
    limit = None
    for line in reversed(lines):
        found = _DASHES.match(line)
        lead = found[0] if found else ""
        column = len(lead)
        if limit is None or column < limit:
            keys.append(column)
            limit = column
        for place in reversed([spot.start() for spot in re.finditer("-", lead)]):
            if place < limit:
                dashes.append(place)
                limit = place
        if limit == 0:
            break
    return keys, dashes
