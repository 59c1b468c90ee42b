"""Reads a YAML file as a tree in which every node knows its place.

It is read as YAML 1.2 core from the parser's events, so that what is too large, too deep or too often repeated is
refused before it is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import yaml

from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.yaml import scalars
from bridge.yaml.indentation import indentation_hint
from bridge.yaml.nodes import MappingEntry, MappingNode, Node, Scalar, SequenceNode, SourceText, plain_value
from bridge.yaml.problems import Problems

__all__ = [
    "IN_QUOTES",
    "MOST_BYTES",
    "MappingEntry",
    "MappingNode",
    "Node",
    "Scalar",
    "SequenceNode",
    "plain_value",
    "read_document",
]

MOST_BYTES = 1 << 20
DEEPEST = 64
MOST_ALIASES = 20
MOST_NODES = 100_000
"""Nodes of a file, each repeated part counted each time."""

_TOO_DEEP = f"nested over {DEEPEST} deep"
_NO_ANCHOR = "the alias repeats nothing that stands before it; a text that begins with `*` needs quotes"
IN_QUOTES = "put the expression in quotes"
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_BARE_EXPRESSION = re.compile(r"(?:^|[:\-,\[{]\s+|[\[{])=[^\s=]")
_TROUBLE = re.compile(r": |\s#|[\[\]{}\"'],|:$")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_document(
    text: str | bytes, *, name: str, problems: Problems, texts_only: bool = False, may_be_empty: bool = False
) -> Node | None:
    """The tree of a file; None, with a problem, where it cannot be read at all.

    With `texts_only` every scalar is a text, and no problem repeats a value or the name of an alias, either of which
    may be a secret. A file without a document is a problem unless it `may_be_empty`.
    """
    top = SourceLocation(name, 1, 1)
    if len(text) > MOST_BYTES:
        problems.add_error(top, "the file is over 1 MiB")
        return None
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        problems.add_error(top, f"not UTF-8: the byte at offset {error.start} fits no character")
        return None
    file = SourceText(name, decoded.removeprefix("\ufeff"))
    odd = _UNREADABLE.search(file.text)
    if odd:
        problems.add_error(
            file.location_of(odd.start()), f"the character U+{ord(odd[0]):04X} must be escaped in double quotes"
        )
        return None
    composer = _Composer(file, problems, texts_only=texts_only)
    try:
        root = composer.compose_tree(yaml.parse(file.text, Loader=_LOADER))
    except _DocumentRefused as refusal:
        problems.add_error(refusal.place, refusal.text)
    except yaml.MarkedYAMLError as error:
        problems.add_error(*_unreadable_problem(file, error))
    else:
        if root is None and not may_be_empty:
            problems.add_error(top, "the file is empty")
        return root
    return None


def _unreadable_problem(file: SourceText, error: yaml.MarkedYAMLError) -> tuple[SourceLocation, str]:
    mark = error.problem_mark or error.context_mark
    deep = _beyond_the_deepest(file, mark.index if mark else 0)
    if deep is not None:
        return deep, _TOO_DEEP
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    what = f"not YAML: {error.problem or error.context}"
    begun = error.context_mark.line + 1 if error.context_mark and "flow" in (error.context or "") else line
    if begun != line:
        what += f"; what opens in line {begun} is not closed"
    elif not _has_unquoted_expression(file.line_text(line)) and (
        hint := indentation_hint([file.line_text(number) for number in range(1, line + 1)], error.problem or "")
    ):
        what += hint
    elif "tab" not in what and (
        _BARE_EXPRESSION.search(file.line_text(line)) or _has_unquoted_expression(file.line_text(line - 1))
    ):
        what += f"; {IN_QUOTES}"
    return SourceLocation(file.name, line, column), what


def _beyond_the_deepest(file: SourceText, end: int) -> SourceLocation | None:
    """Where what is before `end` is nested too deep; None where it is not.

    The scanner reads ahead, and has a deepest level of its own: it may give up before the parser says of any.
    """
    depth = 0
    with suppress(yaml.YAMLError):
        for event in yaml.parse(file.text[:end], Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                return file.location_of(event.start_mark.index if event.start_mark else 0)
    return None


def _has_unquoted_expression(line: str) -> bool:
    """Whether a line holds an expression without quotes that may be what YAML trips over in the next."""
    found = _BARE_EXPRESSION.search(line)
    return found is not None and _TROUBLE.search(line, found.end()) is not None


class _DocumentRefused(Exception):
    def __init__(self, place: SourceLocation, text: str) -> None:
        super().__init__(text)
        self.place = place
        self.text = text


@dataclass(slots=True)
class _OpenCollection:
    """A collection whose end has not come yet."""

    start: int
    anchor: str | None
    is_table: bool
    in_flow: bool
    nodes: list[Node] = field(default_factory=list)
    size: int = 1


class _Composer:
    """Builds the tree from events; refuses what is beyond the limits as soon as it shows."""

    def __init__(self, file: SourceText, problems: Problems, *, texts_only: bool) -> None:
        self._file = file
        self._problems = problems
        self._texts_only = texts_only
        self._open: list[_OpenCollection] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._aliases = 0
        self._size = 0
        self._root: Node | None = None

    def compose_tree(self, events: Iterator[yaml.Event]) -> Node | None:
        documents = 0
        for event in events:
            start = event.start_mark.index if event.start_mark else 0
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    self._check_directives(event, start, documents)
                case yaml.AliasEvent():
                    node, size = self._compose_alias(event, start)
                    self._count_nodes(size, start)
                    self._add_node(node, size)
                case yaml.ScalarEvent():
                    self._compose_scalar(event, start)
                case yaml.CollectionStartEvent():
                    self._begin_collection(event, start)
                case yaml.CollectionEndEvent():
                    self._end_collection()
                case _:
                    pass
        return self._root

    def _check_directives(self, event: yaml.DocumentStartEvent, start: int, documents: int) -> None:
        if documents > 1:
            raise _DocumentRefused(self._file.location_of(start), "a second document; a file is one")
        if event.version and tuple(event.version) != (1, 2):
            raise _DocumentRefused(self._file.location_of(start), "the file is read as YAML 1.2; leave `%YAML` out")

    def _compose_alias(self, event: yaml.AliasEvent, start: int) -> tuple[Node, int]:
        place = self._file.location_of(start)
        self._aliases += 1
        if self._aliases > MOST_ALIASES:
            raise _DocumentRefused(place, f"over {MOST_ALIASES} aliases; write the values out")
        if any(each.anchor == event.anchor for each in self._open):
            raise _DocumentRefused(place, "the alias stands inside what it repeats")
        if event.anchor not in self._anchors:
            raise _DocumentRefused(place, _NO_ANCHOR)
        return self._anchors[event.anchor]

    def _compose_scalar(self, event: yaml.ScalarEvent, start: int) -> None:
        end = event.end_mark.index if event.end_mark else start
        style = event.style or ""
        style = "" if style == ":" else style
        start = self._content_start(start, event)
        place = self._file.location_of(start)
        self._refuse_tag(event.tag, place)
        value: Json = event.value
        is_key = bool(self._open) and self._open[-1].is_table and len(self._open[-1].nodes) % 2 == 0
        if style == "" and not is_key and not self._texts_only:
            try:
                value = scalars.resolve_scalar(event.value)
            except ValueError as error:
                self._problems.add_error(place, str(error))
        in_flow = bool(self._open) and self._open[-1].in_flow
        node = Scalar(self._file, value, event.value, start, end, style, in_flow)
        if event.anchor:
            self._anchors[event.anchor] = node, 1
        self._count_nodes(1, start)
        self._add_node(node, 1)

    def _content_start(self, start: int, event: yaml.ScalarEvent) -> int:
        """Where the scalar itself begins: an anchor and a tag may be before it."""
        if not event.anchor and not event.tag:
            return start
        found = re.compile(r"(?:[&!]\S*\s+)*").match(self._file.text, start)
        return found.end() if found else start

    def _begin_collection(self, event: yaml.CollectionStartEvent, start: int) -> None:
        place = self._file.location_of(start)
        self._refuse_tag(event.tag, place)
        if len(self._open) >= DEEPEST:
            raise _DocumentRefused(place, _TOO_DEEP)
        if self._open and self._open[-1].is_table and len(self._open[-1].nodes) % 2 == 0:
            raise _DocumentRefused(place, "a key must be text")
        is_table = isinstance(event, yaml.MappingStartEvent)
        self._open.append(_OpenCollection(start, event.anchor, is_table, bool(event.flow_style)))

    def _end_collection(self) -> None:
        done = self._open.pop()
        place = self._file.location_of(done.start)
        node: Node = (
            MappingNode(place, self._make_entries(done.nodes))
            if done.is_table
            else SequenceNode(place, tuple(done.nodes))
        )
        if done.anchor:
            self._anchors[done.anchor] = node, done.size
        self._count_nodes(1, done.start)
        self._add_node(node, done.size)

    def _make_entries(self, nodes: list[Node]) -> dict[str, MappingEntry]:
        entries: dict[str, MappingEntry] = {}
        for key, value in zip(nodes[::2], nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise _DocumentRefused(key.place, "a key must be text")
            if key.text in entries:
                first = entries[key.text].key.place
                self._problems.add_error(key.place, f"the key '{key.text}' stands twice, first in line {first.line}")
                continue
            entries[key.text] = MappingEntry(key, value)
        return entries

    def _refuse_tag(self, tag: str | None, place: SourceLocation) -> None:
        if tag is not None:
            self._problems.add_error(place, "a tag has no meaning here; write the value plain, or in quotes")

    def _count_nodes(self, more: int, start: int) -> None:
        self._size += more
        if self._size > MOST_NODES:
            text = f"holds over {MOST_NODES:,} values, repeated ones counted each time"
            raise _DocumentRefused(self._file.location_of(start), text)

    def _add_node(self, node: Node, size: int) -> None:
        if self._open:
            self._open[-1].nodes.append(node)
            self._open[-1].size += size
        else:
            self._root = node
