"""A Python module while it is generated: functions, constants, and lines that know their place in the mapping.

By that place an error at run time finds its line and column in the mapping, at no cost while nothing fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, TracebackType
from typing import Any

from bridge.yaml.document import Scalar

DEEPEST = 20
"""Levels of indentation after which code moves to a function of its own; CPython takes 100, and 20 nested loops."""

Spot = tuple[Scalar, int] | None
"""A scalar of the mapping and an offset in the expression that it holds."""

_NOTHING: list[tuple[str, Spot]] = [("  return None", None)]
"""The body of a function that has no lines."""


@dataclass(slots=True)
class FunctionCodes:
    """The code of the functions that were compiled last, at most `most`: 12 KB each, with their source.

    Without `most` none is kept: it is for a process that compiles a text again and again while somebody edits it.
    CPython takes a third of what compiling a mapping takes, and most functions are what they were before.
    """

    most: int = 0
    _kept: dict[tuple[str, str], CodeType] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def compile_function(self, source: str, file_name: str) -> CodeType:
        """The code of a function, as if it were a file's first."""
        code = self._kept.pop((source, file_name), None) or compile(source, file_name, "exec")
        self._kept[source, file_name] = code
        while len(self._kept) > self.most:
            del self._kept[next(iter(self._kept))]
        return code


FUNCTION_CODES = FunctionCodes()
"""Those of this process."""


def _move_code(code: CodeType, lines: int) -> CodeType:
    """The same code that many lines further down."""
    inside = tuple(_move_code(each, lines) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_firstlineno=code.co_firstlineno + lines, co_consts=inside)


@dataclass(slots=True)
class FunctionBody:
    """One Python function: its lines, which values are at hand in the block being written, how many names it has."""

    name: str
    parameters: str
    names: int = 0
    lines: list[tuple[str, Spot]] = field(default_factory=list)
    indent: int = 1
    known: list[dict[object, str]] = field(default_factory=lambda: [{}])


class ModuleCode:
    """A Python module being written. `owner` is the scalar that lines are written for."""

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.owner: Scalar | None = None
        self.constants: dict[str, object] = {}
        self._finished: list[FunctionBody] = []
        self._bodies: list[FunctionBody] = []
        self._outside = FunctionBody("f0", "")
        self._globals = 0
        self._constant_names: dict[int, str] = {}

    # ------------------------------------------------------------------------------------------------- writing

    def fresh_name(self, prefix: str = "t") -> str:
        """A name that nothing else has, counted by functions: an edit of one leaves the code of others as it was."""
        body = self._bodies[-1] if self._bodies else self._outside
        body.names += 1
        return f"{prefix}{body.names}_{body.name}"

    def emit_line(self, text: str, at: int = 0) -> None:
        """One line, standing for the owner's character at `at`."""
        body = self._bodies[-1]
        body.lines.append(("  " * body.indent + text, (self.owner, at) if self.owner else None))

    def assign_value(self, text: str, at: int = 0) -> str:
        """One line that gives a fresh name to a value."""
        name = self.fresh_name()
        self.emit_line(f"{name} = {text}", at)
        return name

    @contextmanager
    def standing_for(self, owner: Scalar | None) -> Iterator[None]:
        """Lines that are written for another scalar."""
        before, self.owner = self.owner, owner
        yield
        self.owner = before

    @contextmanager
    def open_block(self, header: str, at: int = 0) -> Iterator[None]:
        """An indented block; what becomes known in it is forgotten after it."""
        self.emit_line(header, at)
        body = self._bodies[-1]
        body.indent += 1
        body.known.append({})
        yield
        body.known.pop()
        body.indent -= 1

    @contextmanager
    def open_function(self, parameters: str, *, name: str | None = None) -> Iterator[str]:
        """A function of its own, outside of the one being written."""
        body = FunctionBody(name or self._global_name("f"), parameters)
        self._bodies.append(body)
        yield body.name
        self._bodies.pop()
        self._finished.append(body)

    def add_constant(self, value: object, prefix: str = "K") -> str:
        """A name for an object of the compiler's."""
        name = self._constant_names.get(id(value))
        if name is None:
            name = self._constant_names[id(value)] = self._global_name(prefix)
            self.constants[name] = value
        return name

    def _global_name(self, prefix: str) -> str:
        self._globals += 1
        return f"{prefix}{self._globals}"

    # ------------------------------------------------------------------------------------------- what is at hand

    def known_name(self, key: object) -> str | None:
        """The name of a value that is at hand here."""
        for layer in reversed(self._bodies[-1].known):
            if key in layer:
                return layer[key]
        return None

    def note_known(self, key: object, name: str) -> str:
        """From here to the end of the block, `key` is at hand as `name`."""
        self._bodies[-1].known[-1][key] = name
        return name

    @property
    def is_deep(self) -> bool:
        """Whether what comes next should be a function of its own."""
        return self._bodies[-1].indent > DEEPEST

    # ------------------------------------------------------------------------------------------------- finishing

    def compile_module(self, names: Mapping[str, object]) -> CompiledModule:
        """Compile what was written, with `names` at hand.

        Function by function: the compiler's own trees of a whole mapping are many MB, which a process would not give
        back.
        """
        namespace: dict[str, Any] = {**names, **self.constants}
        lines: list[str] = []
        spots: list[Spot] = []
        for body in self._finished:
            written = [f"def {body.name}({body.parameters}):", *(text for text, _ in body.lines or _NOTHING)]
            code = _move_code(FUNCTION_CODES.compile_function("\n".join(written), self.file_name), len(lines))
            exec(code, namespace)  # noqa: S102  the source is written above, from a parsed tree; no text of a mapping is code
            lines += written
            spots += [None, *(spot for _, spot in body.lines or _NOTHING)]
        return CompiledModule("\n".join(lines) + "\n", self.file_name, namespace, tuple(spots))


@dataclass(frozen=True, slots=True)
class CompiledModule:
    """A finished module: its source, its functions by name, and the place that each line represents."""

    source: str
    file_name: str
    namespace: Mapping[str, Any]
    spots: tuple[Spot, ...]

    def get_function(self, name: str) -> Callable[..., Any]:
        """One of its functions."""
        found: Callable[..., Any] = self.namespace[name]
        return found

    def find_place(self, traceback: TracebackType | None) -> Spot:
        """The place of the innermost line of this module that a failure came through."""
        found: Spot = None
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == self.file_name:
                found = self.spots[traceback.tb_lineno - 1] or found
            traceback = traceback.tb_next
        return found
