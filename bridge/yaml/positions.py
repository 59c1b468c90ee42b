"""The position of each character of a YAML scalar in the file, through quotes, escapes, folded lines and indentation.

Characters that are not white space are in the raw text in the same order as in the value, one for one or as an escape.
So both are walked together, and folding, which only changes white space, needs no rules here.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_BREAK = re.compile(r"\\(?:\r\n|\n|\r)[ \t]*")
_HEADER = re.compile(r"[|>][^\r\n]*(?:\r\n|\n|\r)?")
_WHITE = " \t\r\n"
_WHITE_ESCAPES = ("n", "t", "r", " ", "\t", "x20", "x09", "x0a", "x0A", "x0d", "x0D", "u0020", "u000a", "u0009")


def value_offsets(raw: str, value: str, style: str) -> list[int]:
    """For each character of `value`, and for its end, the offset in `raw`, which begins with the scalar."""
    here = _content_start(raw, style)
    found: list[int] = []
    for character in value:
        if character in _WHITE:
            here = _past_breaks(raw, here, style)
            found.append(here)
            here += _white_width(raw, here, style)
        else:
            here = _skip_white(raw, here, style)
            found.append(here)
            here += _character_width(raw, here, style)
    return [*found, min(here, len(raw))]


def _content_start(raw: str, style: str) -> int:
    if style in ("|", ">"):
        header = _HEADER.match(raw)
        return header.end() if header else 0
    return 1 if style else 0


def _white_width(raw: str, here: int, style: str) -> int:
    """How far one white character of the value reaches in the raw text."""
    if here >= len(raw):
        return 0
    if raw[here] in _WHITE:
        return 1
    escape = _ESCAPE.match(raw, here) if style == '"' else None
    return len(escape[0]) if escape and escape[0][1:] in _WHITE_ESCAPES else 0


def _past_breaks(raw: str, here: int, style: str) -> int:
    """Past escaped line breaks."""
    while style == '"' and (found := _BREAK.match(raw, here)):
        here = found.end()
    return here


def _skip_white(raw: str, here: int, style: str) -> int:
    """Past white space that the value does not have."""
    while here < len(raw):
        if raw[here] in _WHITE:
            here += 1
            continue
        after = _past_breaks(raw, here, style)
        if after == here:
            break
        here = after
    return here


def _character_width(raw: str, here: int, style: str) -> int:
    """How many raw characters one character of the value takes."""
    if style == '"' and (escape := _ESCAPE.match(raw, here)):
        return len(escape[0])
    return 2 if style == "'" and raw.startswith("''", here) else 1
