"""Which of a rule's conditions held, and what the elements of a `for_each` are called: for `explain`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bridge.core.model import SourceLocation
from bridge.mapping.definition import RuleCondition
from bridge.mapping.expressions.runtime import is_true
from bridge.mapping.tools.body_paths import DocumentPaths
from bridge.mapping.tools.tracer import Trace, TracedValue
from bridge.yaml.document import Scalar


@dataclass(frozen=True, slots=True)
class ConditionExplanation:
    """A condition of a rule, and the reason that it gives where it does not hold."""

    place: SourceLocation
    working: Trace
    reason: str | None = None

    @property
    def held(self) -> bool:
        """Whether it holds."""
        return self.working.failure is None and is_true(self.working.value)


def explain_conditions(
    conditions: Sequence[RuleCondition], trace: Callable[[Scalar], Trace]
) -> Iterator[ConditionExplanation]:
    """The conditions of a rule, to the first that does not hold."""
    for condition in conditions:
        told = ConditionExplanation(condition.test.place, trace(condition.test), condition.reason)
        yield told
        if not told.held:
            return


def list_elements(working: Trace, name: str, paths: DocumentPaths) -> list[TracedValue]:
    """The elements of a list for a for_each that calls them so, each with its path; none where there is no list."""
    values = working.value if isinstance(working.value, list) else []
    base = name if working.origin is None else working.origin
    found = [paths.find_object(value) for value in values]
    return [
        TracedValue(value, f"{base}[{place}]" if path is None else paths.write_path(path), loop=working)
        for place, (value, path) in enumerate(zip(values, found, strict=True))
    ]
