"""Where in a webhook's document a traced value comes from: the path of the very value, and all that was read. Pure.

A value has an exact path where the evaluator handed it on as it was read: by a plain path, through names and through
the alternative that was taken, or as the document's own object. That another path holds the same value says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.core.json_text import Json
from bridge.mapping.tools.body_paths import DocumentPaths, Path, read_steps, value_at
from bridge.mapping.tools.tracer import Trace


@dataclass(frozen=True, slots=True)
class ValueOrigin:
    """`exact` is the path of the very value, None for one that was made; `read` are the paths that were read."""

    exact: Path | None = None
    read: tuple[Path, ...] = ()


@dataclass(slots=True)
class OriginFinder:
    """Finds origins in one webhook's document; what a name of `let` comes from is found once."""

    paths: DocumentPaths
    _known: dict[int, tuple[Trace, ValueOrigin]] = field(default_factory=dict)

    def find_origin(self, working: Trace) -> ValueOrigin:
        """Where a value comes from."""
        if id(working) not in self._known:
            read = tuple(dict.fromkeys(self._read_paths(working)))
            exact = self._plain_path(working)
            if exact is None:
                exact = self._object_path(working.value, read)
            self._known[id(working)] = working, ValueOrigin(exact, read)
        return self._known[id(working)][1]

    def _plain_path(self, working: Trace) -> Path | None:
        """The path that was read, where nothing else was done."""
        found = None if working.origin is None else self._follow(working.origin, working)
        if found is None or not found[1]:
            return None
        value = value_at(self.paths.document, found[0])
        return found[0] if value is not None and is_like(value, working.value) else None

    def _object_path(self, value: Json, read: tuple[Path, ...]) -> Path | None:
        """Where the object is that the value is, if that was read and nothing else that was read is like it."""
        path = self.paths.find_object(value)
        if path is None or not any(path[: len(one)] == one for one in read):
            return None
        if isinstance(value, (dict, list)):
            return path
        alike = {
            below
            for one in read
            for below, leaf in _leaves(value_at(self.paths.document, one), one)
            if leaf.__class__ is value.__class__ and leaf == value
        }
        return path if len(alike) == 1 else None

    def _read_paths(self, working: Trace) -> Iterator[Path]:
        """What an expression read, by itself, through names and as elements of lists; nothing that was not there."""
        for read in working.reads:
            found = self._follow(read.path, working)
            if found is not None and self._holds(found[0]):
                yield found[0]
        for behind in (*(name.working for name in working.names), *working.loops):
            origin = self.find_origin(behind)
            yield from (path for path in origin.read if path != origin.exact)

    def _follow(self, text: str, working: Trace) -> tuple[Path, bool] | None:
        """The path that a text names, through names of `let`, and whether that is all of it; None for no document's."""
        steps, whole = read_steps(text)
        root = steps[0] if steps else None
        if root == "body" and self.paths.body is not None:
            return (*self.paths.body, *steps[1:]), whole
        if root == "request":
            return steps[1:], whole
        named = f"{root}.{steps[1]}" if root == "webhook" and len(steps) > 1 else root
        length = 2 if named != root else 1
        for name in working.names:
            if name.name == named:
                exact = self.find_origin(name.working).exact
                return None if exact is None else ((*exact, *steps[length:]), whole)
        return next(filter(None, (self._follow(text, loop) for loop in working.loops)), None)

    def _holds(self, path: Path) -> bool:
        return value_at(self.paths.document, path) is not None


def is_like(one: Json, other: Json) -> bool:
    """Whether two values are the same, but perhaps for a number that is text."""
    if isinstance(one, (dict, list, bool)) or isinstance(other, (dict, list, bool)):
        return bool(one == other)
    return str(one) == str(other)


def _leaves(value: Json, path: Path) -> Iterator[tuple[Path, Json]]:
    match value:
        case dict():
            for key, below in value.items():
                yield from _leaves(below, (*path, key))
        case list():
            for place, below in enumerate(value):
                yield from _leaves(below, (*path, place))
        case _:
            yield path, value
