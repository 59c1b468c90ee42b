"""The `event` of a rule becomes the Python that builds it: literals as they are, expressions worked out.

What comes out as nothing is left out, at every level. A failure below `user_data` or `context` leaves that field out
with a note. Not concerned with topics and conditions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

from bridge.mapping.code import Code
from bridge.mapping.document import Node, Scalar, Series, Table
from bridge.mapping.frame import Texts
from bridge.mapping.names import Scope
from bridge.mapping.problems import Problems
from bridge.mapping.semantics import ANY
from bridge.mapping.sheet import Sheet
from bridge.model import Place

Path = tuple[str, ...]
_SOFT = frozenset({"user_data", "context"})
_EACH = ("for_each", "in", "when", "map")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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


class Made(NamedTuple):
    """A value that was written: its atom, and Python that is true where it is something."""

    atom: str
    test: str = "True"


NOTHING = Made("None", "False")


@dataclass(slots=True)
class Template:
    """Writes one value after the other. `texts` are the paths whose whole numbers are text.

    `places` and `tables` collect where each path stands in the file, and the atoms of the objects that are built.
    """

    code: Code
    problems: Problems
    expressions: Expressions
    texts: frozenset[Path] = frozenset()
    places: dict[Path, Place] = field(default_factory=dict)
    tables: dict[Path, str] = field(default_factory=dict)

    def value(self, node: Node, path: Path, scope: Scope) -> Made:
        """What `node` comes to."""
        self.places.setdefault(path, node.place)
        match node:
            case Scalar():
                return self._expression(node, path, scope) if node.is_expression else self._literal(node, path)
            case Series():
                write = partial(self._series, node, path)
            case Table() if "for_each" in node.entries:
                write = partial(self._each, node, path)
            case Table():
                write = partial(self._table, node, path)
        return self._elsewhere(write, scope) if self.code.deep else write(scope)

    def _elsewhere(self, write: Callable[[Scope], Made], scope: Scope) -> Made:
        """What `write` writes, in a function of its own, so that nothing is nested too deep for Python."""
        with self.code.function(scope.parameters) as name:
            self.code.emit(f"return {write(scope).atom}")
        atom = self.code.assign(f"{name}({scope.parameters})")
        return Made(atom, atom)

    # --------------------------------------------------------------------------------------------------- scalars

    def _literal(self, node: Scalar, path: Path) -> Made:
        value = node.literal
        if isinstance(value, int) and not isinstance(value, bool) and path in self.texts:
            value = str(value)
        if value is None or value == "":
            return NOTHING
        return Made(repr(value) if isinstance(value, str | int) else self.code.constant(value))

    def _expression(self, node: Scalar, path: Path, scope: Scope) -> Made:
        if path[0] not in _SOFT or not self.expressions.can_fail(node, scope):
            return self._settled(*self.expressions.write(node, scope), path)
        atom = self._softly(path, lambda: self._settled(*self.expressions.write(node, scope), path).atom)
        return Made(atom, _something(atom, ANY))

    def _softly(self, path: Path, write: Callable[[], str]) -> str:
        """What `write` writes; None, and a note, where it cannot be worked out."""
        out = self.code.assign("None")
        with self.code.block("try:"):
            self.code.emit(f"{out} = {write()}")
        self.code.emit(f"except Exception as error: {out} = S.leave_out({'.'.join(path)!r}, error)")
        return out

    def _settled(self, atom: str, types: frozenset[str], path: Path) -> Made:
        """A value made text where the contract wants text, and without what is nothing in it."""
        if path in self.texts and "number" in types:
            atom = self.code.assign(f"str({atom}) if {atom}.__class__ is int else {atom}")
        if types & {"array", "object"}:
            below = _below(self.texts, path)
            pruned = f"_as_text(S.prune({atom}), {self.code.constant(below)})" if below else f"S.prune({atom})"
            atom = self.code.assign(f"{pruned} if {atom}.__class__ in _BOXES else {atom}")
        return Made(atom, _something(atom, types))

    # ----------------------------------------------------------------------------------------------------- boxes

    def _table(self, node: Table, path: Path, scope: Scope) -> Made:
        out = self.code.assign("{}")
        self.tables[path] = out
        for key, entry in node.entries.items():
            if key.startswith("=") and not key.startswith("=="):
                self.problems.error(entry.key.place, "a key is no expression: write it out, or `=={key}` for a text")
            name = key.removeprefix("=") if key.startswith("==") else key
            self._put(f"{out}[{name!r}] = %s", entry.value, (*path, name), scope)
        return Made(out, out)

    def _series(self, node: Series, path: Path, scope: Scope) -> Made:
        out = self.code.assign("[]")
        for item in node.items:
            self._put(f"{out}.append(%s)", item, path, scope)
        return Made(out, out)

    def _put(self, statement: str, node: Node, path: Path, scope: Scope) -> None:
        made = self.value(node, path, scope)
        text = statement.replace("%s", made.atom)
        if made.test == "True":
            self.code.emit(text)
        elif made.test != "False":
            self.code.emit(f"if {made.test}: {text}")

    def _each(self, node: Table, path: Path, scope: Scope) -> Made:
        sheet = Sheet.of(node, _EACH, self.problems, what="a for_each")
        name, source = sheet.scalar("for_each", needed=True), sheet.expression("in", needed=True)
        when, each = sheet.expression("when"), sheet.node("map", needed=True)
        if name is None or source is None or each is None or not self._may_be_called(name, scope):
            return NOTHING
        loop = _Loop(name.text, source, when, each)
        if path[0] not in _SOFT:
            out = self._loop(loop, path, scope)
        else:
            out = self._softly(path, lambda: self._loop(loop, path, scope))
        return Made(out, out)

    def _loop(self, loop: _Loop, path: Path, scope: Scope) -> str:
        out, element = self.code.assign("[]"), self.code.fresh("n")
        items, _ = self.expressions.write(loop.source, scope)
        inside = scope.within(loop.name, element)
        with self.code.standing_for(loop.source), self.code.block(f"for {element} in _as_list({items}):"):
            if loop.when is not None:
                self.code.emit(f"if not {self.expressions.condition(loop.when, inside)}: continue")
            self._put(f"{out}.append(%s)", loop.each, path, inside)
        return out

    def _may_be_called(self, name: Scalar, scope: Scope) -> bool:
        if not _NAME.fullmatch(name.text):
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


def _something(atom: str, types: frozenset[str]) -> str:
    """Python that is true where the value is neither null nor empty: 0 and false are something."""
    if types & {"number", "boolean"}:
        return (
            f"{atom} is not None" if types <= {"number", "boolean", "null"} else f"{atom} or {atom}.__class__ in _KEPT"
        )
    return atom


def _below(texts: frozenset[Path], path: Path) -> Texts:
    """The text fields below a path, level by level."""
    rest = {text[len(path) :] for text in texts if text[: len(path)] == path and len(text) > len(path)}
    return {
        first: None if (first,) in rest else _below(frozenset(rest), (first,))
        for first in dict.fromkeys(step for step, *_ in sorted(rest))
    }
