"""Why a webhook that rules look at makes no event: the words of the condition that does not hold, or the deciding var.

A var decides where another of its allowed values would make an event. That is found by running the rule again with that
value, so that no reason promises an event that would not come.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.environment_names import var_environment_name
from bridge.core.json_text import Json
from bridge.mapping.engine.context import MappingFrame
from bridge.mapping.engine.defer import Deferring
from bridge.mapping.engine.program import RuleCode
from bridge.mapping.engine.recall import ConversionWanted

NO_ELEMENT = -1
"""The number that stands for the condition of a rule with `for_each` whose list is empty."""
_FAILS, _NO_MISS = sys.maxsize - 1, sys.maxsize
_NONE_HELD = "no rule's `when` held"


@dataclass(frozen=True, slots=True)
class RuleMiss:
    """A rule that made no event: the number of the condition that does not hold, and the element that it is about."""

    rule: RuleCode
    condition: int
    element: tuple[Json, ...] = ()

    @property
    def line(self) -> int:
        """Where that condition, or the list that is empty, stands in the mapping."""
        when = self.rule.when
        return when.loop_line if self.condition == NO_ELEMENT else when.lines[self.condition]


@dataclass(frozen=True, slots=True)
class IgnoredReasons:
    """Finds the reasons of one source's mapping. `choices` are the values that each var may have."""

    file_name: str
    source: str
    vars: Mapping[str, str]
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def describe_misses(self, misses: Sequence[RuleMiss], frame: MappingFrame, topic: str | None) -> str:
        """Why none of these rules made an event, each reason once, with the lines of their conditions."""
        told = dict.fromkeys(reason for miss in misses for reason in self._miss_reasons(miss, frame, topic))
        lines = dict.fromkeys(str(miss.line) for miss in misses)
        return f"{'; '.join(told) or _NONE_HELD} ({self.file_name}:{', :'.join(lines)})"

    def _miss_reasons(self, miss: RuleMiss, frame: MappingFrame, topic: str | None) -> Iterator[str]:
        if miss.condition == NO_ELEMENT:
            yield f"there is no {miss.rule.element_name} in it"
            return
        own = miss.rule.when.reasons[miss.condition]
        tried = [
            (_next_miss(miss, frame.with_vars({**self.vars, var: value})), var, value)
            for var, value in self._other_values(miss.rule, topic)
        ]
        counting = next(((var, value) for found, var, value in tried if found == _NO_MISS), None)
        holding = next((var for found, var, _ in tried if found > miss.condition), None)
        named = topic if topic in (miss.rule.topics or ()) else "this webhook"
        if counting is not None:
            var, value = counting
            now, mend = f"{var} = {self.vars[var]}", f"{var_environment_name(self.source, var)}={value} counts it"
            yield f"{own}: {now}, {mend}" if own is not None else f"{now}, so {named} is not counted; {mend}"
        elif own is not None:
            yield own
        elif holding is not None:
            yield f"{holding} = {self.vars[holding]}, so {named} is not counted"

    def _other_values(self, rule: RuleCode, topic: str | None) -> Iterator[tuple[str, str]]:
        """Each value that a var which the rule reads might have instead; one that is the topic comes first."""
        for var in rule.when.vars if rule.remember is None else ():
            others = [value for value in self.choices.get(var, ()) if value != self.vars[var]]
            yield from ((var, value) for value in sorted(others, key=lambda one: one != topic))


def _next_miss(miss: RuleMiss, frame: MappingFrame) -> int:
    """The condition that does not hold with the vars of `frame`, _FAILS or _NO_MISS where there is none."""
    try:
        built = miss.rule.run(frame, *miss.element)
    except (ConversionWanted, Deferring):
        return _NO_MISS
    except Exception:  # noqa: BLE001  it would be set aside, or is told by another webhook
        return _FAILS
    return built if isinstance(built, int) else _NO_MISS
