"""`trackbridge release ID…`: tell duplicates as conversions of their own. A running `serve` delivers them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bridge.app import make_destinations, make_router, utc_now
from bridge.cli.acting_person import name_of_person
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store, plain_value, write_json
from bridge.cli.options import arguments, command_options, config_option, flag_option, format_option
from bridge.cli.terminal import print_text
from bridge.core.errors import SettingsError
from bridge.core.model import Event, Route
from bridge.settings import Settings
from bridge.settings.load import load_configuration
from bridge.store.protocol import EventRow, Store
from bridge.store.status_views import ActionTaken
from bridge.store.views import DuplicateEvent


@command_options
class ReleaseOptions:
    """The options of `release`."""

    ids: Sequence[str] = arguments(str, "ID", meaning="duplicates (evt_…); `list events --state duplicate` has them")
    config: Path | None = config_option()
    dry_run: bool = flag_option("show each with its original and where it would go, change nothing")
    format: Literal["text", "json"] = format_option()


def run_release(options: ReleaseOptions) -> int:
    """Show each duplicate with its original, and tell it."""
    return asyncio.run(_release_duplicates(options))


async def _release_duplicates(options: ReleaseOptions) -> int:
    if not options.ids:
        raise SettingsError("name the duplicates: `trackbridge list events --state duplicate` shows their ids")
    configured, _ = load_configuration(read_environment(options.config), options.config)
    store = existing_store()
    try:
        found = await store.find_duplicates(options.ids)
        routes = _routes_of([one.event for one in found], configured)
        if not options.dry_run:
            await _release_all(store, found, routes)
    finally:
        await store.close()
    if options.format == "json":
        write_json([_as_json(one, each) for one, each in zip(found, routes, strict=True)])
        return 0
    for one, each in zip(found, routes, strict=True):
        _print_duplicate(one, each)
    what = f"{len(found)} {'event' if len(found) == 1 else 'events'}"
    print_text(f"would tell {what}" if options.dry_run else f"{what} told now; a running serve delivers")
    return 0


async def _release_all(store: Store, found: Sequence[DuplicateEvent], routes: Sequence[Sequence[Route]]) -> None:
    who, now = name_of_person(None), utc_now()
    for one, each in zip(found, routes, strict=True):
        if await store.release_duplicate(one.event.number, each, now=now):
            await store.record_action(ActionTaken(now, who, "release", one.event.id))


def _routes_of(events: Sequence[Event], configured: Settings) -> list[tuple[Route, ...]]:
    """Where each event goes by the settings of now: a source's own `to` counts."""
    route = make_router(make_destinations(configured))
    to = {f"source:{one.name}": one.to for one in configured.sources}
    return [route(event, to.get(event.origin)) for event in events]


def _print_duplicate(one: DuplicateEvent, routes: Sequence[Route]) -> None:
    original = _row_text(one.original) if one.original else "an event that was deleted since"
    print_text(f"{_row_text(one.row)}\n  was a duplicate of {original}\n  goes to {_routes_text(routes)}")


def _row_text(row: EventRow) -> str:
    amount = " ".join(filter(None, (row.value, row.currency)))
    said = (row.event_type, f"order {row.order_id}" if row.order_id else None, amount or None, row.delivery)
    return f"{row.id} ({', '.join(filter(None, said))})"


def _routes_text(routes: Sequence[Route]) -> str:
    told = [f"{one.destination} ({one.skip})" if one.skip else one.destination for one in routes]
    return ", ".join(told) or "no destination; set BRIDGE_TRACK_URL, then `trackbridge deliver track`"


def _as_json(one: DuplicateEvent, routes: Sequence[Route]) -> dict[str, object]:
    return {
        "event": plain_value(one.row),
        "original": plain_value(one.original) if one.original else None,
        "routes": [{"destination": each.destination, "skip": each.skip} for each in routes],
    }
