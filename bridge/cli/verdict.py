"""`trackbridge verdict`: what a platform says later of the requests that it took, by the `verdict` of its file.

It asks, and changes nothing: a platform tells numbers and reasons, and not which events.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text

from bridge.app import utc_now
from bridge.cli import filter_options
from bridge.cli.argument_parser import quote_argument
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store, make_console, write_json
from bridge.cli.options import argument, command_options, config_option, format_option, option, read_count
from bridge.cli.safe_console import SafeConsole, as_text
from bridge.core import json_text
from bridge.core.delivery import DeliveryState
from bridge.core.errors import SettingsError
from bridge.core.suggestions import suggest_or_list
from bridge.core.verdict import RequestVerdict
from bridge.destinations.engine.requests import RequestFault
from bridge.destinations.reloadable import ReloadableDestination
from bridge.pipeline.access_tokens import AccessTokens, TokenRefused
from bridge.pipeline.http_client import Send, open_client
from bridge.pipeline.kept_answer import remove_secrets
from bridge.settings.destinations import make_destinations
from bridge.settings.load import load_configuration
from bridge.store.protocol import RowFilter

WITHIN = timedelta(seconds=20)
REQUESTS = 100


@command_options
class VerdictOptions:
    """The options of `verdict`."""

    destination: str = argument(str, "NAME", meaning="a destination whose platform can be asked, such as Google Ads")
    since: str | None = option(str, "SPAN", meaning="only what was sent within 12h, 7d, 4w …")
    last: int = option(read_count, "N", preset=REQUESTS, meaning=f"the newest N requests (default: {REQUESTS})")
    config: Path | None = config_option()
    format: Literal["text", "json"] = format_option()


@dataclass(slots=True)
class VerdictTotals:
    """What was said so far; `failures` are requests that could not be asked about, by why."""

    requests: int = 0
    events: int = 0
    pending_requests: int = 0
    pending_events: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    unknown_events: int = 0

    @property
    def taken(self) -> int:
        """Events of requests that are through, less those that were refused."""
        return self.events - self.pending_events - self.unknown_events - self.refused.total()

    def add_verdict(self, verdict: RequestVerdict, *, events: int) -> None:
        """One request more."""
        self.requests += 1
        self.events += events
        if verdict.failure is not None:
            self.failures[verdict.failure] += 1
            self.unknown_events += events
        elif verdict.is_pending:
            self.pending_requests += 1
            self.pending_events += events
        else:
            self.refused.update(verdict.refused)


def run_verdict(options: VerdictOptions) -> int:
    """Ask and tell; 1 where events were refused, or a request could not be asked about."""
    configured, _ = load_configuration(read_environment(options.config), options.config, tell=False)
    destinations = make_destinations(configured)
    destination = destinations.get(options.destination)
    if destination is None:
        hint = suggest_or_list(options.destination, destinations)
        raise SettingsError(f"there is no destination `{quote_argument(options.destination)}`; {hint}")
    if not isinstance(destination, ReloadableDestination) or not destination.current.tells_verdicts:
        raise SettingsError(f"`{destination.name}` says all in its answers: its destination file has no `verdict`")
    if destination.keeps_refresh_token:
        raise SettingsError(f"`{destination.name}` has refresh tokens that are good once, which only `serve` uses")
    found = asyncio.run(_ask_all(destination, options))
    if options.format == "json":
        write_json(verdicts_as_json(found))
    else:
        _print_totals(destination.name, found, make_console())
    return 1 if found.refused or found.failures else 0


async def _ask_all(destination: ReloadableDestination, options: VerdictOptions) -> VerdictTotals:
    found = VerdictTotals()
    notes = await _read_notes(destination.name, options)
    tokens = AccessTokens(utc_now)
    async with open_client(WITHIN) as send:
        for note, events in list(notes.items())[: options.last]:
            found.add_verdict(await _ask_one(destination, note, tokens, send), events=events)
    return found


async def _read_notes(destination: str, options: VerdictOptions) -> Mapping[str, int]:
    """What answers left, newest first, each with how many events its request had."""
    since = filter_options.parse_since(options.since, now=utc_now())
    store = existing_store()
    try:
        rows = await store.deliveries(RowFilter(destination=destination, state=DeliveryState.DELIVERED, since=since))
    finally:
        await store.close()
    return Counter(row.reason for row in rows if row.reason)


async def _ask_one(destination: ReloadableDestination, note: str, tokens: AccessTokens, send: Send) -> RequestVerdict:
    try:
        outgoing = destination.current.make_verdict_request(note, now=utc_now())
        if outgoing.token_source is not None:
            response, outgoing = await tokens.send_with_token(outgoing, outgoing.token_source, send)
        else:
            response = await send(outgoing)
    except (RequestFault, TokenRefused) as error:
        return RequestVerdict(failure=str(error))
    verdict = destination.current.read_verdict(response)
    failure = None if verdict.failure is None else remove_secrets(verdict.failure, outgoing)
    return RequestVerdict(verdict.is_pending, verdict.refused, failure)


# ------------------------------------------------------------------------------------------------------ for people


def _print_totals(name: str, found: VerdictTotals, console: SafeConsole) -> None:
    console.print(
        Text(f"{name}: {_counted(found.requests, 'request')} of {_counted(found.events, 'event')}", style="bold")
    )
    if not found.requests:
        console.print(as_text("nothing was delivered in that time, or its answers left no id to ask by"))
        return
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column("what became of them")
    drawn.add_column("events", justify="right")
    for what, count in _rows(found):
        drawn.add_row(as_text(what), as_text(str(count)))
    console.print(drawn)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _rows(found: VerdictTotals) -> Iterator[tuple[str, int]]:
    yield "taken", found.taken
    for reason, count in found.refused.most_common():
        yield f"refused: {reason}", count
    if found.pending_requests:
        yield f"not decided yet, of {_counted(found.pending_requests, 'request')}", found.pending_events
    if found.failures:
        reasons = ", ".join(f"{why} ({count})" for why, count in found.failures.most_common(3))
        yield f"not known: {reasons}", found.unknown_events


# ---------------------------------------------------------------------------------------------------- for machines


def verdicts_as_json(found: VerdictTotals) -> Mapping[str, json_text.Json]:
    """The same as a JSON document."""
    failures: Sequence[json_text.Json] = [
        {"why": why, "requests": count} for why, count in found.failures.most_common()
    ]
    return {
        "requests": found.requests,
        "events": found.events,
        "taken": found.taken,
        "refused": dict(found.refused.most_common()),
        "pending": {"requests": found.pending_requests, "events": found.pending_events},
        "unknown": {"events": found.unknown_events, "failures": list(failures)},
    }
