"""Generates the Python that builds the `event` of a rule: literals as they are, expressions evaluated.

Empty values are left out at every level. An expression that fails where nothing is worth the whole (in an event, below
`user_data` or `context`) leaves out that field, with a note.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from bridge.core.model import SourceLocation
from bridge.mapping.codegen.scope import ExpressionScope
from bridge.mapping.engine.context import Texts
from bridge.mapping.engine.module import ModuleCode
from bridge.mapping.language import NAME, SOFT, Path
from bridge.mapping.object_reader import ObjectReader
from bridge.mapping.schema.mapping import FOR_EACH_KEYS
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems


class ScalarWriter(Protocol):
    """Who writes the expressions that are in a template."""

    def write(self, scalar: Scalar, scope: ExpressionScope) -> tuple[str, frozenset[str]]:
        """The atom of what an expression becomes, and the types that it may have."""
        ...

    def condition(self, scalar: Scalar, scope: ExpressionScope) -> str:
        """Python that is true where an expression holds."""
        ...

    def can_fail(self, scalar: Scalar, scope: ExpressionScope) -> bool:
        """Whether working an expression out can fail."""
        ...


@dataclass(frozen=True, slots=True)
class TargetSlot:
    """Where a value goes: under a key of an object that is being built, or to the end of a list."""

    target: str
    key: str | None = None

    def put_code(self, atom: str) -> str:
        """Python that puts an atom there."""
        return f"{self.target}.append({atom})" if self.key is None else f"{self.target}[{self.key!r}] = {atom}"

    def put_pruned_code(self, atom: str, extra: str) -> str:
        """Python that puts what is something of an atom there."""
        return f"S.put{extra and '_texts'}({self.target}, {self.key!r}, {atom}{extra})"


@dataclass(slots=True)
class TemplateWriter:
    """Writes one value after the other. `texts` are the paths whose whole numbers are text.

    `soft` are those below which a value that cannot be evaluated is left out with a note; `()` is all of them.

    `places` collects where each path is in the file.
    """

    code: ModuleCode
    problems: Problems
    expressions: ScalarWriter
    texts: frozenset[Path] = frozenset()
    soft: frozenset[Path] = SOFT
    places: dict[Path, SourceLocation] = field(default_factory=dict)

    def write_box(self, node: SequenceNode | MappingNode, path: Path, scope: ExpressionScope) -> str:
        """The atom of the object or list that `node` becomes; an empty one, or None, is nothing."""
        self.places.setdefault(path, node.place)
        write = partial(self._write_box, node, path)
        if not self.code.is_deep:
            return write(scope)
        with self.code.open_function(scope.parameters) as name:
            self.code.emit_line(f"return {write(scope)}")
        return self.code.assign_value(f"{name}({scope.parameters})")

    def _write_box(self, node: SequenceNode | MappingNode, path: Path, scope: ExpressionScope) -> str:
        match node:
            case SequenceNode():
                return self._write_series(node, path, scope)
            case MappingNode() if "for_each" in node.entries:
                return self._write_for_each(node, path, scope)
            case MappingNode():
                return self._write_mapping(node, path, scope)

    def _put_node(self, slot: TargetSlot, node: Node, path: Path, scope: ExpressionScope) -> None:
        """The lines that put what `node` becomes in its place, unless it is nothing."""
        match node:
            case Scalar() if not node.is_expression:
                self._put_literal(slot, node, path)
            case Scalar() if self._is_soft(path) and self.expressions.can_fail(node, scope):
                self._write_softly(path, lambda: self._put_expression(slot, node, path, scope))
            case Scalar():
                self._put_expression(slot, node, path, scope)
            case _:
                atom = self.write_box(node, path, scope)
                self.code.emit_line(f"if {atom}: {slot.put_code(atom)}")

    def _is_soft(self, path: Path) -> bool:
        return path[:1] in self.soft or () in self.soft

    def _write_softly(self, path: Path, write: Callable[[], None]) -> None:
        """What `write` writes; where it cannot be evaluated, it is left out with a note."""
        with self.code.open_block("try:"):
            write()
        self.code.emit_line(f"except Exception as error: S.leave_out({'.'.join(path)!r}, error)")

    # --------------------------------------------------------------------------------------------------- scalars

    def _put_literal(self, slot: TargetSlot, node: Scalar, path: Path) -> None:
        self.places.setdefault(path, node.place)
        value = node.literal
        if isinstance(value, str) and value.lstrip().startswith("=") and not node.text.startswith("="):
            self.problems.add_warning(
                node.place, "white space stands before the `=`, so this is a text and no expression"
            )
        if isinstance(value, int) and not isinstance(value, bool) and path in self.texts:
            value = str(value)
        if value is not None and value != "":
            self.code.emit_line(
                slot.put_code(repr(value) if isinstance(value, str | int) else self.code.add_constant(value))
            )

    def _put_expression(self, slot: TargetSlot, node: Scalar, path: Path, scope: ExpressionScope) -> None:
        self.places.setdefault(path, node.place)
        atom, types = self.expressions.write(node, scope)
        with self.code.standing_for(node):
            self._put_pruned(slot, atom, types, path)

    def _put_pruned(self, slot: TargetSlot, atom: str, types: frozenset[str], path: Path) -> None:
        """The lines that put a value in its place: not what is nothing, and as text where the contract wants text."""
        as_text = path in self.texts and "number" in types
        if types & {"array", "object"} or as_text:
            below = None if path in self.texts else texts_below(self.texts, path)
            extra = "" if below == {} else f", {self.code.add_constant(below)}"
            word = "if"
            if "string" in types:
                with self.code.open_block(f"if {atom}.__class__ is str:"):
                    self.code.emit_line(f"if {atom}: {slot.put_code(atom)}")
                word = "elif"
            if path in self.texts and "number" in types:
                self.code.emit_line(f"{word} {atom}.__class__ is int: {slot.put_code(f'str({atom})')}")
                word = "elif"
            elif "number" in types and types & {"array", "object"}:
                self.code.emit_line(f"{word} {atom}.__class__ in _KEPT: {slot.put_code(atom)}")
                word = "elif"
            self.code.emit_line(f"{word} {atom} is not None: {slot.put_pruned_code(atom, extra)}")
        elif "string" not in types:
            self.code.emit_line(f"if {atom} is not None: {slot.put_code(atom)}")
        elif types <= {"string", "null"}:
            self.code.emit_line(f"if {atom}: {slot.put_code(atom)}")
        else:
            self.code.emit_line(f"if {atom} or {atom}.__class__ in _KEPT: {slot.put_code(atom)}")

    # ----------------------------------------------------------------------------------------------------- boxes

    def _write_mapping(self, node: MappingNode, path: Path, scope: ExpressionScope) -> str:
        out = self.code.assign_value("{}")
        for key, entry in node.entries.items():
            if key.startswith("=") and not key.startswith("=="):
                self.problems.add_error(entry.key.place, f"a key is no expression; for the text write `={key}`")
            name = key[1:] if key.startswith("==") else key
            self._put_node(TargetSlot(out, name), entry.value, (*path, name), scope)
        return out

    def _write_series(self, node: SequenceNode, path: Path, scope: ExpressionScope) -> str:
        out = self.code.assign_value("[]")
        for item in node.items:
            self._put_node(TargetSlot(out), item, path, scope)
        return out

    def _write_for_each(self, node: MappingNode, path: Path, scope: ExpressionScope) -> str:
        reader = ObjectReader.read_object(node, FOR_EACH_KEYS, self.problems, what="a for_each")
        name, source = reader.read_scalar("for_each", needed=True), reader.read_expression("in", needed=True)
        when, each = reader.read_expression("when"), reader.read_node("map", needed=True)
        if name is None or source is None or each is None or not self._may_be_called(name, scope):
            return "None"
        out = self.code.assign_value("[]")
        loop = _ForEach(name.text, source, when, each)
        if self._is_soft(path):
            self._write_softly(path, lambda: self._write_loop(out, loop, path, scope))
        else:
            self._write_loop(out, loop, path, scope)
        return out

    def _write_loop(self, out: str, loop: _ForEach, path: Path, scope: ExpressionScope) -> None:
        element = self.code.fresh_name("n")
        items, _ = self.expressions.write(loop.source, scope)
        inside = scope.within_loop(loop.name, element)
        with self.code.standing_for(loop.source), self.code.open_block(f"for {element} in S.each({items}):"):
            if loop.when is not None:
                self.code.emit_line(f"if not {self.expressions.condition(loop.when, inside)}: continue")
            self._put_node(TargetSlot(out), loop.each, path, inside)

    def _may_be_called(self, name: Scalar, scope: ExpressionScope) -> bool:
        if not NAME.fullmatch(name.text):
            self.problems.add_error(name.place, "for_each must be a name of letters, digits and `_`")
            return False
        if name.text in scope.visible_names:
            self.problems.add_error(name.place, f"the name '{name.text}' is taken; give the elements another one")
            return False
        return True


@dataclass(frozen=True, slots=True)
class _ForEach:
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
