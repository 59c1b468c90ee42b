"""Builds again what a mapping's templates and names of `let` build, and says of each value where it comes from.

For `explain`: slowly, one expression after the other, so that one that fails does not hide the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bridge.contract import TEXT_FIELDS
from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.mapping import MappingReading
from bridge.mapping.codegen.template import texts_below
from bridge.mapping.engine.context import MappingFrame, as_list
from bridge.mapping.engine.recall import Known, NoEarlierEvents
from bridge.mapping.expressions.parser import parse_expression
from bridge.mapping.expressions.runtime import CannotEvaluate, is_true
from bridge.mapping.language import EARLIER
from bridge.mapping.tools.body_paths import DocumentPaths, Path
from bridge.mapping.tools.explain_conditions import list_elements
from bridge.mapping.tools.tracer import Trace, TracedExpression, TracedName, TracedValue
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode

_NOTHING = {type(None): "null", str: "an empty text", list: "an empty list", dict: "an empty object"}


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """One field of an event. `place` None: no line of the mapping gives it.

    `absent` says why it is not in the event, None where it is; `value` is what the event holds. `recalled`: the
    earlier event gave it, for what the mapping's line reads came out as nothing.
    """

    path: Path
    place: SourceLocation | None
    value: Json = None
    absent: str | None = None
    working: Trace | None = None
    recalled: bool = False

    @property
    def name(self) -> str:
        """`properties.items[0].sku`."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).removeprefix(".")


@dataclass(slots=True)
class TraceBuilder:
    """Builds what a template builds, and notes every scalar of it as a field."""

    world: ExplainContext
    fields: list[ExplainedField] = field(default_factory=list)

    def build_node(self, node: Node, path: Path, world: ExplainContext) -> Json:
        """What a node becomes, None for nothing."""
        match node:
            case Scalar():
                return self._build_scalar(node, path, world)
            case SequenceNode():
                return self._build_series([(item, world) for item in node.items], path)
            case MappingNode() if "for_each" in node.entries:
                return self._build_for_each(node, path, world)
            case MappingNode():
                return self._build_mapping(node, path, world)

    def _build_mapping(self, node: MappingNode, path: Path, world: ExplainContext) -> Json:
        out = {}
        for key, entry in node.entries.items():
            name = key[1:] if key.startswith("==") else key
            value = self.build_node(entry.value, (*path, name), world)
            if value is not None:
                out[name] = value
        return out or None

    def _build_series(self, items: list[tuple[Node, ExplainContext]], path: Path) -> Json:
        out: list[Json] = []
        for node, world in items:
            value = self.build_node(node, (*path, len(out)), world)
            if value is not None:
                out.append(value)
        return out or None

    def _build_for_each(self, node: MappingNode, path: Path, world: ExplainContext) -> Json:
        source, name, when = node.entries["in"].value, node.entries["for_each"].value, node.get_value("when")
        assert isinstance(source, Scalar)  # noqa: S101  the compiler has seen to it
        assert isinstance(name, Scalar)  # noqa: S101  the same
        working = world.trace_scalar(source)
        try:
            values = as_list(working.value)
        except CannotEvaluate as error:
            working, values = Trace(working.expression, failure=error.text, reads=working.reads), []
        if not values:
            why = f"cannot be worked out: {working.failure}" if working.failure else "`in` came out as an empty list"
            self.fields.append(ExplainedField(path, source.place, None, why, working))
            return None
        inside = [
            world.within_loop(name.text, element)
            for element in list_elements(working, name.text, world.lets.document_paths)
        ]
        if isinstance(when, Scalar):
            inside = [each for each in inside if is_true(each.trace_scalar(when).value)]
        return self._build_series([(node.entries["map"].value, each) for each in inside], path)

    def _build_scalar(self, node: Scalar, path: Path, world: ExplainContext) -> Json:
        if not node.is_expression:
            value = world.lets.prune_value(node.literal, path)
            self.fields.append(
                ExplainedField(path, node.place, value, None if value is not None else "the mapping gives nothing")
            )
            return value
        working = world.trace_scalar(node)
        if working.failure is not None:
            why = f"cannot be worked out: {working.failure}"
            self.fields.append(ExplainedField(path, node.place, None, why, working))
            return None
        value = world.lets.prune_value(working.value, path)
        self.fields.append(
            ExplainedField(path, node.place, value, None if value is not None else _failure_of(working), working)
        )
        return value


