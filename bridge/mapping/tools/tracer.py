"""An expression worked out step by step, noting what it read and which alternative it took.

Slow and only for people: `explain` asks it. Its values are those of the compiled expression. Not concerned with where
an expression stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.json_text import Json
from bridge.core.model import Place
from bridge.mapping.expressions import runtime
from bridge.mapping.expressions.parser import Node
from bridge.mapping.expressions.printer import name as spelt_name
from bridge.mapping.expressions.printer import spelt, step
from bridge.mapping.expressions.runtime import truth
from bridge.mapping.functions.builtin import FUNCTIONS
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.functions.registry import Function


@dataclass(frozen=True, slots=True)
class Read:
    """A path that was read, and what was found there; null where nothing was."""

    path: str
    value: Json


@dataclass(frozen=True, slots=True)
class Alternative:
    """One part of `a || b || c`: what it came to, and whether that was taken. One behind the taken was not looked at."""

    text: str
    value: Json = None
    looked_at: bool = True
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """A name of `let` that was used: where it stands, and how it was worked out."""

    name: str
    place: Place
    working: Working


@dataclass(frozen=True, slots=True)
class Working:
    """How an expression came to its value; `failure` says why it could not be worked out."""

    expression: str
    value: Json = None
    failure: str | None = None
    reads: tuple[Read, ...] = ()
    chains: tuple[tuple[Alternative, ...], ...] = ()
    names: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A value and the path that it was read from, None where it was made.

    `whole` marks a path of which more can be read only in parentheses: `(a[*].b)[0]`.
    """

    value: Json
    path: str | None = None
    whole: bool = False


class World(Protocol):
    """What an expression's names stand for."""

    @property
    def units(self) -> MinorUnits | None:
        """The mapping's table of minor units."""
        ...

    def local(self, name: str) -> Seen | None:
        """What a for_each around it calls so."""
        ...

    def named(self, name: str) -> Named | None:
        """A name of `let`, or `webhook.test` and its like, worked out; None where there is none."""
        ...

    def root(self, name: str) -> Json:
        """A root."""
        ...


def work_out(node: Node, text: str, world: World) -> Working:
    """How an expression comes to its value. Never raises."""
    tracer = Tracer(world)
    value: Json = None
    failure: str | None = None
    try:
        value = tracer.take(node, None)
    except runtime.Unworkable as error:
        failure = error.text
    except RecursionError:
        failure = "nested too deep"
    return Working(
        expression=text,
        value=value,
        failure=failure,
        reads=tuple(Read(path, found) for path, found in tracer.reads.items()),
        chains=tuple(tracer.chains),
        names=tuple(tracer.names.values()),
    )


