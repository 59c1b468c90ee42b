"""A document as numbered lines that say at which path they are: for the panes that show bodies and events. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import parse_qsl

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.http.console.masking import Path, is_below, named_key, shown_key, shown_text

MOST_LINES = 2000
DEEPEST = 11
"""The last depth that has an indent of its own."""


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line: its depth, the key that it begins with, what follows, and what it ends with.

    `kind` is how it looks: `s` a text, `i` a number, `x` a word of JSON, `mask` a masked value, `` a bracket.
    """

    path: Path
    depth: int
    key: str | None
    text: str
    kind: str
    end: str = ""


def read_body(content: bytes) -> Json:
    """A body as a document: JSON, or the fields of a form; None for any other."""
    try:
        return json_text.parse_json(content, strict=False)
    except ValueError:
        pass
    try:
        fields = parse_qsl(content.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=1000)
    except ValueError:
        return None
    return dict(reversed(fields))  # the first of a field's values is what a mapping reads


def document_lines(document: Json, *, private: Collection[Path] | None = ()) -> tuple[DocumentLine, ...]:
    """The lines of a document, masked, also at the paths `private`; at most MOST_LINES, and then one that says so.

    Where `private` is None they are in clear.
    """
    lines: list[DocumentLine] = []
    for line in _lines_of(document, (), (), {}, None, private):
        if len(lines) == MOST_LINES:
            lines.append(DocumentLine((), 0, None, "more lines are not shown", "x"))
            break
        lines.append(line)
    return tuple(lines)


def _lines_of(  # noqa: PLR0913, PLR0917  where it is, twice: as it is, and as elements are named
    value: Json, path: Path, named: Path, around: Mapping[str, Json], key: str | None, private: Collection[Path] | None
) -> Iterator[DocumentLine]:
    depth = min(len(path), DEEPEST)
    match value:
        case dict() if value:
            yield DocumentLine(path, depth, key, "{", "")
            for at, (name, below) in enumerate(value.items(), start=1):
                inner = (*named, named_key(value, name))
                lines = _lines_of(
                    below, (*path, name), inner, value, name if private is None else shown_key(name), private
                )
                yield from _ended(lines, "," if at < len(value) else "")
            yield DocumentLine(path, depth, None, "}", "")
        case list() if value:
            yield DocumentLine(path, depth, key, "[", "")
            for place, below in enumerate(value):
                lines = _lines_of(below, (*path, place), (*named, place), around, None, private)
                yield from _ended(lines, "," if place + 1 < len(value) else "")
            yield DocumentLine(path, depth, None, "]", "")
        case dict() | list():
            yield DocumentLine(path, depth, key, "{}" if isinstance(value, dict) else "[]", "x")
        case None | True | False:
            yield DocumentLine(path, depth, key, {None: "null", True: "true", False: "false"}[value], "x")
        case str():
            shown = _shown_value(path, named, value, around, private)
            yield DocumentLine(path, depth, key, f'"{shown}"', "s" if shown == value else "mask")
        case _:
            shown = _shown_value(path, named, value, around, private)
            yield DocumentLine(path, depth, key, shown, "i" if shown == str(value) else "mask")


def _shown_value(
    path: Path, named: Path, value: str | int | Decimal, around: Mapping[str, Json], private: Collection[Path] | None
) -> str:
    return str(value) if private is None else shown_text(named, value, around, private=is_below(path, private))


def _ended(lines: Iterator[DocumentLine], end: str) -> Iterator[DocumentLine]:
    """The lines, the last one with what separates it from the next value."""
    held: DocumentLine | None = None
    for line in lines:
        if held is not None:
            yield held
        held = line
    if held is not None:
        yield DocumentLine(held.path, held.depth, held.key, held.text, held.kind, end)
