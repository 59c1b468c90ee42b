"""`trackbridge retry`, `replay` and `deliver`: what a person puts right by hand. A running serve does the work.

Not concerned with making requests or translating: these verbs only make things due.
"""

from __future__ import annotations

import argparse
import asyncio
import os

from bridge.app import clock, configure, make_destinations
from bridge.cli.look import existing_store
from bridge.errors import SettingsError
from bridge.model import DeliveryState, WebhookState
from bridge.store import Filter

PAGE = 1000


def run(options: argparse.Namespace) -> int:
    """Do it, and say to how many."""
    match options.verb:
        case "retry":
            return asyncio.run(_retry(options))
        case "replay":
            return asyncio.run(_replay(options))
        case _:
            return asyncio.run(_deliver(options))


async def _retry(options: argparse.Namespace) -> int:
    which = _which(options.ids, every=options.all_dead, flag="--all-dead", state=DeliveryState.DEAD)
    store = existing_store()
    try:
        count = await store.retry(which, now=clock())
    finally:
        await store.close()
    print(f"{_counted(count, 'delivery', 'deliveries')} due now; a running serve sends them")
    return 0


async def _replay(options: argparse.Namespace) -> int:
    which = _which(options.ids, every=options.set_aside, flag="--set-aside", state=WebhookState.SET_ASIDE)
    store = existing_store()
    try:
        count = await store.replay(which, now=clock())
    finally:
        await store.close()
    print(f"{_counted(count, 'webhook', 'webhooks')} received again; a running serve translates them")
    return 0


async def _deliver(options: argparse.Namespace) -> int:
    configured, _ = configure(os.environ, options.config)
    destinations = make_destinations(configured)
    if options.destination not in destinations:
        known = ", ".join(destinations) or "none yet; set BRIDGE_TRACK_URL"
        raise SettingsError(f"there is no destination `{options.destination}`; known are {known}")
    destination = destinations[options.destination]
    store = existing_store()
    count = after = 0
    try:
        while events := await store.ungiven(destination.name, after=after, limit=PAGE):
            skips = [(event.number, destination.wants(event)) for event in events]
            count += await store.give(destination.name, skips, now=clock())
            after = events[-1].number
    finally:
        await store.close()
    print(f"{_counted(count, 'event', 'events')} given to {destination.name}; a running serve delivers them")
    return 0


def _which(ids: list[str], *, every: bool, flag: str, state: str) -> Filter:
    if bool(ids) == every:
        raise SettingsError(f"name what you mean: either ids, or {flag}")
    return Filter(ids=tuple(ids)) if ids else Filter(state=state)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