@dataclass(slots=True)
class Tracer:
    """One walk through a tree. `current` is the value at hand, None at the outermost level, where names are."""

    world: World
    reads: dict[str, Json] = field(default_factory=dict)
    chains: list[tuple[Alternative, ...]] = field(default_factory=list)
    names: dict[str, Named] = field(default_factory=dict)
    muted: int = 0

    def take(self, node: Node, current: Seen | None) -> Json:
        """What a part comes to; the path that it read is noted."""
        seen = self.see(node, current)
        if seen.path is not None and not self.muted:
            self.reads.setdefault(seen.path, seen.value)
        return seen.value

    def see(self, node: Node, current: Seen | None) -> Seen:
        """What a part comes to, with its path, which is noted only when nothing more is read of it."""
        match node.kind:
            case "field":
                return self._name(node.value) if current is None else _field(current, node.value)
            case "subexpression" | "index_expression" | "pipe":
                return self._path(node, current)
            case "index" | "slice" | "identity" | "current":
                return _of_list(node, current or Seen(None))
            case "projection" | "value_projection" | "filter_projection":
                return self._projection(node, current)
            case "flatten":
                base = self.see(node.children[0], current)
                return Seen(_flat(base.value), _after(base, "[]"))
            case _:
                return Seen(self._made(node, current))

    # ---------------------------------------------------------------------------------------------------- paths

    def _path(self, node: Node, current: Seen | None) -> Seen:
        first, *rest = node.children
        if current is None and first.kind == "field" and first.value == "webhook" and rest[0].kind == "field":
            seen = self._of_webhook(rest.pop(0).value)
        else:
            seen = self.see(first, current)
        for child in rest:
            before = seen
            seen = self.see(child, before)
            if node.kind == "pipe" and seen.path is not None and before.path is not None:
                seen = Seen(seen.value, f"{before.path} | {spelt(child)}", whole=True)
        return seen

    def _name(self, name: str) -> Seen:
        local = self.world.local(name)
        if local is not None:
            return local
        named = self.world.named(name)
        if named is not None:
            return self._used(named)
        if name == "webhook":
            return Seen({key: self._of_webhook(key).value for key in _WEBHOOK}, name)
        return Seen(self.world.root(name), name)

    def _of_webhook(self, key: str) -> Seen:
        path = f"webhook.{key}"
        named = self.world.named(path)
        return self._used(named) if named is not None else Seen(self.world.root("webhook").get(key), path)

    def _used(self, named: Named) -> Seen:
        self.names.setdefault(named.name, named)
        if named.working.failure is not None:
            raise runtime.Unworkable(named.working.failure)
        return Seen(named.working.value, named.name)

    def _projection(self, node: Node, current: Seen | None) -> Seen:
        base, each, *condition = node.children
        seen = self.see(base, current)
        elements = _elements(node.kind, seen.value)
        if elements is None:
            return Seen(None, _after(seen, _spread(node)), whole=True)
        out = []
        with self._quiet():
            for element in elements:
                if condition and not truth(self.take(condition[0], Seen(element))):
                    continue
                value = self.take(each, Seen(element))
                if value is not None:
                    out.append(value)
        return Seen(out, _after(seen, _spread(node)), whole=True)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """What is read of single elements is not noted: the path as a whole is."""
        self.muted += 1
        try:
            yield
        finally:
            self.muted -= 1

    # ------------------------------------------------------------------------------------------- values that are made

    def _made(self, node: Node, current: Seen | None) -> Json:  # noqa: PLR0911  one case for each kind of node
        match node.kind:
            case "literal":
                return node.value
            case "or_expression":
                return self._either(node, current)
            case "and_expression":
                one, other = node.children
                left = self.take(one, current)
                return self.take(other, current) if truth(left) else left
            case "not_expression":
                return not truth(self.take(node.children[0], current))
            case "comparator":
                one, other = (self.take(child, current) for child in node.children)
                return _compared(node.value, one, other)
            case "multi_select_list":
                return None if _is_null(current) else [self.take(child, current) for child in node.children]
            case "multi_select_dict":
                if _is_null(current):
                    return None
                return {pair.value: self.take(pair.children[0], current) for pair in node.children}
            case _:
                return self._called(FUNCTIONS[node.value], node, current)

    def _either(self, node: Node, current: Seen | None) -> Json:
        parts: list[Node] = []
        while node.kind == "or_expression":
            node, last = node.children
            parts.insert(0, last)
        parts.insert(0, node)
        tried: list[Alternative] = []
        value: Json = None
        try:
            for place, part in enumerate(parts):
                value = self.take(part, current)
                taken = truth(value) or place == len(parts) - 1
                tried.append(Alternative(spelt(part), value, taken=taken and truth(value)))
                if taken:
                    break
        finally:
            tried += [Alternative(spelt(part), looked_at=False) for part in parts[len(tried) :]]
            if not self.muted:
                self.chains.append(tuple(tried))
        return value

    def _called(self, function: Function, node: Node, current: Seen | None) -> Json:
        if function.name == "choose":
            condition, yes, no = node.children
            return self.take(yes if truth(self.take(condition, current)) else no, current)
        given: list[Json] = [self._argument(child, current) for child in node.children]
        parameters = [function.parameter(place) for place in range(len(given))]
        if function.own and any(
            value is None and not parameter.nullable for value, parameter in zip(given, parameters, strict=True)
        ):
            return None
        for place, (parameter, value) in enumerate(zip(parameters, given, strict=True), 1):
            if parameter.is_expression or (value is None and parameter.nullable):
                continue
            if value.__class__ not in runtime.classes_of(parameter.types):
                runtime.wrong_argument(function.name, place, value, parameter.wanted)
            if parameter.items and isinstance(value, list):
                runtime.check_items(function.name, place, value, parameter.items)
        units = [self.world.units] if function.name == "from_minor" else []
        return function.call(*given, *units)

    def _argument(self, node: Node, current: Seen | None) -> Json:
        if node.kind != "expref":
            return self.take(node, current)
        each = node.children[0]

        def of(element: Json) -> Json:
            with self._quiet():
                return self.take(each, Seen(element))

        return of


_WEBHOOK = ("id", "topic", "received_at", "occurred_at", "account", "test")


def _field(seen: Seen, name: str) -> Seen:
    value = seen.value.get(name) if seen.value.__class__ is dict else None
    return Seen(value, _after(seen, f".{spelt_name(name)}"))


def _of_list(node: Node, seen: Seen) -> Seen:
    if node.kind in {"identity", "current"}:
        return seen
    value = seen.value
    if value.__class__ is not list:
        return Seen(None, _after(seen, step(node)))
    if node.kind == "slice":
        return Seen(value[slice(*node.value)], _after(seen, step(node)))
    place: int = node.value
    return Seen(value[place] if -len(value) <= place < len(value) else None, _after(seen, step(node)))


def _after(seen: Seen, text: str) -> str | None:
    if seen.path is None or not text:
        return seen.path
    return f"({seen.path}){text}" if seen.whole else seen.path + text


def _spread(node: Node) -> str:
    """What a projection adds to the path of what it goes through."""
    base, each, *condition = node.children
    match node.kind:
        case "filter_projection":
            return f"[?{spelt(condition[0])}]{step(each)}"
        case "value_projection":
            return f".*{step(each)}"
        case _:
            sliced = base.kind == "index_expression" and base.children[-1].kind == "slice"
            return step(each) if sliced or base.kind == "flatten" else f"[*]{step(each)}"


def _elements(kind: str, value: Json) -> list[Json] | None:
    if kind == "value_projection":
        return list(value.values()) if value.__class__ is dict else None
    return list(value) if value.__class__ is list else None


def _flat(value: Json) -> Json:
    if value.__class__ is not list:
        return None
    return [each for item in value for each in (item if item.__class__ is list else [item])]


def _is_null(current: Seen | None) -> bool:
    return current is not None and current.value is None


def _compared(comparator: str, one: Json, other: Json) -> Json:
    match comparator:
        case "eq":
            return runtime.equal(one, other)
        case "ne":
            return not runtime.equal(one, other)
        case "lt":
            return runtime.less(one, other)
        case "lte":
            return runtime.at_most(one, other)
        case "gt":
            return runtime.less(other, one)
        case _:
            return runtime.at_most(other, one)
