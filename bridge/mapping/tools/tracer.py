"""How an expression becomes its value: what it read, which alternative it took, and the names that it used.

The compiler's own code evaluates it, written so that it also notes what its parts became. For `explain` only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.mapping.codegen.emitter import Current, ExpressionWriter, NameResolver
from bridge.mapping.codegen.expressions import GLOBALS, ExpressionCoder, flatten_chain
from bridge.mapping.engine.module import ModuleCode
from bridge.mapping.expressions.parser import ExpressionNode
from bridge.mapping.expressions.printer import print_expression, print_step
from bridge.mapping.expressions.runtime import CannotEvaluate, is_true
from bridge.mapping.functions.for_destinations import DESTINATION_FUNCTIONS
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.language import WEBHOOK

CONVERSIONS = frozenset({"decimal", "to_number", "to_string"})
"""The functions that only change a value's type."""


@dataclass(frozen=True, slots=True)
class ReadPath:
    """A path that was read, and what was found there; null where nothing was."""

    path: str
    value: Json


@dataclass(frozen=True, slots=True)
class TracedAlternative:
    """One part of `a || b || c`: what it became, and whether that was taken. One behind the taken was not looked at."""

    text: str
    value: Json = None
    looked_at: bool = True
    taken: bool = False


@dataclass(frozen=True, slots=True)
class TracedName:
    """A name of `let` that was used: where it is, and how it was evaluated."""

    name: str
    place: SourceLocation
    working: Trace


@dataclass(frozen=True, slots=True)
class Trace:
    """How an expression became its value; `failure` says why it could not be evaluated.

    `origin` is the path, of those that were read, whose value it is, at most with another type; None where more was
    done. `loops` are the lists of which it read elements.
    """

    expression: str
    value: Json = None
    failure: str | None = None
    reads: tuple[ReadPath, ...] = ()
    chains: tuple[tuple[TracedAlternative, ...], ...] = ()
    names: tuple[TracedName, ...] = ()
    origin: str | None = None
    loops: tuple[Trace, ...] = ()


@dataclass(frozen=True, slots=True)
class TracedValue:
    """A value and the path that it was read from, None where it was made.

    `whole` marks a path of which more can be read only in parentheses: `(a[*].b)[0]`. `loop` is the list of which it is
    an element.
    """

    value: Json
    path: str | None = None
    whole: bool = False
    loop: Trace | None = None


class TraceContext(Protocol):
    """What an expression's names represent."""

    def local(self, name: str) -> TracedValue | None:
        """What a for_each around it calls so."""
        ...

    def named(self, name: str) -> TracedName | None:
        """A name of `let`, or `webhook.test` and its like, evaluated; None where there is none."""
        ...

    def root(self, name: str) -> Json:
        """A root."""
        ...


class TracedExpression:
    """An expression, compiled so that it can be traced any number of times."""

    def __init__(self, tree: ExpressionNode, text: str, *, units: MinorUnits | None = None) -> None:
        self._tree = tree
        self._text = text
        self._run = TraceRun()
        self._evaluate = _compile_traced(tree, self._run, units)

    def trace_value(self, context: TraceContext) -> Trace:
        """How it becomes its value. Never raises."""
        run = self._run
        run.begin_run(context)
        value: Json = None
        failure: str | None = None
        try:
            value = self._evaluate()
        except CannotEvaluate as error:
            failure = error.text
        except RecursionError:
            failure = "nested too deep"
        parts = TracedParts(run.path_of_name)
        parts.add_value(self._tree, None)
        return Trace(
            expression=self._text,
            value=value,
            failure=failure,
            reads=tuple(ReadPath(path, found) for path, found in run.values_by_path(parts).items()),
            chains=tuple(run.list_alternatives(chain) for chain in parts.chains if id(chain[0]) in run.begun),
            names=tuple(run.names.values()),
            origin=None if failure is not None else run.find_origin(self._tree, parts),
            loops=tuple(run.loops.values()),
        )


