"""The filters of list, retry and replay: the same options everywhere."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta

from bridge.core.errors import SettingsError
from bridge.core.instants import parse_length
from bridge.store.protocol import RowFilter

LONGEST_AGO = timedelta(weeks=52 * 100)
"""The longest span; more is no time that anything was kept."""


def add_filter_options(parser: argparse.ArgumentParser) -> None:
    """Give a command the filters."""
    parser.add_argument("--state", metavar="S", help="only those in this state")
    parser.add_argument("--source", metavar="NAME", help="only what came by this source")
    parser.add_argument("--destination", metavar="NAME", help="only what goes to this destination")
    parser.add_argument("--since", metavar="SPAN", help="only what came within 12h, 7d, 4w …")
    parser.add_argument("--reason", metavar="TEXT", help="only where the reason holds this text")


def read_filter(options: argparse.Namespace, *, now: datetime, limit: int | None = None) -> RowFilter:
    """The rows that meet every filter that was typed. Raises SettingsError for a span that is none."""
    return RowFilter(
        state=options.state,
        source=options.source,
        destination=options.destination,
        reason=options.reason,
        since=parse_since(options.since, now=now),
        limit=limit,
    )


def is_filtered(options: argparse.Namespace) -> bool:
    """Whether any filter was typed."""
    return any((options.state, options.source, options.destination, options.since, options.reason))


def parse_since(text: str | None, *, now: datetime) -> datetime | None:
    """The instant that a span such as 12h goes back to; None where none was typed. Raises SettingsError."""
    if text is None:
        return None
    span = parse_length(text)
    if span is None:
        raise SettingsError(f"--since takes a span such as 12h, 7d or 4w, got {text[:40]!r}")
    return now - min(span, LONGEST_AGO)
