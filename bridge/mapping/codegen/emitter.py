"""What all generators of expressions share: atoms, their types, problems, and functions of their own.

An atom is a local name or a constant in the generated code. A step of a path that was taken before in the same block is
not taken again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.json_text import Json
from bridge.mapping.engine.module import ModuleCode
from bridge.mapping.expressions import runtime
from bridge.mapping.expressions.parser import ExpressionError, ExpressionNode
from bridge.mapping.expressions.runtime import ANY
from bridge.mapping.functions.builtin import FUNCTIONS
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.functions.registry import MappingFunction

_FLAT = frozenset({"field", "literal", "current", "identity", "expref"})


class NameResolver(Protocol):
    """What names mean at the outermost level."""

    @property
    def parameters(self) -> str:
        """What a function that asks for names must be given."""
        ...

    def resolve_path(self, writer: ExpressionWriter, path: Sequence[ExpressionNode]) -> tuple[str, int]:
        """The atom that a path of fields begins with, and how many of its fields that took."""
        ...


@dataclass(frozen=True, slots=True)
class ElementCurrent:
    """The current node is a value at hand: inside projections and filters, after dots and pipes."""

    atom: str


@dataclass(frozen=True, slots=True)
class OutermostCurrent:
    """The current node is the object of roots, which has no value of its own."""

    names: NameResolver


Current = ElementCurrent | OutermostCurrent


@dataclass
class ExpressionWriter:
    """Writes expressions into a module. Problems are collected, and the code then represents null."""

    code: ModuleCode
    units: MinorUnits | None = None
    functions: Mapping[str, MappingFunction] = field(default_factory=lambda: FUNCTIONS)
    problems: list[ExpressionError] = field(default_factory=list)
    warnings: list[ExpressionError] = field(default_factory=list)
    types: dict[str, frozenset[str]] = field(default_factory=dict)

    def write_value(self, node: ExpressionNode, current: Current) -> str:
        """The atom of what `node` becomes, after the lines that work it out."""
        if self.code.is_deep and node.kind not in _FLAT:
            return self._write_apart(node, current)
        write: Callable[[ExpressionNode, Current], str] = getattr(self, f"_{node.kind}")
        return write(node, current)

    def true_test(self, atom: str) -> str:
        """Python that is true where the atom is true to JMESPath."""
        types = self.types_of(atom)
        if "number" not in types:
            return atom
        return f"({atom} or {atom}.__class__ in _NUMBERS)"

    def false_test(self, atom: str) -> str:
        """Python that is true where the atom is false to JMESPath."""
        types = self.types_of(atom)
        if "number" not in types:
            return f"not {atom}"
        quickly = f"{atom} is None or " if "null" in types else ""
        return f"({quickly}not {atom} and {atom}.__class__ not in _NUMBERS)"

    def refuse_part(self, text: str, *, at: int, kind: str = "syntax") -> str:
        """Note a problem; the atom that is in for the part."""
        self.problems.append(ExpressionError(text, at=at, kind=kind))
        return "None"

    def warn_at(self, text: str, *, at: int) -> None:
        """Note what is probably not meant."""
        self.warnings.append(ExpressionError(text, at=at))

    def types_of(self, atom: str) -> frozenset[str]:
        """The types that an atom may have."""
        return self.types.get(atom, ANY) if atom != "None" else frozenset({"null"})

    def with_types(self, atom: str, types: frozenset[str]) -> str:
        """The atom, known to have one of `types`."""
        self.types[atom] = types
        return atom

    def write_literal(self, value: Json) -> str:
        """The atom of a constant."""
        if value is None:
            return "None"
        kind = frozenset({runtime.type_of(value)})
        if isinstance(value, str | bool):
            return self.with_types(repr(value), kind)
        if isinstance(value, int):
            return self.with_types(f"({value!r})", kind)
        return self.with_types(self.code.add_constant(value), kind)

    def write_field(self, atom: str, name: str, at: int = 0) -> str:
        """The atom of a field of an atom."""
        types = self.types_of(atom)
        if "object" not in types:
            return "None"
        key = ("field", atom, name)
        known = self.code.known_name(key)
        if known is not None:
            return known
        return self.code.note_known(key, self.code.assign_value(f"{self._as_dictionary(atom)}.get({name!r})", at))

    def _as_dictionary(self, atom: str) -> str:
        """An atom that is a dictionary, empty where the value is none."""
        if self.types_of(atom) == {"object"}:
            return atom
        known = self.code.known_name(("table", atom))
        if known is not None:
            return known
        return self.code.note_known(
            ("table", atom), self.code.assign_value(f"{atom} if {atom}.__class__ is dict else _EMPTY")
        )

    def _write_apart(self, node: ExpressionNode, current: Current) -> str:
        """Write `node` as a function of its own, so that no function is nested too deep for Python."""
        match current:
            case ElementCurrent(atom):
                return self.code.assign_value(f"{self.write_function(node)}({atom})", node.at)
            case OutermostCurrent(names):
                with self.code.open_function(names.parameters) as name:
                    self.code.emit_line(f"return {self.write_value(node, current)}", node.at)
                return self.code.assign_value(f"{name}({names.parameters})", node.at)

    def write_function(self, node: ExpressionNode) -> str:
        """The name of a function that works `node` out for an element."""
        with self.code.open_function("e") as name:
            self.code.emit_line(f"return {self.write_value(node, ElementCurrent('e'))}", node.at)
        return name
