"""The `event` of a rule becomes the Python that builds it: literals as they are, expressions worked out.

What comes out as nothing is left out, at every level. A failure below `user_data` or `context` leaves that field out
with a note. Not concerned with topics and conditions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from bridge.core.model import Place
from bridge.mapping.codegen.scope import Scope
from bridge.mapping.engine.context import Texts
from bridge.mapping.engine.module import Code
from bridge.mapping.language import NAME, SOFT, Path
from bridge.mapping.problems import Problems
from bridge.mapping.yaml.document import Node, Scalar, Series, Table
from bridge.mapping.yaml.reader import Sheet

_EACH = ("for_each", "in", "when", "map")


class Expressions(Protocol):
    """Who writes the expressions that stand in a template."""

    def write(self, scalar: Scalar, scope: Scope) -> tuple[str, frozenset[str]]:
        """The atom of what an expression comes to, and the types that it may have."""
        ...

    def condition(self, scalar: Scalar, scope: Scope) -> str:
        """Python that is true where an expression holds."""
        ...

    def can_fail(self, scalar: Scalar, scope: Scope) -> bool:
        """Whether working an expression out can fail."""
        ...


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value goes: under a key of an object that is being built, or to the end of a list."""

    target: str
    key: str | None = None

    def take(self, atom: str) -> str:
        """Python that puts an atom there."""
        return f"{self.target}.append({atom})" if self.key is None else f"{self.target}[{self.key!r}] = {atom}"

    def sift(self, atom: str, extra: str) -> str:
        """Python that puts what is something of an atom there."""
        return f"S.put{extra and '_texts'}({self.target}, {self.key!r}, {atom}{extra})"


