"""Evaluates an expression step by step, noting what it read and which alternative it took.

Slow, for `explain` only. Its values are those of the compiled expression.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.mapping.expressions import runtime
from bridge.mapping.expressions.parser import ExpressionNode
from bridge.mapping.expressions.printer import print_expression, print_step
from bridge.mapping.expressions.printer import print_name as spelt_name
from bridge.mapping.expressions.runtime import is_true
from bridge.mapping.functions.for_destinations import DESTINATION_FUNCTIONS
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.functions.registry import MappingFunction


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
    """How an expression became its value; `failure` says why it could not be evaluated."""

    expression: str
    value: Json = None
    failure: str | None = None
    reads: tuple[ReadPath, ...] = ()
    chains: tuple[tuple[TracedAlternative, ...], ...] = ()
    names: tuple[TracedName, ...] = ()


@dataclass(frozen=True, slots=True)
class TracedValue:
    """A value and the path that it was read from, None where it was made.

    `whole` marks a path of which more can be read only in parentheses: `(a[*].b)[0]`.
    """

    value: Json
    path: str | None = None
    whole: bool = False


class TraceContext(Protocol):
    """What an expression's names represent."""

    @property
    def units(self) -> MinorUnits | None:
        """The mapping's table of minor units."""
        ...

    def local(self, name: str) -> TracedValue | None:
        """What a for_each around it calls so."""
        ...

    def named(self, name: str) -> TracedName | None:
        """A name of `let`, or `webhook.test` and its like, evaluated; None where there is none."""
        ...

    def root(self, name: str) -> Json:
        """A root."""
        ...


def work_out(node: ExpressionNode, text: str, world: TraceContext) -> Trace:
    """How an expression becomes its value. Never raises."""
    tracer = Tracer(world)
    value: Json = None
    failure: str | None = None
    try:
        value = tracer.take_value(node, None)
    except runtime.CannotEvaluate as error:
        failure = error.text
    except RecursionError:
        failure = "nested too deep"
    return Trace(
        expression=text,
        value=value,
        failure=failure,
        reads=tuple(ReadPath(path, found) for path, found in tracer.reads.items()),
        chains=tuple(tracer.chains),
        names=tuple(tracer.names.values()),
    )


