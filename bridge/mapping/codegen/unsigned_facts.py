"""The headers from which a mapping reads the account of a webhook and whether it is a test.

Where no signature covers them, they are part of a webhook's identity, together with its topic.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.mapping.codegen.compiler import CompileInfo
from bridge.mapping.definition import MappingDefinition
from bridge.mapping.expressions.parser import ExpressionNode as Tree
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode

_FACTS = ("account", "test")
"""What routes a webhook. Its `occurred_at` routes nothing, and a provider may write it again at every attempt."""


def headers_read(parts: MappingDefinition, compile_info: CompileInfo) -> tuple[str, ...]:
    """The names of the headers, in order, that `webhook.account` and `webhook.test` read, also by names of `let`."""
    return _follow_facts(parts, compile_info)[0]


def lets_read(parts: MappingDefinition, compile_info: CompileInfo) -> tuple[str, ...]:
    """The names of `let`, in order, by which `webhook.account` and `webhook.test` read."""
    return _follow_facts(parts, compile_info)[1]


def _follow_facts(parts: MappingDefinition, compile_info: CompileInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The headers that they read, and the names of `let` on the way."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting: list[Node] = [parts.expressions[name] for name in _FACTS if name in parts.expressions]
    while waiting:
        for scalar in _iter_scalars(waiting.pop()):
            tree = compile_info.trees.get(scalar)
            for name in _read_names(tree) if tree is not None else ():
                if name.startswith(_HEADER):
                    found.add(name.removeprefix(_HEADER))
                elif name in parts.lets and name not in seen:
                    seen.add(name)
                    waiting.append(parts.lets[name][1])
    return tuple(sorted(found)), tuple(sorted(seen))


def names_read(compile_info: CompileInfo) -> frozenset[str]:
    """Every name in the mapping's expressions: a header of another name is read by none of them."""
    return frozenset(name for tree in compile_info.trees.values() for name in _read_names(tree))


_HEADER = "headers."


def _read_names(tree: Tree) -> Iterator[str]:
    """Every name in an expression, and `headers.NAME` for each header."""
    if tree.kind == "field":
        yield str(tree.value)
    if tree.kind == "subexpression" and tree.children[0].kind == "field" and tree.children[0].value == "headers":
        yield f"{_HEADER}{tree.children[1].value}"
    for child in tree.children:
        yield from _read_names(child)


def _iter_scalars(node: Node) -> Iterator[Scalar]:
    match node:
        case Scalar():
            yield node
        case SequenceNode():
            for item in node.items:
                yield from _iter_scalars(item)
        case MappingNode():
            for entry in node.entries.values():
                yield from _iter_scalars(entry.value)
