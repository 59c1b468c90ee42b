"""What names mean in a mapping's expressions: the roots, the names of `let`, and those of the `for_each` around.

An unknown name is an error with the nearest known one. Not concerned with fields below a root, save for the few
roots whose fields are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.mapping.codegen.emitter import Writer
from bridge.mapping.expressions.parser import Node
from bridge.mapping.language import ROOTS, SOURCE, WEBHOOK
from bridge.mapping.problems import nearest

_LAZY = frozenset({"occurred_at", "account", "test"})
_TEXT = frozenset({"string"})
_OBJECT = frozenset({"object"})
_NAMELESS = frozenset({"null", "true", "false"})


@dataclass(frozen=True, slots=True)
class Name:
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
class Known:
    """Everything that a mapping's expressions may name; `name` compiles a name of `let` when it is first asked for."""

    lets: frozenset[str]
    webhook: frozenset[str]
    vars: Iterable[str]
    name: Callable[[str], Name | None]
    topic_is_text: bool = False


@dataclass(slots=True)
class Scope:
    """The outermost level of one expression: what is known, and the names of the for_each around it.

    `uses` collects the roots that are read here, `fallible` whether a name was read that can fail.
    """

    known: Known
    locals: Mapping[str, str] = field(default_factory=dict)
    uses: set[str] = field(default_factory=set)
    fallible: bool = False

    @property
    def parameters(self) -> str:
        """What a function must be given to work out these names."""
        return ", ".join(["S", *self.locals.values()])

    def within(self, name: str, atom: str) -> Scope:
        """The level inside a for_each."""
        return Scope(self.known, {**self.locals, name: atom}, self.uses, self.fallible)

    @property
    def names(self) -> list[str]:
        """Every name that may begin a path."""
        return [*ROOTS, *self.known.lets, *self.locals]

    def growth(self, name: str) -> int:
        """How often what a name stands for may repeat the body."""
        if name in self.locals or name not in self.known.lets:
            return 1
        found = self.known.name(name)
        return found.growth if found else 1

    def resolve(self, writer: Writer, path: Sequence[Node]) -> tuple[str, int]:
        """The atom that a path begins with, and how many of its fields that took."""
        first = path[0]
        name = first.value
        if name in self.locals:
            return self.locals[name], 1
        if name in self.known.lets:
            return self._let(writer, name, first), 1
        if name not in ROOTS:
            return writer.refuse(self._unknown(first), at=first.at), 1
        return self._of_root(writer, path)

    def _of_root(self, writer: Writer, path: Sequence[Node]) -> tuple[str, int]:
        match path[0].value:
            case "webhook":
                return self._webhook(writer, path)
            case "source":
                return self._source(writer, path)
            case "headers":
                return self._headers(writer, path)
            case name:
                return self._root(writer, name), 1

    def _headers(self, writer: Writer, path: Sequence[Node]) -> tuple[str, int]:
        name = path[1].value if len(path) > 1 else ""
        if name != name.lower():
            text = f'names of headers are in lower case here: write headers."{name.lower()}"'
            return writer.refuse(text, at=path[1].at), len(path)
        return self._root(writer, "headers"), 1

    def _root(self, writer: Writer, name: str) -> str:
        self.uses.add(name)
        known = writer.code.known(("root", name))
        if known is not None:
            return known
        atom = writer.code.note(("root", name), writer.code.assign(f"S.{name}"))
        return writer.typed(atom, _OBJECT) if name not in {"body", "request"} else atom

    def _let(self, writer: Writer, name: str, node: Node) -> str:
        found = self.known.name(name)
        if found is None:
            return "None"
        self.uses |= found.uses
        self.fallible = self.fallible or found.fallible
        known = writer.code.known(("let", name))
        if known is not None:
            return known
        atom = writer.code.assign(f"S.lets[{found.slot}]", node.at)
        writer.code.emit(f"if {atom} is _UNSET: {atom} = {found.call}(S)", node.at)
        return writer.typed(writer.code.note(("let", name), atom), found.types)

    def _webhook(self, writer: Writer, path: Sequence[Node]) -> tuple[str, int]:
        if len(path) == 1:
            atoms = {key: self._of_webhook(writer, key, path[0]) for key in WEBHOOK}
            text = "{" + ", ".join(f"{key!r}: {atom}" for key, atom in atoms.items()) + "}"
            return writer.typed(writer.code.assign(text), _OBJECT), 1
        name = path[1].value
        if name not in WEBHOOK:
            mend = nearest(name, WEBHOOK)
            return writer.refuse(f"webhook has no `{name}`{mend}", at=path[1].at), len(path)
        return self._of_webhook(writer, name, path[1]), 2

    def _of_webhook(self, writer: Writer, name: str, node: Node) -> str:
        if name in _LAZY:
            key = f"webhook.{name}"
            return self._let(writer, key, node) if key in self.known.webhook else "None"
        atom = writer.get(self._root(writer, "webhook"), name)
        return writer.typed(atom, _TEXT) if name != "topic" or self.known.topic_is_text else atom

    def _source(self, writer: Writer, path: Sequence[Node]) -> tuple[str, int]:
        if len(path) > 1 and path[1].value not in SOURCE:
            name = path[1].value
            return writer.refuse(f"source has no `{name}`{nearest(name, SOURCE)}", at=path[1].at), len(path)
        if len(path) > 2 and path[1].value == "vars":  # noqa: PLR2004  source, vars, and the var's name
            return self._var(writer, path[2]), 3
        return self._root(writer, "source"), 1

    def _var(self, writer: Writer, node: Node) -> str:
        name = node.value
        if name not in self.known.vars:
            mend = nearest(name, self.known.vars) or "; declare it under `vars:`"
            return writer.refuse(f"no var is called `{name}`{mend}", at=node.at)
        return writer.typed(writer.code.assign(f"S.vars[{name!r}]"), _TEXT)

    def _unknown(self, node: Node) -> str:
        name = node.value
        if node.quoted:
            return f"unknown name \"{name}\": in double quotes it is a field's name; text is written '{name}'"
        if name in _NAMELESS:
            return f"unknown name '{name}'; write it in backticks"
        mend = nearest(name, self.names)
        return f"unknown name '{name}'{mend or f'; did you mean `body.{name}`?'}"
