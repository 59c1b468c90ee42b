"""Where the values of a webhook's document are: by the object that a value is, and as paths are written. Pure.

An expression that hands a value on hands on the very object that was read, so the object says where a value is from,
however it was selected. Texts of one letter, small numbers and words of JSON are one object wherever they are.
"""

from __future__ import annotations

import re

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.mapping.expressions.printer import print_name

Path = tuple[str | int, ...]
_STEP = re.compile(r'\.?([A-Za-z_][A-Za-z0-9_]*)|\.?("(?:[^"\\]|\\.)*")|\[([0-9]+)\]')
_SHORTEST = 2


class DocumentPaths:
    """The paths of a request's document, and of the part of it that is `body`: the whole, unless it was split."""

    def __init__(self, document: Json, body: Json) -> None:
        self.document = document
        self._paths: dict[int, Path | None] = {}
        self._note_objects()
        self.body: Path | None = () if body is document else self.find_object(body)

    def _note_objects(self) -> None:
        waiting: list[tuple[Path, Json]] = [((), self.document)]
        while waiting:
            path, value = waiting.pop()
            if _is_one_of_its_kind(value):
                self._paths[id(value)] = None if id(value) in self._paths else path
            match value:
                case dict():
                    waiting += [((*path, key), below) for key, below in value.items()]
                case list():
                    waiting += [((*path, place), below) for place, below in enumerate(value)]

    def find_object(self, value: Json) -> Path | None:
        """Where this very object is; None for what was made, and where that cannot be known."""
        return self._paths.get(id(value)) if _is_one_of_its_kind(value) else None

    def write_path(self, path: Path) -> str:
        """A path as an expression has it: `body.items[0]`."""
        start = self.body or ()
        inside = path[: len(start)] == start
        steps = path[len(start) :] if inside else path
        written = (f"[{step}]" if isinstance(step, int) else f".{print_name(step)}" for step in steps)
        return ("body" if inside else "request") + "".join(written)


def _is_one_of_its_kind(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) >= _SHORTEST
    return value is not None and not isinstance(value, int)


def read_steps(text: str) -> tuple[Path, bool]:
    """A path's name and its steps, up to what selects or computes, and whether that is all of it."""
    at, steps = 0, list[str | int]()
    while found := _STEP.match(text, at):
        quoted = str(json_text.parse_json(found[2])) if found[2] is not None else found[1]
        steps.append(int(found[3]) if found[3] is not None else quoted)
        at = found.end()
    return tuple(steps), at == len(text)


def value_at(document: Json, path: Path) -> Json:
    """What is at a path; None where there is nothing."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return None
            document = document[step]
        elif not isinstance(document, dict) or step not in document:
            return None
        else:
            document = document[step]
    return document
