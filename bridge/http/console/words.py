"""What the console writes of values: states, times, sizes, amounts; each the same on every page. Pure."""

from __future__ import annotations

from datetime import datetime

from bridge.core.local_time import format_local

TONES = {
    "translated": "good", "delivered": "good", "set_aside": "bad", "dead": "bad", "received": "wait", "pending": "wait",
}  # fmt: skip
"""How a state is coloured and shaped; one that is not here is quiet."""


def state_word(state: str) -> str:
    """A state as people read it: `set aside`."""
    return state.replace("_", " ")


def state_tone(state: str) -> str:
    """How a state looks."""
    return TONES.get(state, "")


def local_time(at: datetime) -> str:
    """An instant, to the second, in the zone that the reader chose, else that of the bridge's machine."""
    return format_local(at, seconds=True)


def span_words(first: datetime, last: datetime) -> str:
    """From when to when; one instant where both are written the same."""
    begin, end = local_time(first), local_time(last)
    return begin if begin == end else f"{begin} to {end}"


def size_words(count: int) -> str:
    """A number of bytes: `2.9 KB`."""
    for unit, size in (("MB", 1_000_000), ("KB", 1_000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def value_words(value: str | None, currency: str | None) -> str:
    """An amount with its currency; one decimal is written as two, as people do: `404.90 EUR`."""
    whole, point, fraction = (value or "").partition(".")
    return " ".join(filter(None, (f"{whole}{point}{fraction:0<2}" if point else whole, currency)))