@dataclass(slots=True)
class Template:
    """Writes one value after the other. `texts` are the paths whose whole numbers are text.

    `places` collects where each path stands in the file.
    """

    code: Code
    problems: Problems
    expressions: Expressions
    texts: frozenset[Path] = frozenset()
    places: dict[Path, Place] = field(default_factory=dict)

    def box(self, node: Series | Table, path: Path, scope: Scope) -> str:
        """The atom of the object or list that `node` comes to; an empty one, or None, is nothing."""
        self.places.setdefault(path, node.place)
        write = partial(self._box, node, path)
        if not self.code.deep:
            return write(scope)
        with self.code.function(scope.parameters) as name:
            self.code.emit(f"return {write(scope)}")
        return self.code.assign(f"{name}({scope.parameters})")

    def _box(self, node: Series | Table, path: Path, scope: Scope) -> str:
        match node:
            case Series():
                return self._series(node, path, scope)
            case Table() if "for_each" in node.entries:
                return self._each(node, path, scope)
            case Table():
                return self._table(node, path, scope)

    def _put(self, slot: Slot, node: Node, path: Path, scope: Scope) -> None:
        """The lines that put what `node` comes to in its place, unless it is nothing."""
        match node:
            case Scalar() if not node.is_expression:
                self._literal(slot, node, path)
            case Scalar() if path[:1] in SOFT and self.expressions.can_fail(node, scope):
                self._softly(path, lambda: self._expression(slot, node, path, scope))
            case Scalar():
                self._expression(slot, node, path, scope)
            case _:
                atom = self.box(node, path, scope)
                self.code.emit(f"if {atom}: {slot.take(atom)}")

    def _softly(self, path: Path, write: Callable[[], None]) -> None:
        """What `write` writes; where it cannot be worked out, it is left out with a note."""
        with self.code.block("try:"):
            write()
        self.code.emit(f"except Exception as error: S.leave_out({'.'.join(path)!r}, error)")

    # --------------------------------------------------------------------------------------------------- scalars

    def _literal(self, slot: Slot, node: Scalar, path: Path) -> None:
        self.places.setdefault(path, node.place)
        value = node.literal
        if isinstance(value, str) and value.lstrip().startswith("=") and not node.text.startswith("="):
            self.problems.warning(node.place, "white space stands before the `=`, so this is a text and no expression")
        if isinstance(value, int) and not isinstance(value, bool) and path in self.texts:
            value = str(value)
        if value is not None and value != "":
            self.code.emit(slot.take(repr(value) if isinstance(value, str | int) else self.code.constant(value)))

    def _expression(self, slot: Slot, node: Scalar, path: Path, scope: Scope) -> None:
        self.places.setdefault(path, node.place)
        atom, types = self.expressions.write(node, scope)
        with self.code.standing_for(node):
            self._sift(slot, atom, types, path)

    def _sift(self, slot: Slot, atom: str, types: frozenset[str], path: Path) -> None:
        """The lines that put a value in its place: not what is nothing, and as text where the contract wants text."""
        as_text = path in self.texts and "number" in types
        if types & {"array", "object"} or as_text:
            below = None if path in self.texts else texts_below(self.texts, path)
            extra = "" if below == {} else f", {self.code.constant(below)}"
            word = "if"
            if "string" in types:
                with self.code.block(f"if {atom}.__class__ is str:"):
                    self.code.emit(f"if {atom}: {slot.take(atom)}")
                word = "elif"
            if path in self.texts and "number" in types:
                self.code.emit(f"{word} {atom}.__class__ is int: {slot.take(f'str({atom})')}")
                word = "elif"
            elif "number" in types and types & {"array", "object"}:
                self.code.emit(f"{word} {atom}.__class__ in _KEPT: {slot.take(atom)}")
                word = "elif"
            self.code.emit(f"{word} {atom} is not None: {slot.sift(atom, extra)}")
        elif "string" not in types:
            self.code.emit(f"if {atom} is not None: {slot.take(atom)}")
        elif types <= {"string", "null"}:
            self.code.emit(f"if {atom}: {slot.take(atom)}")
        else:
            self.code.emit(f"if {atom} or {atom}.__class__ in _KEPT: {slot.take(atom)}")

    # ----------------------------------------------------------------------------------------------------- boxes

    def _table(self, node: Table, path: Path, scope: Scope) -> str:
        out = self.code.assign("{}")
        for key, entry in node.entries.items():
            if key.startswith("=") and not key.startswith("=="):
                self.problems.error(entry.key.place, f"a key is no expression; for the text write `={key}`")
            name = key[1:] if key.startswith("==") else key
            self._put(Slot(out, name), entry.value, (*path, name), scope)
        return out

    def _series(self, node: Series, path: Path, scope: Scope) -> str:
        out = self.code.assign("[]")
        for item in node.items:
            self._put(Slot(out), item, path, scope)
        return out

    def _each(self, node: Table, path: Path, scope: Scope) -> str:
        sheet = Sheet.of(node, _EACH, self.problems, what="a for_each")
        name, source = sheet.scalar("for_each", needed=True), sheet.expression("in", needed=True)
        when, each = sheet.expression("when"), sheet.node("map", needed=True)
        if name is None or source is None or each is None or not self._may_be_called(name, scope):
            return "None"
        out = self.code.assign("[]")
        loop = _Loop(name.text, source, when, each)
        if path[:1] in SOFT:
            self._softly(path, lambda: self._loop(out, loop, path, scope))
        else:
            self._loop(out, loop, path, scope)
        return out

    def _loop(self, out: str, loop: _Loop, path: Path, scope: Scope) -> None:
        element = self.code.fresh("n")
        items, _ = self.expressions.write(loop.source, scope)
        inside = scope.within(loop.name, element)
        with self.code.standing_for(loop.source), self.code.block(f"for {element} in S.each({items}):"):
            if loop.when is not None:
                self.code.emit(f"if not {self.expressions.condition(loop.when, inside)}: continue")
            self._put(Slot(out), loop.each, path, inside)

    def _may_be_called(self, name: Scalar, scope: Scope) -> bool:
        if not NAME.fullmatch(name.text):
            self.problems.error(name.place, "for_each must be a name of letters, digits and `_`")
            return False
        if name.text in scope.names:
            self.problems.error(name.place, f"the name '{name.text}' is taken; give the elements another one")
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Loop:
    """A for_each: what its elements are called, where they come from, which of them count, what each becomes."""

    name: str
    source: Scalar
    when: Scalar | None
    each: Node


def texts_below(texts: frozenset[Path], path: Path) -> Texts:
    """The text fields below a path, level by level."""
    rest = {text[len(path) :] for text in texts if text[: len(path)] == path and len(text) > len(path)}
    return {
        first: None if (first,) in rest else texts_below(frozenset(rest), (first,))
        for first in dict.fromkeys(step for step, *_ in sorted(rest))
    }