@dataclass(slots=True)
class Tracer:
    """One walk through a tree. `current` is the value at hand, None at the outermost level, where names are."""

    world: TraceContext
    reads: dict[str, Json] = field(default_factory=dict)
    chains: list[tuple[TracedAlternative, ...]] = field(default_factory=list)
    names: dict[str, TracedName] = field(default_factory=dict)
    muted: int = 0

    def take_value(self, node: ExpressionNode, current: TracedValue | None) -> Json:
        """What a part becomes; the path that it read is noted."""
        seen = self.trace_value(node, current)
        if seen.path is not None and not self.muted:
            self.reads.setdefault(seen.path, seen.value)
        return seen.value

    def trace_value(self, node: ExpressionNode, current: TracedValue | None) -> TracedValue:
        """What a part becomes, with its path, which is noted only when nothing more is read of it."""
        match node.kind:
            case "field":
                return self._name(node.value) if current is None else _field_of(current, node.value)
            case "subexpression" | "index_expression" | "pipe":
                return self._path(node, current)
            case "index" | "slice" | "identity" | "current":
                return _of_list(node, current or TracedValue(None))
            case "projection" | "value_projection" | "filter_projection":
                return self._projection(node, current)
            case "flatten":
                base = self.trace_value(node.children[0], current)
                return TracedValue(_flatten_value(base.value), _append_step(base, "[]"))
            case _:
                return TracedValue(self._made(node, current))

    # ---------------------------------------------------------------------------------------------------- paths

    def _path(self, node: ExpressionNode, current: TracedValue | None) -> TracedValue:
        first, *rest = node.children
        if current is None and first.kind == "field" and first.value == "webhook" and rest[0].kind == "field":
            seen = self._of_webhook(rest.pop(0).value)
        else:
            seen = self.trace_value(first, current)
        for child in rest:
            before = seen
            seen = self.trace_value(child, before)
            if node.kind == "pipe" and seen.path is not None and before.path is not None:
                seen = TracedValue(seen.value, f"{before.path} | {print_expression(child)}", whole=True)
        return seen

    def _name(self, name: str) -> TracedValue:
        local = self.world.local(name)
        if local is not None:
            return local
        named = self.world.named(name)
        if named is not None:
            return self._used(named)
        if name == "webhook":
            return TracedValue({key: self._of_webhook(key).value for key in _WEBHOOK}, name)
        return TracedValue(self.world.root(name), name)

    def _of_webhook(self, key: str) -> TracedValue:
        path = f"webhook.{key}"
        named = self.world.named(path)
        return self._used(named) if named is not None else TracedValue(self.world.root("webhook").get(key), path)

    def _used(self, named: TracedName) -> TracedValue:
        self.names.setdefault(named.name, named)
        if named.working.failure is not None:
            raise runtime.CannotEvaluate(named.working.failure)
        return TracedValue(named.working.value, named.name)

    def _projection(self, node: ExpressionNode, current: TracedValue | None) -> TracedValue:
        base, each, *condition = node.children
        seen = self.trace_value(base, current)
        elements = _projected_elements(node.kind, seen.value)
        if elements is None:
            return TracedValue(None, _append_step(seen, _projection_suffix(node)), whole=True)
        out = []
        with self._quiet():
            for element in elements:
                if condition and not is_true(self.take_value(condition[0], TracedValue(element))):
                    continue
                value = self.take_value(each, TracedValue(element))
                if value is not None:
                    out.append(value)
        return TracedValue(out, _append_step(seen, _projection_suffix(node)), whole=True)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """What is read of single elements is not noted: the path as a whole is."""
        self.muted += 1
        try:
            yield
        finally:
            self.muted -= 1

    # ------------------------------------------------------------------------------------------- values that are made

    def _made(self, node: ExpressionNode, current: TracedValue | None) -> Json:  # noqa: PLR0911  one case for each kind of node
        match node.kind:
            case "literal":
                return node.value
            case "or_expression":
                return self._either(node, current)
            case "and_expression":
                one, other = node.children
                left = self.take_value(one, current)
                return self.take_value(other, current) if is_true(left) else left
            case "not_expression":
                return not is_true(self.take_value(node.children[0], current))
            case "comparator":
                one, other = (self.take_value(child, current) for child in node.children)
                return _compare_values(node.value, one, other)
            case "multi_select_list":
                return None if _is_null(current) else [self.take_value(child, current) for child in node.children]
            case "multi_select_dict":
                if _is_null(current):
                    return None
                return {pair.value: self.take_value(pair.children[0], current) for pair in node.children}
            case _:
                return self._called(DESTINATION_FUNCTIONS[node.value], node, current)

    def _either(self, node: ExpressionNode, current: TracedValue | None) -> Json:
        parts: list[ExpressionNode] = []
        while node.kind == "or_expression":
            node, last = node.children
            parts.insert(0, last)
        parts.insert(0, node)
        tried: list[TracedAlternative] = []
        value: Json = None
        try:
            for place, part in enumerate(parts):
                value = self.take_value(part, current)
                taken = is_true(value) or place == len(parts) - 1
                tried.append(TracedAlternative(print_expression(part), value, taken=taken and is_true(value)))
                if taken:
                    break
        finally:
            tried += [TracedAlternative(print_expression(part), looked_at=False) for part in parts[len(tried) :]]
            if not self.muted:
                self.chains.append(tuple(tried))
        return value

    def _called(self, function: MappingFunction, node: ExpressionNode, current: TracedValue | None) -> Json:
        if function.name == "choose":
            condition, yes, no = node.children
            return self.take_value(yes if is_true(self.take_value(condition, current)) else no, current)
        given: list[Json] = [self._argument(child, current) for child in node.children]
        parameters = [function.parameter_at(place) for place in range(len(given))]
        if function.own and any(
            value is None and not parameter.nullable for value, parameter in zip(given, parameters, strict=True)
        ):
            return None
        for place, (parameter, value) in enumerate(zip(parameters, given, strict=True), 1):
            if parameter.is_expression or (value is None and parameter.nullable):
                continue
            if value.__class__ not in runtime.classes_of(parameter.types):
                runtime.wrong_argument(function.name, place, value, parameter.wanted_types)
            if parameter.items and isinstance(value, list):
                runtime.check_items(function.name, place, value, parameter.items)
        units = [self.world.units] if function.name == "from_minor" else []
        return function.call(*given, *units)

    def _argument(self, node: ExpressionNode, current: TracedValue | None) -> Json:
        if node.kind != "expref":
            return self.take_value(node, current)
        each = node.children[0]

        def of(element: Json) -> Json:
            with self._quiet():
                return self.take_value(each, TracedValue(element))

        return of


_WEBHOOK = ("id", "topic", "received_at", "occurred_at", "account", "test")


def _field_of(seen: TracedValue, name: str) -> TracedValue:
    value = seen.value.get(name) if seen.value.__class__ is dict else None
    return TracedValue(value, _append_step(seen, f".{spelt_name(name)}"))


def _of_list(node: ExpressionNode, seen: TracedValue) -> TracedValue:
    if node.kind in {"identity", "current"}:
        return seen
    value = seen.value
    if value.__class__ is not list:
        return TracedValue(None, _append_step(seen, print_step(node)))
    if node.kind == "slice":
        return TracedValue(value[slice(*node.value)], _append_step(seen, print_step(node)))
    place: int = node.value
    return TracedValue(
        value[place] if -len(value) <= place < len(value) else None, _append_step(seen, print_step(node))
    )


def _append_step(seen: TracedValue, text: str) -> str | None:
    if seen.path is None or not text:
        return seen.path
    return f"({seen.path}){text}" if seen.whole else seen.path + text


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


def _projected_elements(kind: str, value: Json) -> list[Json] | None:
    if kind == "value_projection":
        return list(value.values()) if value.__class__ is dict else None
    return list(value) if value.__class__ is list else None


def _flatten_value(value: Json) -> Json:
    if value.__class__ is not list:
        return None
    return [each for item in value for each in (item if item.__class__ is list else [item])]


def _is_null(current: TracedValue | None) -> bool:
    return current is not None and current.value is None


def _compare_values(comparator: str, one: Json, other: Json) -> Json:
    match comparator:
        case "eq":
            return runtime.are_equal(one, other)
        case "ne":
            return not runtime.are_equal(one, other)
        case "lt":
            return runtime.is_less(one, other)
        case "lte":
            return runtime.at_most(one, other)
        case "gt":
            return runtime.is_less(other, one)
        case _:
            return runtime.at_most(other, one)
