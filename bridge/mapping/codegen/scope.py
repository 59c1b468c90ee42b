"""What names mean in a file's expressions: its roots, the names of `let`, and those of the surrounding `for_each`.

An unknown name is an error that suggests the nearest known one. Which roots there are is a value: `mapping_roots` has
those of mappings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.suggestions import suggest_nearest
from bridge.mapping.codegen.emitter import ExpressionWriter
from bridge.mapping.expressions.parser import ExpressionNode
from bridge.mapping.language import EARLIER

_NAMELESS = frozenset({"null", "true", "false"})


@dataclass(frozen=True, slots=True)
class CompiledName:
    """A name of `let`, compiled: the call that works it out, where a frame keeps it, and its possible types.

    `growth` is how often it may repeat the body,
    `uses` are the roots and vars that it reads, itself or through other names; `fallible` whether it can fail.
    """

    call: str
    slot: int
    types: frozenset[str]
    growth: int
    uses: frozenset[str]
    fallible: bool


class RootNames(Protocol):
    """The roots of one kind of file."""

    @property
    def names(self) -> Sequence[str]:
        """What a path may begin with, apart from names of `let` and of `for_each`."""
        ...

    def resolve_root(
        self, scope: ExpressionScope, writer: ExpressionWriter, path: Sequence[ExpressionNode]
    ) -> tuple[str, int]:
        """The atom that a path of these roots begins with, and how many of its fields that took."""
        ...

    def compiled_behind(self, root: str) -> Iterable[str]:
        """The names that are worked out when a field of this root is read, as `webhook.account` is."""
        ...

    def suggest_path(self, name: str) -> str:
        """What is probably meant by a name that is near no other, after `; `; empty where nothing is."""
        ...


@dataclass(slots=True)
class KnownNames:
    """Everything that a file's expressions may name; `name` compiles a name of `let` when it is first asked for."""

    lets: frozenset[str]
    roots: RootNames
    name: Callable[[str], CompiledName | None]


@dataclass(slots=True)
class ExpressionScope:
    """The outermost level of one expression: what is known, and the names of the for_each around it.

    `uses` collects the roots and vars that are read here, `fallible` whether a name was read that can fail.
    """

    known: KnownNames
    locals: Mapping[str, str] = field(default_factory=dict)
    uses: set[str] = field(default_factory=set)
    fallible: bool = False
    earlier: Callable[[ExpressionScope], str] | None = None
    """Writes what `recall` finds, in a rule that has one."""

    @property
    def parameters(self) -> str:
        """What a function must be given to evaluate these names."""
        return ", ".join(["S", *self.locals.values()])

    def within_loop(self, name: str, atom: str) -> ExpressionScope:
        """The level inside a for_each."""
        return ExpressionScope(self.known, {**self.locals, name: atom}, self.uses, self.fallible, self.earlier)

    @property
    def visible_names(self) -> list[str]:
        """Every name that may begin a path."""
        return [*self.known.roots.names, *([EARLIER] if self.earlier else ()), *self.known.lets, *self.locals]

    def growth_of(self, name: str) -> int:
        """How often what a name represents may repeat the body."""
        if name in self.locals or name not in self.known.lets:
            return 1
        found = self.known.name(name)
        return found.growth if found else 1

    def resolve_path(self, writer: ExpressionWriter, path: Sequence[ExpressionNode]) -> tuple[str, int]:
        """The atom that a path begins with, and how many of its fields that took."""
        first = path[0]
        name = first.value
        if name in self.locals:
            return self.locals[name], 1
        if name in self.known.lets:
            return self.read_let(writer, name, first), 1
        if name == EARLIER and self.earlier is not None:
            known = writer.code.known_name(("root", EARLIER))
            return known or writer.code.note_known(("root", EARLIER), self.earlier(self)), 1
        if name not in self.known.roots.names:
            return writer.refuse_part(self._refuse_unknown(first), at=first.at), 1
        return self.known.roots.resolve_root(self, writer, path)

    def read_root(self, writer: ExpressionWriter, name: str, types: frozenset[str]) -> str:
        """The atom of a root that the frame holds."""
        self.uses.add(name)
        known = writer.code.known_name(("root", name))
        if known is not None:
            return known
        atom = writer.code.note_known(("root", name), writer.code.assign_value(f"S.{name}"))
        return writer.with_types(atom, types)

    def read_let(self, writer: ExpressionWriter, name: str, node: ExpressionNode) -> str:
        """The atom of a name that is worked out when it is first read."""
        found = self.known.name(name)
        if found is None:
            return "None"
        self.uses |= found.uses
        self.fallible = self.fallible or found.fallible
        known = writer.code.known_name(("let", name))
        if known is not None:
            return known
        atom = writer.code.assign_value(f"S.lets[{found.slot}]", node.at)
        writer.code.emit_line(f"if {atom} is _UNSET: {atom} = {found.call}(S)", node.at)
        return writer.with_types(writer.code.note_known(("let", name), atom), found.types)

    def _refuse_unknown(self, node: ExpressionNode) -> str:
        name = node.value
        if name == EARLIER:
            return "`earlier` is what the rule's `recall` finds, and is known in a rule that has one"
        if node.quoted:
            return f"unknown name \"{name}\": in double quotes it is a field's name; text is written '{name}'"
        if name in _NAMELESS:
            return f"unknown name '{name}'; write it in backticks"
        mend = suggest_nearest(name, self.visible_names)
        return f"unknown name '{name}'{mend or self.known.roots.suggest_path(name)}"
