"""The recipe in the `webhook` section: read by `bridge.signature`, with its problems at their lines in the file."""

from __future__ import annotations

from collections.abc import Sequence

from bridge import signature
from bridge.core.model import SourceLocation
from bridge.signature import Recipe
from bridge.signature.read_recipe import KEYS as RECIPE_KEYS
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode, plain_value
from bridge.yaml.problems import Problems


def read_recipe(webhook: MappingNode | None, problems: Problems, advice: Problems) -> Recipe | None:
    """How requests prove genuine and what they are called; None, with problems, where that cannot be read.

    What it protects less well than it seems is advice, an error among it where anybody could make use of it.
    """
    if webhook is None:
        return None
    section = {key: plain_value(entry.value) for key, entry in webhook.entries.items() if key in RECIPE_KEYS}
    found = signature.recipe_problems(section)
    for error in found:
        problems.add_error(_location_of(webhook, error.at), error.text)
    if found:
        return None
    for weakness in signature.find_weaknesses(section):
        tell = advice.add_error if weakness.certain else advice.add_warning
        tell(_location_of(webhook, weakness.at), weakness.text)
    return signature.read_recipe(section)


def _location_of(node: Node, path: Sequence[str | int]) -> SourceLocation:
    """Where the value under a path of keys is, or what is nearest to it."""
    place = node.place
    for step in path:
        match node:
            case MappingNode() if str(step) in node.entries:
                entry = node.entries[str(step)]
                node = entry.value
                place = node.place if isinstance(node, Scalar) and node.text else entry.key.place
            case SequenceNode() if isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                place = node.place
            case _:
                return place
    return place
