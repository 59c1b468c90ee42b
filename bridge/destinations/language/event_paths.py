"""Which paths of the event an expression of a destination file reads, also by names of `let` that are such a path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bridge.destinations.language.parts import PlatformDefinition
from bridge.mapping.codegen.expression_compiler import iter_expressions
from bridge.mapping.expressions.parser import ExpressionNode as Tree
from bridge.yaml.document import Scalar


class EventPaths:
    """The paths below `event` of one file. A name such as `who: =event.user_data` is an alias of one."""

    def __init__(self, parts: PlatformDefinition, trees: Mapping[Scalar, Tree]) -> None:
        self._aliases: dict[str, tuple[str, ...]] = {}
        self._lets = {
            name: [trees[scalar] for scalar in iter_expressions(node) if scalar in trees]
            for name, (_, node) in parts.lets.items()
        }
        for name, (_, node) in parts.lets.items():
            path = self.path_of(trees[node]) if isinstance(node, Scalar) and node in trees else None
            if path is not None:
                self._aliases[name] = path

    def path_of(self, tree: Tree) -> tuple[str, ...] | None:
        """The path below `event` that a part of an expression reads, None where it is no such path."""
        names = field_names(tree)
        if names and names[0] == "event":
            return names[1:]
        if names and names[0] in self._aliases:
            return (*self._aliases[names[0]], *names[1:])
        return None

    def paths_in(self, tree: Tree) -> list[tuple[str, ...]]:
        """Every path below `event` that an expression reads, itself or through names of `let`, each once."""
        return list(dict.fromkeys(self._iter_paths(tree, frozenset())))

    def _iter_paths(self, tree: Tree, seen: frozenset[str]) -> Iterator[tuple[str, ...]]:
        for part in outer_paths(tree):
            path, name = self.path_of(part), field_names(part)[0]
            if path:
                yield path
            elif path is None and name in self._lets and name not in seen:
                for below in self._lets[name]:
                    yield from self._iter_paths(below, seen | {name})


def field_names(tree: Tree) -> tuple[str, ...]:
    """The names of a path of fields; what follows them, such as an index, is left off."""
    if tree.kind == "field":
        return (str(tree.value),)
    if tree.kind not in {"subexpression", "index_expression", "projection", "flatten", "filter_projection"}:
        return ()
    names: list[str] = []
    for place, child in enumerate(tree.children):
        if child.kind == "field":
            names.append(str(child.value))
        else:
            names += field_names(child)  # `items` of `items[0]`
            if place:
                break
    return tuple(names)


def outer_paths(tree: Tree) -> Iterator[Tree]:
    """Every path of an expression that begins with a name of the outermost level."""
    if field_names(tree):
        yield tree
        return
    if tree.kind == "expref":
        return
    for place, child in enumerate(tree.children):
        if place == 0 or tree.kind not in {"subexpression", "pipe", "projection", "filter_projection"}:
            yield from outer_paths(child)