@dataclass(slots=True)
class TraceRun:
    """One evaluation, which its generated code notes here: by their id, what parts became and which chains began.

    `ids` are those that the code notes, which names them by their place here: so the same expression has the same code.
    """

    context: TraceContext | None = None
    ids: list[int] = field(default_factory=list)
    values: dict[int, Json] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    names: dict[str, TracedName] = field(default_factory=dict)
    loops: dict[str, Trace] = field(default_factory=dict)

    def begin_run(self, context: TraceContext) -> None:
        """Forget the evaluation before."""
        self.context = context
        for notes in (self.values, self.begun, self.names, self.loops):
            notes.clear()

    def name_value(self, name: str) -> Json:
        """What a name represents, or `webhook.id` and its like. A name of `let` that fails, fails here, too."""
        assert self.context is not None  # noqa: S101  a run begins with it
        local, named = self.context.local(name), self.context.named(name)
        if local is not None:
            if local.loop is not None:
                self.loops[name] = local.loop
            return local.value
        if named is not None:
            self.names.setdefault(named.name, named)
            if named.working.failure is not None:
                raise CannotEvaluate(named.working.failure)
            return named.working.value
        if name == "webhook":
            return {key: self.name_value(f"webhook.{key}") for key in WEBHOOK}
        root, _, key = name.partition(".")
        value = self.context.root(root)
        return value.get(key) if key else value

    def path_of_name(self, name: str) -> str | None:
        """Where what a name represents was read from."""
        local = self.context.local(name) if self.context else None
        return local.path if local else name

    def values_by_path(self, parts: TracedParts) -> dict[str, Json]:
        """What was read, in this order, each path once."""
        found: dict[str, Json] = {}
        for part, value in self.values.items():
            if part in parts.paths:
                found.setdefault(parts.paths[part], value)
        return found

    def find_origin(self, node: ExpressionNode, parts: TracedParts) -> str | None:
        """The path whose value a part is, through the alternatives that were taken; None where a value was made."""
        if node.kind == "or_expression":
            looked_at = [part for part in flatten_chain(node) if id(part) in self.values]
            return self.find_origin(looked_at[-1], parts) if looked_at else None
        if node.kind == "function_expression" and node.value in CONVERSIONS:
            return self.find_origin(node.children[0], parts)
        return parts.paths.get(id(node))

    def list_alternatives(self, chain: Sequence[ExpressionNode]) -> tuple[TracedAlternative, ...]:
        """What became of the parts of `a || b || c`, which is the first of `chain`."""
        return tuple(
            TracedAlternative(print_expression(part), value := self.values[id(part)], taken=is_true(value))
            if id(part) in self.values
            else TracedAlternative(print_expression(part), looked_at=False)
            for part in chain[1:]
        )


# ------------------------------------------------------------------------------------------------ which parts are noted


@dataclass(frozen=True, slots=True)
class PathText:
    """A path as people write it, None where a value was made.

    `whole` marks one of which more can be read only in parentheses: `(a[*].b)[0]`.
    """

    text: str | None = None
    whole: bool = False

    def add_step(self, step: str, *, whole: bool = False) -> PathText:
        """The path of what a step reads of it."""
        if self.text is None or not step:
            return PathText(self.text, whole or self.whole)
        return PathText(f"({self.text}){step}" if self.whole else self.text + step, whole)


