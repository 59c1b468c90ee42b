"""Where each field of an item comes from: its line in the destination file, and what of the event it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.destinations.engine.requests import Item
from bridge.destinations.language import Platform
from bridge.destinations.language.event_paths import EventPaths
from bridge.mapping.codegen.expression_compiler import iter_expressions
from bridge.mapping.codegen.required_fields import find_written_node
from bridge.mapping.expressions.parser import ExpressionNode, parse_expression
from bridge.yaml.document import Scalar

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemField:
    """One field of an item: its value, where the file writes it, and the paths of the event that it reads, with values.

    `written` is the expression or the literal text; empty where it is a list or an object of several.
    """

    path: Path
    value: Json
    place: SourceLocation
    written: str
    reads: tuple[tuple[Path, Json], ...]


def explain_item(platform: Platform, item: Item) -> tuple[ItemField, ...]:
    """The fields of an item, in its order."""
    template = platform.parts.sends[item.rule].item
    paths = EventPaths(platform.parts, _trees_of_lets(platform))
    told = []
    for path, value in _iter_leaves(item.content, ()):
        node = find_written_node(template, path)
        if node is None:
            continue
        reads = [
            one for scalar in iter_expressions(node) for one in paths.paths_in(parse_expression(scalar.expression))
        ]
        written = node.text if isinstance(node, Scalar) else ""
        values = tuple((one, _value_at(item.event, one)) for one in dict.fromkeys(reads))
        told.append(ItemField(path, value, node.place, written, values))
    return tuple(told)


def _trees_of_lets(platform: Platform) -> dict[Scalar, ExpressionNode]:
    """The expressions of names of `let`; the file has no errors, so that all of them can be parsed."""
    nodes = (node for _, node in platform.parts.lets.values())
    return {scalar: parse_expression(scalar.expression) for node in nodes for scalar in iter_expressions(node)}


def _iter_leaves(value: Json, path: Path) -> Iterator[tuple[Path, Json]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _iter_leaves(below, (*path, key))
    else:
        yield path, value


def _value_at(event: Json, path: Path) -> Json:
    for step in path:
        event = event.get(step) if isinstance(event, dict) else None
    return event
