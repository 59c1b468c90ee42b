"""`trackbridge release ID…`: tell duplicates as conversions of their own. A running `serve` delivers them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bridge.app import utc_now
from bridge.cli.acting_person import name_of_person
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store, plain_value, write_json
from bridge.cli.options import arguments, command_options, config_option, flag_option, format_option
from bridge.cli.terminal import print_text
from bridge.core.errors import SettingsError
from bridge.core.model import Event, Route, Routed
from bridge.settings import Settings
from bridge.settings.destinations import make_destinations, make_router, with_scopes
from bridge.settings.load import load_configuration
from bridge.status.report import count_words
from bridge.store.by_hand import ActingPerson, release_by_hand
from bridge.store.protocol import EventRow
from bridge.store.views import DuplicateEvent, FoundDuplicates


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
        routed = _route_events([one.event for one in found.duplicates], configured)
        if not options.dry_run and routed:
            await release_by_hand(store, routed, ActingPerson(name_of_person(None), utc_now()))
    finally:
        await store.close()
    if options.format == "json":
        write_json([_as_json(one, each.routes) for one, each in zip(found.duplicates, routed, strict=True)])
    else:
        _print_found(found, routed, dry=options.dry_run)
    return 0


def _print_found(found: FoundDuplicates, routed: Sequence[Routed], *, dry: bool) -> None:
    for one, each in zip(found.duplicates, routed, strict=True):
        _print_duplicate(one, each.routes)
    for row in found.told:
        print_text(f"{_row_text(row)}\n  is no duplicate: it was told, and is left as it is")
    what = count_words(len(routed), "event", "events")
    if dry:
        print_text(f"would tell {what}")
    elif routed:
        print_text(f"{what} told now; a running serve delivers")
    else:
        print_text("nothing to tell; to deliver an event again, `trackbridge show ID` has its delivery for `retry`")


def _route_events(events: Sequence[Event], configured: Settings) -> list[Routed]:
    """Each event with where it goes by the settings of now: a source's own `to` counts."""
    route = make_router(make_destinations(configured))
    to = {f"source:{one.name}": one.to for one in configured.sources}
    scoped = zip(events, with_scopes(events, configured), strict=True)
    return [Routed(event, route(one, to.get(event.origin))) for event, one in scoped]


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
