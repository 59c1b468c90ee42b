"""The tables of `diff`: each change with how often it is made and a few samples, and totals before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from rich import box
from rich.table import Table

from bridge.cli.safe_console import as_text
from bridge.core.json_text import Json
from bridge.mapping.tools.diff import DiffChange

Changes: TypeAlias = Mapping[tuple[str, str], DiffChange]
Total: TypeAlias = tuple[str, object, object]


def most_often(changes: Changes) -> list[tuple[tuple[str, str], DiffChange]]:
    """The changes, those that are made most often first."""
    return sorted(changes.items(), key=lambda pair: (-pair[1].count, pair[0]))


def draw_changes(heads: tuple[str, str], sampled: str, changes: Changes) -> Table:
    """A table of changes; `sampled` is what their samples are named by."""
    has_values = any(before or after for one in changes.values() for _, before, after in one.samples)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in (*heads, "times", sampled, *(("before", "after") if has_values else ())):
        drawn.add_column(name, overflow="fold", justify="right" if name == "times" else "left")
    for (one, other), change in most_often(changes):
        for place, sample in enumerate(change.samples):
            row = (one, other, str(change.count), *sample) if place == 0 else ("", "", "", *sample)
            drawn.add_row(*map(as_text, row if has_values else row[:4]))
    return drawn


def draw_totals(rows: Iterable[Total]) -> Table:
    """A table of totals; those that differ stand out."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("total", "before", "after"):
        drawn.add_column(name, justify="left" if name == "total" else "right")
    for what, before, after in rows:
        drawn.add_row(as_text(what), as_text(before), as_text(after), style="" if before == after else "yellow")
    return drawn


def plain_change(change: DiffChange, sampled: str) -> Mapping[str, Json]:
    """A change as part of a JSON document."""
    samples: Sequence[Json] = [{sampled: name, "before": one, "after": other} for name, one, other in change.samples]
    return {"count": change.count, "samples": list(samples)}
