"""The filters of list, retry and replay: the same options everywhere."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridge.cli.argument_parser import quote_argument
from bridge.cli.options import command_options, option
from bridge.core.errors import SettingsError
from bridge.core.instants import parse_length
from bridge.store.protocol import RowFilter

LONGEST_AGO = timedelta(weeks=52 * 100)
"""The longest span; more is no time that anything was kept."""

LONGEST_SUBJECT = 200
"""Characters that are kept of what something was done to."""


@command_options
class FilterOptions:
    """The filters."""

    state: str | None = option(str, "S", meaning="only those in this state")
    source: str | None = option(str, "NAME", meaning="only what came by this source")
    destination: str | None = option(str, "NAME", meaning="only what goes to this destination")
    since: str | None = option(str, "SPAN", meaning="only what came within 12h, 7d, 4w …")
    reason: str | None = option(str, "TEXT", meaning="only where the reason holds this text")


def read_filter(options: FilterOptions, *, now: datetime, limit: int | None = None) -> RowFilter:
    """The rows that meet every filter that was typed. Raises SettingsError for a span that is none."""
    return RowFilter(
        state=options.state,
        source=options.source,
        destination=options.destination,
        reason=options.reason,
        since=parse_since(options.since, now=now),
        limit=limit,
    )


def describe_filter(asked: RowFilter) -> str:
    """What was asked for in few words, for the record of what was done by hand."""
    if asked.ids is not None:
        return " ".join(asked.ids)[:LONGEST_SUBJECT]
    since = None if asked.since is None else asked.since.isoformat(timespec="seconds")
    typed = {
        "state": asked.state, "source": asked.source, "destination": asked.destination, "since": since,
        "reason": asked.reason,
    }  # fmt: skip
    return ", ".join(f"{name} {value}" for name, value in typed.items() if value)[:LONGEST_SUBJECT]


def is_filtered(options: FilterOptions) -> bool:
    """Whether any filter was typed."""
    return any((options.state, options.source, options.destination, options.since, options.reason))


def parse_since(text: str | None, *, now: datetime) -> datetime | None:
    """The instant that a span such as 12h goes back to; None where none was typed. Raises SettingsError."""
    if text is None:
        return None
    span = parse_length(text)
    if span is None:
        raise SettingsError(f"--since takes a span such as 12h, 7d or 4w, got {quote_argument(text)!r}")
    return now - min(span, LONGEST_AGO)
