"""Counts by the quarter hour as bars of SVG, with the same in words. Pure.

Bars begin at full hours or days of the zone of who reads, which quarter hours allow in every zone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.local_time import local_midnight, to_local
from bridge.http.console.words import state_word
from bridge.store.status_views import CountedKind, QuarterCount

SPANS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"}
_DAYS = {"7d": 7, "30d": 30}
_HOURS = 24
WIDTH, HEIGHT = 480, 96
"""The size of the area of the bars, in units of the drawing."""
_GAP = 0.25
"""The part of a bar's place that is left free."""
STATES: Mapping[CountedKind, Mapping[str, str]] = {
    "webhook": {"translated": "through", "ignored": "ignored", "set_aside": "not"},
    "delivery": {"delivered": "through", "dead": "not"},
}
"""The states that are drawn, from the ground up, and the class of each."""


@dataclass(frozen=True, slots=True)
class BarPart:
    """One state of a bar: its class, and where it is drawn."""

    css: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour or day. `words` say what it holds; `label` is what stands below some bars."""

    x: float
    width: float
    parts: tuple[BarPart, ...]
    label: str
    words: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars of one kind; `states` with their words, classes and totals; `most` is the count of the highest bar."""

    title: str
    states: tuple[tuple[str, str, int], ...]
    bars: tuple[Bar, ...]
    most: int

    @property
    def words(self) -> str:
        """All of it in one sentence."""
        return ", ".join(f"{total:,} {word}" for word, _, total in self.states)


def chart_edges(span: str, *, now: datetime) -> list[datetime]:
    """When each bar begins: an hour of the last 24, or a day."""
    local = to_local(now)
    if span in _DAYS:
        return [local_midnight(local.date() - timedelta(days=ago)) for ago in range(_DAYS[span] - 1, -1, -1)]
    hour = now - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return [hour - timedelta(hours=ago) for ago in range(_HOURS - 1, -1, -1)]


def draw_chart(title: str, kind: CountedKind, counts: Sequence[QuarterCount], edges: Sequence[datetime]) -> Chart:
    """The bars of these counts. What is before the first edge, or of another kind or state, is left out."""
    states = STATES[kind]
    held = [dict.fromkeys(states, 0) for _ in edges]
    for one in counts:
        place = bisect_right(edges, one.at) - 1
        if one.kind == kind and one.state in states and place >= 0:
            held[place][one.state] += one.count
    most = max(sum(each.values()) for each in held)
    is_hours = edges[1] - edges[0] < timedelta(hours=2)
    return Chart(
        title=title,
        states=tuple((state_word(name), css, sum(each[name] for each in held)) for name, css in states.items()),
        bars=tuple(
            _draw_bar(place, each, states, edges[place], most=most, of=len(edges), is_hours=is_hours)
            for place, each in enumerate(held)
        ),
        most=most,
    )


def _draw_bar(  # noqa: PLR0913  what a bar is drawn of, by name
    place: int,
    held: Mapping[str, int],
    states: Mapping[str, str],
    at: datetime,
    *,
    most: int,
    of: int,
    is_hours: bool,
) -> Bar:
    step = WIDTH / of
    parts, top = list[BarPart](), float(HEIGHT)
    for name, css in states.items():
        height = HEIGHT * held[name] / most if most else 0
        if height:
            height = max(height, 1.5)  # one of thousands is seen, too
            top -= height
            parts.append(BarPart(css, round(top, 1), round(height, 1)))
    local = to_local(at)
    when = f"{local:%H:%M}" if is_hours else f"{local:%a %d %b}"
    label = when if place % (6 if is_hours else max(1, of // 5)) == 0 else ""
    said = ", ".join(f"{count:,} {state_word(name)}" for name, count in held.items() if count) or "none"
    return Bar(
        x=round(place * step + step * _GAP / 2, 1),
        width=round(step * (1 - _GAP), 1),
        parts=tuple(parts),
        label=label,
        words=f"{when}: {said}",
        counts=tuple(held.values()),
    )
