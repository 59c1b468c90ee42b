"""The tree of a YAML file, in which every node knows its place."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from functools import cached_property

from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.yaml.positions import value_offsets


class SourceText:
    """The text of a file and the name it was given under."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer(r"\r\n|\n|\r", self.text))]

    def location_of(self, index: int) -> SourceLocation:
        """Line and column of the character at `index`."""
        line = bisect.bisect_right(self._line_starts, index)
        return SourceLocation(self.name, line, index - self._line_starts[line - 1] + 1)

    def rest_of_line(self, index: int) -> str:
        """What follows on the line from `index` on."""
        return re.split(r"[\r\n]", self.text[index:], maxsplit=1)[0]

    def line_text(self, number: int) -> str:
        """A line by its number, from 1."""
        return self.rest_of_line(self._line_starts[number - 1]) if 1 <= number <= len(self._line_starts) else ""


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One scalar. `value` is what it means, `text` what it says; `start` and `end` are where it is in the file."""

    file: SourceText
    value: Json
    text: str
    start: int
    end: int
    style: str = ""
    in_flow: bool = False

    @property
    def place(self) -> SourceLocation:
        """Where it begins."""
        return self.file.location_of(self.start)

    @property
    def is_expression(self) -> bool:
        """Whether it is an expression: a text that begins with one `=`."""
        return isinstance(self.value, str) and self.value.startswith("=") and not self.value.startswith("==")

    @property
    def expression(self) -> str:
        """The expression without its `=`."""
        return self.text[1:]

    @property
    def literal(self) -> Json:
        """The value of a scalar that is no expression: `==x` is the text `=x`."""
        return self.value[1:] if isinstance(self.value, str) and self.value.startswith("==") else self.value

    def location_at(self, offset: int) -> SourceLocation:
        """The place of the expression's character at `offset`, or of its end; below 0 that of the scalar."""
        if offset < 0:
            return self.place
        raw = self.file.text[self.start : self.end]
        found = value_offsets(raw, self.text, self.style)
        return self.file.location_of(self.start + found[min(offset + 1, len(found) - 1)])

    @property
    def is_cut(self) -> bool:
        """Whether YAML took something off its end that could have been meant as part of an expression."""
        rest = self.file.rest_of_line(self.end)
        comment = re.match(r"\s+#", rest) is not None
        return self.style == "" and (comment or (self.in_flow and rest.lstrip()[:1] in {",", "[", "]", "{", "}", ":"}))


@dataclass(frozen=True, slots=True, eq=False)
class SequenceNode:
    """A YAML sequence."""

    place: SourceLocation
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MappingNode:
    """A YAML mapping: keys are text, as written, each once."""

    place: SourceLocation
    entries: dict[str, MappingEntry]

    def get_value(self, key: str) -> Node | None:
        """The value under a key."""
        entry = self.entries.get(key)
        return entry.value if entry else None


Node = Scalar | SequenceNode | MappingNode


@dataclass(frozen=True, slots=True)
class MappingEntry:
    """A key with its value."""

    key: Scalar
    value: Node


def plain_value(node: Node) -> Json:
    """A node as plain Python, expressions as their text."""
    match node:
        case Scalar():
            return node.literal
        case SequenceNode():
            return [plain_value(item) for item in node.items]
        case MappingNode():
            return {key: plain_value(entry.value) for key, entry in node.entries.items()}