def _failure_of(working: Trace) -> str:
    empty = _NOTHING.get(working.value.__class__, "nothing") if not working.value else "nothing but empty values"
    tried = next((len(chain) for chain in working.chains if not any(one.taken for one in chain)), 0)
    return f"came out as {empty}" + (f": none of {tried} alternatives has a value" if tried else "")


# ---------------------------------------------------------------------------------------------------- what names mean


class LetValues:
    """The names of `let` and of the webhook's expressions, each evaluated once, and the roots."""

    def __init__(self, found: MappingReading, frame: MappingFrame, scope: str, earlier: Known) -> None:
        self.scope = scope
        self.earlier = earlier
        self.parts = found.parts
        self.trees = found.compile_info.trees
        self.frame = frame
        self._worked: dict[str, TracedName] = {}
        self._compiled: dict[Scalar, TracedExpression] = {}
        self.document_paths = DocumentPaths(frame.request, frame.body)

    def named(self, name: str) -> TracedName | None:
        """A name, evaluated; None for none of them."""
        node: Node | None = None
        if name in self.parts.lets:
            node = self.parts.lets[name][1]
        elif name.startswith("webhook."):
            node = self.parts.expressions.get(name.removeprefix("webhook."))
        if node is None:
            return None
        if name not in self._worked:
            self._worked[name] = TracedName(name, node.place, self._trace_of(node))
        return self._worked[name]

    def compile_traced(self, scalar: Scalar) -> TracedExpression:
        """An expression of the mapping, compiled once."""
        if scalar not in self._compiled:
            tree = self.trees.get(scalar) or parse_expression(scalar.expression)
            self._compiled[scalar] = TracedExpression(tree, scalar.expression, units=self.parts.units)
        return self._compiled[scalar]

    def _trace_of(self, node: Node) -> Trace:
        world = ExplainContext(self)
        if isinstance(node, Scalar):
            return world.trace_scalar(node) if node.is_expression else Trace(node.text, node.literal)
        builder = TraceBuilder(world)
        value = builder.build_node(node, ("let",), world)
        if value is None:
            value = [] if isinstance(node, SequenceNode) or "for_each" in node.entries else {}
        failure = next((one.working.failure for one in builder.fields if one.working and one.working.failure), None)
        parts = [one.working for one in builder.fields if one.working]
        return Trace(
            "",
            value,
            failure,
            reads=tuple(read for part in parts for read in part.reads),
            names=tuple({name.name: name for part in parts for name in part.names}.values()),
            loops=tuple({id(loop): loop for part in parts for loop in part.loops}.values()),
        )

    def prune_value(self, value: Json, path: Path) -> Json:
        """A value as the template puts it: None for nothing, text where the contract wants text."""
        names = tuple(step for step in path if isinstance(step, str))
        as_text = None if names in TEXT_FIELDS else texts_below(TEXT_FIELDS, names)
        target: dict[str, Json] = {}
        if isinstance(value, str):
            return value or None
        self.frame.put_texts(target, "it", value, as_text)
        return target.get("it")


@dataclass(frozen=True, slots=True)
class ExplainContext:
    """What names represent at one place: inside a for_each, its names too."""

    lets: LetValues
    locals: Mapping[str, TracedValue] = field(default_factory=dict)
    earlier: Json = None

    def within_loop(self, name: str, seen: TracedValue) -> ExplainContext:
        """The names inside a for_each."""
        return replace(self, locals={**self.locals, name: seen})

    def trace_scalar(self, scalar: Scalar) -> Trace:
        """How an expression of the mapping becomes its value here."""
        return self.lets.compile_traced(scalar).trace_value(self)

    def local(self, name: str) -> TracedValue | None:
        """What a for_each around it calls so."""
        return self.locals.get(name)

    def named(self, name: str) -> TracedName | None:
        """A name of `let`."""
        return self.lets.named(name)

    def root(self, name: str) -> Json:
        """A root."""
        return self.earlier if name == EARLIER else getattr(self.lets.frame, name)


def world_of(found: MappingReading, frame: MappingFrame) -> ExplainContext:
    """What the names of a mapping represent, given one webhook's roots."""
    return ExplainContext(LetValues(found, frame, "", NoEarlierEvents()))
