"""`trackbridge status`: one screen that says what needs a person. Exit status 1 where something does.

It reads counts that the store keeps, so that it costs the same at a million rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from rich import box
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridge import settings
from bridge.app import load_configuration, utc_now
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store, make_console, plain_value, write_json
from bridge.cli.mapping_needs import mapping_needs
from bridge.cli.options import command_options, flag_option, format_option
from bridge.cli.safe_console import as_text
from bridge.core.errors import BridgeError
from bridge.core.json_text import Json
from bridge.core.model import DeliveryState, WebhookState
from bridge.settings import secret_strength
from bridge.store.protocol import DestinationState, OverdueWork, RetentionPolicy, StateCounts, StatusSummary, Store

EVERY = 2.0
"""Seconds between two looks of --watch."""
WARNING = timedelta(days=7)
FILES_SHOWN = 10
"""How many files are named one by one."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source: its last webhook, today's by outcome, and how many are set aside in all."""

    name: str
    last_webhook_at: datetime | None
    today: dict[str, int]
    set_aside: int


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """One destination."""

    name: str
    delivered: int
    pending: int
    oldest_pending: datetime | None
    dead: int
    paused: str | None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """All of it. `coverage` is None while nothing came.

    `needs` are warnings that a person must act on, `notes` are worth knowing; the JSON of `status` has both names.
    """

    sources: tuple[SourceStatus, ...]
    destinations: tuple[DestinationStatus, ...]
    coverage: float | None
    needs: tuple[str, ...]
    notes: tuple[str, ...]


@command_options
class StatusOptions:
    """The options of `status`."""

    watch: bool = flag_option("keep it fresh, until Ctrl-C")
    format: Literal["text", "json"] = format_option()


def run_status(options: StatusOptions) -> int:
    """Show it once, or until Ctrl-C."""
    return asyncio.run(_show_status(options))


async def _show_status(options: StatusOptions) -> int:
    keeping = settings.retention_policy(read_environment())
    store = existing_store()
    try:
        weak, unread = _weak_settings()
        found = await read_status(store, keeping, now=utc_now(), weak=weak, unread=unread)
        if options.format == "json":
            write_json(_status_as_json(found))
        elif options.watch:
            await _watch_status(found, lambda: read_status(store, keeping, now=utc_now(), weak=weak, unread=unread))
        else:
            make_console().print(status_screen(found))
    finally:
        await store.close()
    return 1 if found.needs else 0


