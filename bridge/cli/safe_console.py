"""A rich console for text from outside: it interprets no markup, and prints no escape sequence but rich's own."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from bridge.core.visible_text import make_visible

WIDE = 240
"""Columns of a table that goes into a pipe or a file."""


class SafeConsole(Console):
    """A console on standard output that shows text literally: no markup, no emoji codes, nothing that steers.

    As wide as the terminal, and where there is none so wide that no cell is broken. Tables measure their cells before
    they are rendered; give them cells of `as_text`, so that an escape has its width.
    """

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else WIDE
        super().__init__(width=width, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of anything printed, with their text made visible."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(make_visible(segment.text, lines=True), segment.style)


def as_text(value: object, style: str = "", *, lines: bool = False) -> Text:
    """A value made visible, on one line unless it has `lines` of its own."""
    return Text(make_visible(str(value), lines=lines), style=style)
