"""Which fields an event must have, and the generated lines that check it.

A field that no line of the mapping gives is a problem at load; one that comes out as nothing sets the webhook aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.mapping.definition import FieldRequirement, Rule
from bridge.mapping.engine.module import ModuleCode
from bridge.mapping.language import REQUIRED, REQUIRING
from bridge.yaml.document import MappingNode, Node, Scalar
from bridge.yaml.problems import Problems

_SPOTLESS = -1
"""The offset of a scalar itself, before its expression."""


class RuleRequirements:
    """The requirements of one rule."""

    def __init__(self, rule: Rule, problems: Problems) -> None:
        self._rule = rule
        self._problems = problems
        self._type = rule.event.get_value("event_type")

    def check_statically(self) -> None:
        """Tell what can be seen without an event."""
        if "for_each" in self._rule.event.entries:
            self._problems.add_error(self._rule.event.place, "an event is one object; for_each makes a list")
        elif self._type is None:
            self._problems.add_error(self._rule.event.place, "an event needs `event_type`")
        elif isinstance(self._type, Scalar) and not self._type.is_expression:
            if not isinstance(self._type.literal, str) or not self._type.literal:
                self._problems.add_error(self._type.place, "event_type must be text")
        elif not isinstance(self._type, Scalar):
            self._problems.add_error(self._type.place, "event_type must be text")
        for requirement in self._always_required():
            if self._never_given(requirement.path):
                name = ".".join(requirement.path)
                place = requirement.place or self._rule.event.place
                self._problems.add_error(
                    place, f"`{name}` is required and nothing gives it: write it, or `require: []`"
                )

    def write_checks(self, code: ModuleCode, event: str) -> None:
        """The lines that refuse an event without what it must have."""
        for requirement in self._always_required():
            self._write_check(code, event, requirement)
        if self._rule.require is None and isinstance(self._type, Scalar) and self._type.is_expression:
            with code.open_block(f"if {event}.get('event_type') in {code.add_constant(REQUIRING)}:"):
                for path in REQUIRED:
                    self._write_check(code, event, FieldRequirement(path))

    def _always_required(self) -> Iterator[FieldRequirement]:
        """What is required whatever the webhook holds."""
        if self._rule.require is not None:
            yield from self._rule.require
        elif isinstance(self._type, Scalar) and self._type.value in REQUIRING:
            yield from (FieldRequirement(path) for path in REQUIRED)

    def _write_check(self, code: ModuleCode, event: str, requirement: FieldRequirement) -> None:
        scalar = find_written_node(self._rule.event, requirement.path)
        with code.standing_for(scalar if isinstance(scalar, Scalar) else self._rule.event_key):
            name = ".".join(requirement.path)
            code.emit_line(f"if not _has({event}, {requirement.path!r}): _lacking({name!r})", _SPOTLESS)

    def _never_given(self, path: tuple[str, ...]) -> bool:
        lends = self._rule.recall or self._rule.defer_to
        if lends is not None and any(path[: len(taken)] == taken for taken in lends.take):
            return False
        node = find_written_node(self._rule.event, path)
        return node is None or (isinstance(node, Scalar) and not node.is_expression and node.literal in (None, ""))


def find_written_node(node: Node, path: Sequence[str]) -> Node | None:
    """What a file writes at a path below a node, or at the nearest one around it; None where it writes nothing."""
    for step in path:
        if not isinstance(node, MappingNode) or "for_each" in node.entries:
            return node
        below = node.get_value(step)
        if below is None:
            return None
        node = below
    return node
