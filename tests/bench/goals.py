"""What the figures should be: one table. Not concerned with measuring.

A figure without a goal is told without a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from figures import Figure, shown


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a figure's median keeps: at least it, or at most."""

    at_least: float | None = None
    at_most: float | None = None

    def reached(self, figure: Figure) -> bool:
        """Whether the median keeps it."""
        if self.at_least is not None and figure.median < self.at_least:
            return False
        return self.at_most is None or figure.median <= self.at_most

    def __str__(self) -> str:
        return f">= {shown(self.at_least)}" if self.at_least is not None else f"<= {shown(self.at_most or 0)}"


FLOOR = "ratio to the floor"
P99 = "p99"
WATCHED = "watched: p99, ratio to calm"
BATCH_EVENTS = 15_000
BATCH_OF_FLOOR = 0.8
BATCH = "events, of 15,000/s or 0.8 of the floor, whichever is lower"

GOALS = {
    f"accept 32: {FLOOR}": Goal(at_least=0.55),
    f"accept 64: {FLOOR}": Goal(at_least=0.55),
    f"accept 128: {FLOOR}": Goal(at_least=0.50),
    f"accept 32: {P99}": Goal(at_most=50),
    f"accept 64: {P99}": Goal(at_most=50),
    f"accept 128: {P99}": Goal(at_most=50),
    f"batch: {BATCH}": Goal(at_least=1),
    "offered: answered 200": Goal(at_least=1),
    "offered: answers a second to requests a second": Goal(at_least=0.99),
    "offered: queue age, what the last third adds": Goal(at_most=0.25),
    "deferral: four topics a payment, ratio to without deferral": Goal(at_least=0.5),
    "due-at-once: a fresh webhook is translated after": Goal(at_most=1),
    "memory: idle, one worker": Goal(at_most=80),
    "memory: 100,000 pending add": Goal(at_most=50),
    "cold start: --help": Goal(at_most=0.25),
    "cold start: serve until it answers": Goal(at_most=1),
    WATCHED: Goal(at_most=1.25),
    "postgres: keep 50, of bare psycopg": Goal(at_least=0.85),
    "postgres: claim and record 100, of bare psycopg": Goal(at_least=0.7),
    "postgres: end to end by HTTP, of SQLite": Goal(at_least=0.7),
    "postgres: two nodes drain, of one": Goal(at_least=1),
    "postgres: 50 idle engines, the server's part of a core": Goal(at_most=0.05),
    "growth: file after the purge": Goal(at_most=0.5),
}


def goal_of(figure: Figure) -> Goal | None:
    """The figure's goal, None where it has none."""
    if figure.name.startswith("console: ") and figure.unit == "ms":
        return Goal(at_most=150)
    if figure.name.startswith("attack: ") and figure.unit == "MB":
        return Goal(at_most=100)
    if figure.name.startswith("growth: ") and figure.unit == "x empty":
        return Goal(at_most=1.25)
    return GOALS.get(figure.name)


def missed(figures: Iterable[Figure]) -> list[Figure]:
    """Those whose goal was not reached."""
    return [figure for figure in figures if (goal := goal_of(figure)) and not goal.reached(figure)]
