"""What names mean in a mapping's expressions: the roots, the names of `let`, and those of the surrounding `for_each`.

An unknown name is an error that suggests the nearest known one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.suggestions import suggest_nearest
from bridge.mapping.codegen.emitter import ExpressionWriter
from bridge.mapping.expressions.parser import ExpressionNode
from bridge.mapping.language import EARLIER, ROOTS, SOURCE, WEBHOOK

_LAZY = frozenset({"occurred_at", "account", "test"})
_TEXT = frozenset({"string"})
_OBJECT = frozenset({"object"})
_NAMELESS = frozenset({"null", "true", "false"})


@dataclass(frozen=True, slots=True)
class CompiledName:
    """A name of `let`, compiled: the call that works it out, where a frame keeps it, and its possible types.

    `growth` is how often it may repeat the body,
    `uses` are the roots that it reads, itself or through other names; `fallible` whether it can fail.
    """

    call: str
    slot: int
    types: frozenset[str]
    growth: int
    uses: frozenset[str]
    fallible: bool


@dataclass(slots=True)
class KnownNames:
    """Everything that a mapping's expressions may name; `name` compiles a name of `let` when it is first asked for."""

    lets: frozenset[str]
    webhook: frozenset[str]
    vars: Iterable[str]
    name: Callable[[str], CompiledName | None]
    topic_is_text: bool = False


@dataclass(slots=True)
class ExpressionScope:
    """The outermost level of one expression: what is known, and the names of the for_each around it.

    `uses` collects the roots that are read here, `fallible` whether a name was read that can fail.
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
        return [*ROOTS, *([EARLIER] if self.earlier else ()), *self.known.lets, *self.locals]

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
            return self._resolve_let(writer, name, first), 1
        if name == EARLIER and self.earlier is not None:
            known = writer.code.known_name(("root", EARLIER))
            return known or writer.code.note_known(("root", EARLIER), self.earlier(self)), 1
        if name not in ROOTS:
            return writer.refuse_part(self._refuse_unknown(first), at=first.at), 1
        return self._of_root(writer, path)

    def _of_root(self, writer: ExpressionWriter, path: Sequence[ExpressionNode]) -> tuple[str, int]:
        match path[0].value:
            case "webhook":
                return self._resolve_webhook(writer, path)
            case "source":
                return self._resolve_source(writer, path)
            case "headers":
                return self._resolve_header(writer, path)
            case name:
                return self._resolve_root(writer, name), 1

    def _resolve_header(self, writer: ExpressionWriter, path: Sequence[ExpressionNode]) -> tuple[str, int]:
        name = path[1].value if len(path) > 1 else ""
        if name != name.lower():
            text = f'names of headers are in lower case here: write headers."{name.lower()}"'
            return writer.refuse_part(text, at=path[1].at), len(path)
        return self._resolve_root(writer, "headers"), 1

    def _resolve_root(self, writer: ExpressionWriter, name: str) -> str:
        self.uses.add(name)
        known = writer.code.known_name(("root", name))
        if known is not None:
            return known
        atom = writer.code.note_known(("root", name), writer.code.assign_value(f"S.{name}"))
        return writer.with_types(atom, _OBJECT) if name not in {"body", "request"} else atom

    def _resolve_let(self, writer: ExpressionWriter, name: str, node: ExpressionNode) -> str:
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

    def _resolve_webhook(self, writer: ExpressionWriter, path: Sequence[ExpressionNode]) -> tuple[str, int]:
        if len(path) == 1:
            atoms = {key: self._of_webhook(writer, key, path[0]) for key in WEBHOOK}
            text = "{" + ", ".join(f"{key!r}: {atom}" for key, atom in atoms.items()) + "}"
            return writer.with_types(writer.code.assign_value(text), _OBJECT), 1
        name = path[1].value
        if name not in WEBHOOK:
            mend = suggest_nearest(name, WEBHOOK)
            return writer.refuse_part(f"webhook has no `{name}`{mend}", at=path[1].at), len(path)
        return self._of_webhook(writer, name, path[1]), 2

    def _of_webhook(self, writer: ExpressionWriter, name: str, node: ExpressionNode) -> str:
        if name in _LAZY:
            key = f"webhook.{name}"
            return self._resolve_let(writer, key, node) if key in self.known.webhook else "None"
        atom = writer.write_field(self._resolve_root(writer, "webhook"), name)
        return writer.with_types(atom, _TEXT) if name != "topic" or self.known.topic_is_text else atom

    def _resolve_source(self, writer: ExpressionWriter, path: Sequence[ExpressionNode]) -> tuple[str, int]:
        if len(path) > 1 and path[1].value not in SOURCE:
            name = path[1].value
            return writer.refuse_part(f"source has no `{name}`{suggest_nearest(name, SOURCE)}", at=path[1].at), len(
                path
            )
        if len(path) > 2 and path[1].value == "vars":  # noqa: PLR2004  source, vars, and the var's name
            return self._resolve_var(writer, path[2]), 3
        return self._resolve_root(writer, "source"), 1

    def _resolve_var(self, writer: ExpressionWriter, node: ExpressionNode) -> str:
        name = node.value
        if name not in self.known.vars:
            mend = suggest_nearest(name, self.known.vars) or "; declare it under `vars:`"
            return writer.refuse_part(f"no var is called `{name}`{mend}", at=node.at)
        return writer.with_types(writer.code.assign_value(f"S.vars[{name!r}]"), _TEXT)

    def _refuse_unknown(self, node: ExpressionNode) -> str:
        name = node.value
        if name == EARLIER:
            return "`earlier` is what the rule's `recall` finds, and is known in a rule that has one"
        if node.quoted:
            return f"unknown name \"{name}\": in double quotes it is a field's name; text is written '{name}'"
        if name in _NAMELESS:
            return f"unknown name '{name}'; write it in backticks"
        mend = suggest_nearest(name, self.visible_names)
        return f"unknown name '{name}'{mend or f'; did you mean `body.{name}`?'}"