async def _watch_status(found: StatusReport, look: Callable[[], Awaitable[StatusReport]]) -> None:
    with Live(status_screen(found), console=make_console(), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(EVERY)
            live.update(status_screen(await look()), refresh=True)


def _weak_settings() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Mappings with errors, and secrets and keys that are too short; and why that cannot be said, if it cannot."""
    try:
        configured, mappings = load_configuration(read_environment(), None, tell=False)
        weak = tuple(problem.text for problem in secret_strength.strength_problems(configured, mappings))
        return (*mapping_needs(configured, mappings), *weak), ()
    except BridgeError as error:
        return (), (f"the settings cannot be read here, so nothing is said of mappings, secrets and keys: {error}",)


async def read_status(
    store: Store, keeping: RetentionPolicy, *, now: datetime, weak: Sequence[str] = (), unread: Sequence[str] = ()
) -> StatusReport:
    """How everything in a store is. `weak` are needs, and `unread` notes, that the settings give rise to."""
    counts, summary, overdue = (
        await store.state_counts(),
        await store.status_summary(now=now),
        await store.overdue_work(now=now),
    )
    names = sorted({name for name, _ in counts.deliveries})
    standings = [await store.destination_state(name) for name in names]
    sources = tuple(
        _source_status(name, counts, summary) for name in sorted({*summary.lasts, *(s for s, _ in counts.webhooks)})
    )
    destinations = tuple(_destination_status(destination_state, counts) for destination_state in standings)
    return StatusReport(
        sources,
        destinations,
        _coverage_share(counts),
        (*_list_needs(sources, destinations, summary, now), *_overdue_text(overdue), *weak),
        (*_list_notes(counts, summary, keeping, now), *unread),
    )


def _source_status(name: str, counts: StateCounts, summary: StatusSummary) -> SourceStatus:
    today = {state.value: summary.today.get((name, state.value), 0) for state in WebhookState}
    return SourceStatus(
        name, summary.lasts.get(name), today, counts.webhooks.get((name, WebhookState.SET_ASIDE.value), 0)
    )


def _destination_status(destination_state: DestinationState, counts: StateCounts) -> DestinationStatus:
    name = destination_state.destination
    delivered, pending, dead = (
        counts.deliveries.get((name, state.value), 0)
        for state in (DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.DEAD)
    )
    return DestinationStatus(name, delivered, pending, counts.oldest_pending.get(name), dead, destination_state.paused)


def _coverage_share(counts: StateCounts) -> float | None:
    """Delivered plus rightly ignored, over all that should be either."""
    ignored = _sum_counts(counts.webhooks, WebhookState.IGNORED)
    good = ignored + _sum_counts(counts.deliveries, DeliveryState.DELIVERED)
    bad = _sum_counts(counts.webhooks, WebhookState.SET_ASIDE) + _sum_counts(counts.webhooks, WebhookState.RECEIVED)
    bad += (
        counts.unapplied
        + _sum_counts(counts.deliveries, DeliveryState.PENDING)
        + _sum_counts(counts.deliveries, DeliveryState.DEAD)
    )
    return good / (good + bad) if good + bad else None


def _sum_counts(counts: dict[tuple[str, str], int], state: WebhookState | DeliveryState) -> int:
    return sum(n for (_, found), n in counts.items() if found == state.value)


def _list_needs(
    sources: Sequence[SourceStatus], destinations: Sequence[DestinationStatus], summary: StatusSummary, now: datetime
) -> list[str]:
    said = _clock_needs(summary, now)
    said += [f"new requests get 503: {summary.no_room}"] if summary.no_room else []
    if summary.unreadable:
        said.append(
            f"{summary.unreadable} webhooks were damaged on disk before they had a place: keep a copy of the "
            "store, look to the disk, and let the providers send that time's webhooks again"
        )
    said += summary.unread[:FILES_SHOWN]
    if len(summary.unread) > FILES_SHOWN:
        said.append(f"{len(summary.unread) - FILES_SHOWN} more files of the ingest log cannot be read")
    said += [
        f"{one.name}: {one.set_aside} set aside; see `trackbridge list webhooks --state set_aside --source "
        f"{one.name}`, "
        f"mend the mapping, then `trackbridge replay --set-aside --source {one.name}`"
        for one in sources
        if one.set_aside
    ]
    said += [f"{one.name}: paused: {one.paused}" for one in destinations if one.paused]
    said += [
        f"{one.name}: {one.dead} dead letter{'s' if one.dead > 1 else ''}; see `trackbridge list deliveries "
        f"--state dead`, then `trackbridge retry --all-dead --destination {one.name}`"
        for one in destinations
        if one.dead
    ]
    said += [
        f"{name}: all its newest events were skipped as tests; use the provider's live keys, or set BRIDGE_TRACK_TEST=1"
        for name in summary.only_tests
    ]
    return said


def _clock_needs(summary: StatusSummary, now: datetime) -> list[str]:
    """A wrong clock needs a person; where it is right, an hour of running says so by itself."""
    ahead = summary.clock_ahead
    if ahead is None:
        return []
    said = (
        f"the clock says {_format_time(now)} UTC, more than a day after {_format_time(ahead.newest_at)}, the "
        "newest time before: nothing is "
        f"purged, given up or expired before {_format_time(ahead.believed_from)}, when trackbridge has run for an "
        "hour with it; set "
        "the clock if it is wrong, else wait"
    )
    return [said]


def _overdue_text(overdue: OverdueWork) -> list[str]:
    running = "check that `trackbridge serve` runs on this store; where it does, its log says why"
    said = []
    if overdue.webhooks:
        said.append(
            f"{overdue.webhooks} webhooks are overdue: due since {_format_time(overdue.oldest_webhook)} and not "
            "translated; "
            f"{running} (translate.…)"
        )
    return said + [
        f"{name}: {count} deliveries are overdue: due since {_format_time(overdue.oldest_delivery[name])} and not "
        "attempted; "
        f"{running} (deliver.…), and whether {name} is still set; after a long pause they drain at the "
        "destination's rate"
        for name, count in overdue.deliveries.items()
    ]


def _list_notes(counts: StateCounts, summary: StatusSummary, keeping: RetentionPolicy, now: datetime) -> list[str]:
    said = []
    if counts.unapplied and counts.oldest_received:
        said.append(
            f"{counts.unapplied} more webhooks are kept, and nobody has looked at them yet; "
            f"the oldest came {_format_time(counts.oldest_received)}"
        )
    if summary.exposed:
        said.append(summary.exposed)
    if summary.differing:
        said.append(f"{summary.differing} duplicates tell another value or currency than their original")
    said += [
        f"{source}: {n} webhooks have the bytes of webhooks of {other}, and their signatures fit both; if both "
        "stand for "
        "one shop, give them the same `scope`, so that no conversion is told twice; if not, give each its own secret"
        for (source, other), n in sorted(summary.same_bytes.items())
    ]
    for what, oldest in (("set aside webhook", summary.oldest_set_aside), ("dead letter", summary.oldest_dead)):
        if oldest is not None and oldest + keeping.events - WARNING <= now:
            said.append(f"the oldest {what} is deleted on {oldest + keeping.events:%Y-%m-%d}: BRIDGE_KEEP_EVENTS")
    return said


# ----------------------------------------------------------------------------------------------------- how it looks


def status_screen(found: StatusReport) -> Group:
    """The screen."""
    parts: list[Table | Text] = [_sources_table(found.sources), _destinations_table(found.destinations)]
    if found.coverage is not None:
        parts.append(Text(f"coverage {found.coverage:.2%}"))
    parts += [as_text(f"! {need}", "red") for need in found.needs]
    parts += [as_text(f"· {note}", "yellow") for note in found.notes]
    return Group(*parts)


def _sources_table(rows: Sequence[SourceStatus]) -> Table:
    drawn = _make_table(
        "source", "last webhook", *(f"{state.value.replace('_', ' ')} today" for state in WebhookState), "set aside"
    )
    for row in rows:
        cells = (row.name, _format_time(row.last_webhook_at), *row.today.values(), row.set_aside)
        drawn.add_row(*map(as_text, cells))
    return drawn


def _destinations_table(rows: Sequence[DestinationStatus]) -> Table:
    drawn = _make_table("destination", "delivered", "pending", "oldest pending", "dead", "paused")
    for row in rows:
        cells = (row.name, row.delivered, row.pending, _format_time(row.oldest_pending), row.dead, row.paused or "")
        drawn.add_row(*map(as_text, cells))
    return drawn


def _make_table(*names: str) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        drawn.add_column(name)
    return drawn


def _format_time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def _status_as_json(found: StatusReport) -> Json:
    return {
        "sources": [plain_value(one) for one in found.sources],
        "destinations": [plain_value(one) for one in found.destinations],
        "coverage": found.coverage,
        "needs": list(found.needs),
        "notes": list(found.notes),
    }