@dataclass(slots=True)
class TracedParts:
    """The parts of an expression that are values of their own: by their id, the paths that they read.

    Of what a projection reads of single elements nothing is noted: its path as a whole is. `chains` are the
    `a || b || c`, each followed by its parts, inner ones first; `path_of_name` says where a name's value is.
    """

    path_of_name: Callable[[str], str | None] = str
    paths: dict[int, str] = field(default_factory=dict)
    chains: list[tuple[ExpressionNode, ...]] = field(default_factory=list)

    @property
    def ids(self) -> frozenset[int]:
        """Every part that is noted."""
        return frozenset(self.paths) | {id(part) for _, *parts in self.chains for part in parts}

    def add_value(self, node: ExpressionNode, base: PathText | None) -> None:
        """Note a part that is read of `base`, None for the outermost level, where names are."""
        path = self._find_path(node, base)
        if path.text is not None:
            self.paths[id(node)] = path.text

    def _find_path(self, node: ExpressionNode, base: PathText | None) -> PathText:
        """The path that a part reads; the values within it are noted."""
        match node.kind:
            case "field":
                return PathText(self.path_of_name(node.value)) if base is None else base.add_step(print_step(node))
            case "subexpression" | "index_expression" | "pipe":
                return self._find_steps(node, base)
            case "index" | "slice" | "identity" | "current":
                return (base or PathText()).add_step(print_step(node))
            case "projection" | "value_projection" | "filter_projection":
                return self._find_path(node.children[0], base).add_step(_projection_suffix(node), whole=True)
            case "flatten":
                return self._find_path(node.children[0], base).add_step("[]")
            case "or_expression":
                self._add_all(parts := flatten_chain(node), base)
                self.chains.append((node, *parts))
            case "expref":
                pass
            case _:
                self._add_all(node.children, base)
        return PathText()

    def _find_steps(self, node: ExpressionNode, base: PathText | None) -> PathText:
        first, *rest = node.children
        path = self._find_path(first, base)
        if base is None and first.value == "webhook" and rest[0].kind == "field":
            path = PathText(f"webhook.{rest.pop(0).value}")
        for child in rest:
            before, path = path, self._find_path(child, path)
            if node.kind == "pipe" and path.text is not None and before.text is not None:
                path = PathText(f"{before.text} | {print_expression(child)}", whole=True)
        return path

    def _add_all(self, nodes: Sequence[ExpressionNode], base: PathText | None) -> None:
        for node in nodes:
            self.add_value(node, base)


def _projection_suffix(node: ExpressionNode) -> str:
    """What a projection adds to the path of what it goes through."""
    base, each, *condition = node.children
    match node.kind:
        case "filter_projection":
            return f"[?{print_expression(condition[0])}]{print_step(each)}"
        case "value_projection":
            return f".*{print_step(each)}"
        case _:
            sliced = base.kind == "index_expression" and base.children[-1].kind == "slice"
            return print_step(each) if sliced or base.kind == "flatten" else f"[*]{print_step(each)}"


# ------------------------------------------------------------------------------------------------ code that notes them


def _compile_traced(tree: ExpressionNode, run: TraceRun, units: MinorUnits | None) -> Callable[[], Json]:
    """A function that evaluates an expression, and notes its parts in `run`."""
    code = ModuleCode("<traced expression>")
    parts = TracedParts()
    parts.add_value(tree, None)
    place = code.add_constant(run)
    coder = TracingCoder(code, units, DESTINATION_FUNCTIONS, ids=parts.ids, run=place, noted=run.ids)
    with code.open_function("") as name:
        code.emit_line(f"return {coder.write_outermost(tree, TracedNames(place))}")
    if coder.problems:
        raise coder.problems[0]
    return code.compile_module(GLOBALS).get_function(name)


@dataclass
class TracingCoder(ExpressionCoder):
    """Writes an expression, with a line after each part of `ids` that notes in `run` what it became."""

    ids: frozenset[int] = frozenset()
    run: str = ""
    noted: list[int] = field(default_factory=list)

    def write_value(self, node: ExpressionNode, current: Current) -> str:
        """The atom of what `node` becomes, after the lines that work it out."""
        if node.kind == "or_expression":
            self.code.emit_line(f"{self.run}.begun.add({self._id_of(node)})")
        atom = super().write_value(node, current)
        if id(node) in self.ids:
            self.code.emit_line(f"{self.run}.values[{self._id_of(node)}] = {atom}")
        return atom

    def _id_of(self, node: ExpressionNode) -> str:
        self.noted.append(id(node))
        return f"{self.run}.ids[{len(self.noted) - 1}]"


@dataclass(frozen=True, slots=True)
class TracedNames(NameResolver):
    """Asks the run what a name represents."""

    run: str

    @property
    def parameters(self) -> str:
        """Nothing: the run is at hand everywhere."""
        return ""

    def resolve_path(self, writer: ExpressionWriter, path: Sequence[ExpressionNode]) -> tuple[str, int]:
        """The atom of a name, or of `webhook.id` and its like."""
        steps = 2 if path[0].value == "webhook" and len(path) > 1 else 1
        name = ".".join(step.value for step in path[:steps])
        return writer.code.assign_value(f"{self.run}.name_value({name!r})"), steps
