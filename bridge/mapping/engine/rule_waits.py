"""How long a rule waits: a length of time as it is written, or a var of the source that holds one.

What holds for a rule without `wait` stands where it is used: `recall.DEFAULT_RECALL_WAIT`, `defer.DEFAULT_DEFER_WAIT`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from bridge.core.instants import parse_length
from bridge.core.model import SourceLocation
from bridge.core.suggestions import suggest_nearest
from bridge.yaml.document import Scalar
from bridge.yaml.problems import Problems

LONGEST_WAIT = timedelta(days=7)
"""The longest `wait` that a rule may have."""
_VARS = "source.vars."
LENGTHS = "a length of time such as 30m, 1h or 2d, of at most 7d"


@dataclass(frozen=True, slots=True)
class RuleWait:
    """A wait. With `var` it is what the operator set, or the var's default; else it is `length`."""

    length: timedelta = timedelta()
    var: str = ""
    place: SourceLocation | None = None

    def length_for(self, given: Mapping[str, str]) -> timedelta:
        """The wait of a source with these vars, which were checked when it was bound."""
        return self.length if not self.var else read_length(given[self.var]) or self.length

    def explain(self, given: Mapping[str, str]) -> str:
        """The wait as a person writes it."""
        length = self.length_for(given)
        return given[self.var] if self.var else format_wait(length)


@lru_cache(maxsize=256)
def read_length(text: str) -> timedelta | None:
    """The wait that a text names; None where it is none, or too long."""
    length = parse_length(text)
    return None if length is None or length > LONGEST_WAIT else length


def format_wait(length: timedelta) -> str:
    """A wait in the largest unit that divides it: `10m`."""
    seconds = int(length.total_seconds())
    size, unit = next(
        (each for each in ((86400, "d"), (3600, "h"), (60, "m")) if seconds and seconds % each[0] == 0), (1, "s")
    )
    return f"{seconds // size}{unit}"


def read_wait(scalar: Scalar | None, default: timedelta, durations: Collection[str], problems: Problems) -> RuleWait:
    """The `wait` of a rule; `durations` are the vars that may say it."""
    if scalar is None:
        return RuleWait(default)
    if not scalar.is_expression:
        length = read_length(scalar.text)
        if length is None:
            problems.add_error(scalar.place, f"wait must be {LENGTHS}")
        return RuleWait(length or default, place=scalar.place)
    name = scalar.expression.strip().removeprefix(_VARS)
    if name in durations:
        return RuleWait(default, name, scalar.place)
    near = suggest_nearest(name, durations)
    problems.add_error(
        scalar.place, f"wait must be a length of time, or `={_VARS}NAME` of a var with `type: duration`{near}"
    )
    return RuleWait(default, place=scalar.place)


def find_bad_wait(
    defers: Sequence[RuleWait], recalls: Sequence[RuleWait], given: Mapping[str, str]
) -> tuple[RuleWait, str] | None:
    """The first wait that cannot be with these vars, and why; None where all can be.

    A sale is told when the wait for a richer webhook is over: an event that needs it must wait longer than that.
    """
    for deferred in defers:
        for recalled in recalls:
            if recalled.length_for(given) <= deferred.length_for(given):
                longer, shorter = (f"the var `{each.var}`" if each.var else "`wait`" for each in (recalled, deferred))
                return recalled, (
                    f"{longer} ({recalled.explain(given)}) must be longer than {shorter} of `defer_to` "
                    f"({deferred.explain(given)}): a sale is told only after that"
                )
    return None
