"""What was measured, as values: a figure has one value a round, and is told by its median with min and max.

Not concerned with what would be good.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One name, one unit, the values of the rounds. `name` begins with the part: `accept 32: ratio to the floor`."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value in the middle."""
        return median(self.values)


class Rounds:
    """Values gathered by name, round after round."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, name: str, unit: str, value: float) -> None:
        """One more value."""
        self._values[name, unit].append(value)

    def figures(self) -> list[Figure]:
        """All of them, in the order in which they first came."""
        return [Figure(name, unit, tuple(values)) for (name, unit), values in self._values.items()]


def shown(value: float) -> str:
    """A number as people read it: three digits that count, and no more than needed."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def aligned(rows: Sequence[Sequence[str]], *, right: Iterable[int]) -> list[str]:
    """Rows of cells as lines; the columns of `right` stand to the right."""
    to_right = set(right)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in to_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
