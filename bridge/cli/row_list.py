"""Rows as a person reads them: one aligned line each that fits 80 columns, and what is longer on a line below it.

Ids are never broken. Times are of this machine, with the zone in the heading.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar, assert_never

from rich.cells import cell_len
from rich.text import Text

from bridge.cli.safe_console import SafeConsole, as_text
from bridge.core.delivery import Attempt
from bridge.core.local_time import format_local
from bridge.core.visible_text import make_visible
from bridge.store.protocol import DeliveryRow, EventRow, WebhookRow

STATE_STYLES = {"translated": "green", "delivered": "green", "set_aside": "red", "dead": "red", "pending": "yellow"}
Row = WebhookRow | EventRow | DeliveryRow | Attempt
Cell = str | int | datetime | None
R = TypeVar("R")
_GAP = "  "
_LONGEST = 200
"""Characters of an upstream's answer or a reason; all of it is in `show`."""


@dataclass(frozen=True, slots=True)
class RowLayout(Generic[R]):
    """The columns of one kind of row, and what stands on the line below it."""

    columns: Sequence[tuple[str, Callable[[R], Cell]]]
    below: Callable[[R], Sequence[str | None]]


WEBHOOKS: RowLayout[WebhookRow] = RowLayout(
    columns=(
        ("id", lambda row: row.id),
        ("received", lambda row: row.received_at),
        ("state", lambda row: row.state.value),
        ("source", lambda row: row.source),
        ("topic", lambda row: row.topic),
    ),
    below=lambda row: (row.reason,),
)
EVENTS: RowLayout[EventRow] = RowLayout(
    columns=(
        ("id", lambda row: row.id),
        ("type", lambda row: row.event_type),
        ("value", lambda row: " ".join(filter(None, (row.value, row.currency)))),
        ("delivery", lambda row: row.delivery),
    ),
    below=lambda row: (
        f"order {row.order_id}" if row.order_id else None,
        f"of {row.webhook}" if row.webhook else f"by {row.origin}",
        format_local(row.created_at),
        "test" if row.test else None,
        f"duplicate of {row.duplicate_of}" if row.duplicate_of else None,
    ),
)
DELIVERIES: RowLayout[DeliveryRow] = RowLayout(
    columns=(
        ("id", lambda row: row.id),
        ("destination", lambda row: row.destination),
        ("state", lambda row: row.state.value),
        ("attempts", lambda row: row.attempts),
        ("next attempt", lambda row: row.next_attempt_at),
    ),
    below=lambda row: (
        f"event {row.event}",
        f"last answer {row.last_status}" if row.last_status else None,
        row.reason,
    ),
)
ATTEMPTS: RowLayout[Attempt] = RowLayout(
    columns=(
        ("started", lambda row: row.started_at),
        ("took", lambda row: f"{row.took.total_seconds():.2f} s"),
        ("status", lambda row: row.status),
        ("outcome", lambda row: row.outcome),
        ("ambiguous", lambda row: "yes" if row.ambiguous else None),
        ("counted", lambda row: None if row.counted else "no"),
    ),
    below=lambda row: (f"by {row.made_by}" if row.made_by else None, row.answer or None),
)


def print_rows(console: SafeConsole, rows: Sequence[Row]) -> None:
    """Print rows of one kind; nothing where there are none."""
    for line in draw_rows(rows, width=console.width):
        console.print(line, soft_wrap=True)


def draw_rows(rows: Sequence[Row], *, width: int) -> Sequence[Text]:
    """The lines: a heading, and one or more for each row."""
    if not rows:
        return ()
    match rows[0]:
        case WebhookRow():
            return _draw_kind([row for row in rows if isinstance(row, WebhookRow)], WEBHOOKS, width=width)
        case EventRow():
            return _draw_kind([row for row in rows if isinstance(row, EventRow)], EVENTS, width=width)
        case DeliveryRow():
            return _draw_kind([row for row in rows if isinstance(row, DeliveryRow)], DELIVERIES, width=width)
        case Attempt():
            return _draw_kind([row for row in rows if isinstance(row, Attempt)], ATTEMPTS, width=width)
        case _:
            assert_never(rows[0])


def _draw_kind(rows: Sequence[R], layout: RowLayout[R], *, width: int) -> Sequence[Text]:
    cells = [[read(row) for _, read in layout.columns] for row in rows]
    zone = _shared_zone([cell for each in cells for cell in each if isinstance(cell, datetime)])
    shown = [[_cell_text(cell, zone) for cell in each] for each in cells]
    times = [any(isinstance(each[at], datetime) for each in cells) for at in range(len(layout.columns))]
    titles = [
        f"{title} ({zone})" if zone and is_time else title
        for (title, _), is_time in zip(layout.columns, times, strict=True)
    ]
    widths = [max(map(cell_len, column)) for column in zip(titles, *shown, strict=True)]
    lines = [Text(_aligned(titles, widths), style="bold")]
    for row, each in zip(rows, shown, strict=True):
        lines += [_styled(_aligned(each, widths), each), *_lines_below(layout.below(row), width)]
    return lines


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(cell + " " * (wide - cell_len(cell)) for cell, wide in zip(cells, widths, strict=True)).rstrip()


def _styled(line: str, cells: Sequence[str]) -> Text:
    text = Text(line)
    for cell in cells:
        if cell in STATE_STYLES:
            text.highlight_words([cell], STATE_STYLES[cell])
    return text


def _lines_below(parts: Sequence[str | None], width: int) -> Sequence[Text]:
    said = _GAP.join(make_visible(_shortened(part)) for part in parts if part)
    if not said:
        return ()
    wrapped = textwrap.wrap(
        said, max(width, 40), initial_indent=_GAP, subsequent_indent=_GAP, break_long_words=False,
        break_on_hyphens=False, drop_whitespace=True,
    )  # fmt: skip
    return [as_text(line, "dim") for line in wrapped]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _cell_text(cell: Cell, zone: str | None) -> str:
    if isinstance(cell, datetime):
        return format_local(cell).removesuffix(f" {zone}") if zone else format_local(cell)
    return "" if cell is None else make_visible(str(cell))


def _shared_zone(times: Sequence[datetime]) -> str | None:
    """The zone of all these times; None where there are several, as around the end of summer time."""
    zones = {at.astimezone().tzname() for at in times}
    return zones.pop() if len(zones) == 1 else None


def format_fact(value: object) -> str:
    """One fact of a row, as `show` has it."""
    if isinstance(value, datetime):
        return format_local(value, seconds=True)
    return str(getattr(value, "value", value))
