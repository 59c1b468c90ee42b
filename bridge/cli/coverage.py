"""`trackbridge coverage`: what became of events at each destination, and by what their persons can be recognised.

`bridge.status.outcomes` reads it; this file shows it, also for `status`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Literal

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bridge.app import utc_now
from bridge.cli.list_show import existing_store, make_console, plain_value, write_json
from bridge.cli.options import command_options, format_option, option, read_count
from bridge.cli.safe_console import as_text
from bridge.core.errors import SettingsError
from bridge.core.json_text import Json
from bridge.status.outcomes import DAYS, read_outcome_report
from bridge.status.report import DestinationOutcomes, OutcomeReport, count_words

_SHOWN = 4
"""Reasons that a line names; the others are added up."""
_REACHED = (
    "reached: delivered or rightly skipped (not among its events, a test, no consent, a rule of yours), of all that do "
    "not wait"
)


@command_options
class CoverageOptions:
    """The options of `coverage`."""

    days: int = option(read_count, "N", meaning=f"the last N UTC days, with today (default: {DAYS})", preset=DAYS)
    event: str | None = option(str, "TYPE", meaning="only events of this type, such as purchase")
    format: Literal["text", "json"] = format_option()


def run_coverage(options: CoverageOptions) -> int:
    """Print it."""
    return asyncio.run(_show_coverage(options))


async def _show_coverage(options: CoverageOptions) -> int:
    if options.days < 1:
        raise SettingsError("--days takes 1 or more: 1 is today alone")
    store = existing_store()
    try:
        found = await read_outcome_report(store, now=utc_now(), days=options.days, event_type=options.event)
    finally:
        await store.close()
    if options.format == "json":
        write_json(outcomes_as_json(found))
        return 0
    console = make_console()
    for part in (_title(found), *outcome_parts(found)):
        console.print(part)
    if any(_missed_line(one) for one in found.destinations):
        console.print(as_text(_REACHED, "dim"))
    return 0


def _title(found: OutcomeReport) -> Text:
    what = f"{count_words(found.events, 'event')}{f' of type {found.event_type}' if found.event_type else ''}"
    text = f"{what}, made since {found.since:%Y-%m-%d} (UTC days)"
    if found.counted_since is None:
        return as_text(f"{text}; nothing is counted yet")
    if found.counted_since > found.since:
        text += f"; counted since {found.counted_since:%Y-%m-%d}"
    return as_text(text)


def outcome_parts(found: OutcomeReport) -> Iterator[Table | Text | Padding]:
    """The table of destinations, why some were not reached, the match keys, and what would make more of them known."""
    if found.destinations:
        yield _destinations_table(found.destinations)
    for one in found.destinations:
        if line := _missed_line(one):
            yield as_text(line)
    if found.known_of:
        shares = "  ".join(f"{key} {count / found.known_of:.0%}" for key, count in found.known.items())
        yield as_text(f"known of {count_words(found.known_of, found.known_type or 'event')}: {shares}")
    for sentence in found.advice:
        yield as_text(f"· {sentence}", "yellow")


def _destinations_table(rows: tuple[DestinationOutcomes, ...]) -> Table:
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("destination", "delivered", "waiting", "rejected", "skipped", "reached"):
        drawn.add_column(name, no_wrap=name in {"destination", "reached"})
    for row in rows:
        reached = "" if row.reached is None else f"{row.reached:.1%}"
        cells = (row.name, row.delivered, row.waiting, _reasons(row.rejected), _reasons(row.skipped), reached)
        drawn.add_row(*map(as_text, cells))
    return drawn


def _reasons(counts: Mapping[str, int]) -> str:
    """How many, and why: `3: currency missing 2, user data 1`."""
    if not counts:
        return "0"
    named = list(counts.items())[:_SHOWN]
    rest = sum(counts.values()) - sum(count for _, count in named)
    said = [f"{reason or 'no reason given'} {count}" for reason, count in named]
    return f"{sum(counts.values())}: {', '.join([*said, f'other reasons {rest}'] if rest else said)}"


def _missed_line(one: DestinationOutcomes) -> str:
    missed = one.missed
    return f"{one.name}: not reached: {_reasons(missed)}" if missed else ""


def outcomes_as_json(found: OutcomeReport) -> Json:
    """All of it, with what is worked out from it."""
    document = plain_value(found)
    document["destinations"] = [
        {**plain_value(one), "reached": one.reached, "missed": dict(one.missed)} for one in found.destinations
    ]
    return document
