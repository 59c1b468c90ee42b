"""`trackbridge retry`, `replay` and `deliver`: what a person puts right by hand. A running serve does the work.

Not concerned with making requests or translating: these verbs only make things due.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bridge.app import clock, configure, make_destinations
from bridge.cli import again
from bridge.cli.look import Row, console, existing_store, table
from bridge.errors import SettingsError
from bridge.model import DeliveryState, WebhookState
from bridge.store import Filter

PAGE = 1000
SAMPLES = 5
_SPAN = re.compile(r"([0-9]{1,5})([mhdw])")


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
    which = _which(options, every=options.all_dead, flag="--all-dead", state=DeliveryState.DEAD)
    store = existing_store()
    try:
        if options.dry_run:
            return _shown("send again", "delivery", "deliveries", await store.deliveries(which))
        count = await store.retry(which, now=clock())
    finally:
        await store.close()
    print(f"{_counted(count, 'delivery', 'deliveries')} due now; a running serve sends them")
    return 0


async def _replay(options: argparse.Namespace) -> int:
    aside = WebhookState.SET_ASIDE if options.set_aside else None
    which = _which(options, every=options.set_aside, flag="--set-aside", state=aside)
    store = existing_store()
    try:
        rows = await store.webhooks(which)
        made = [row for row in rows if row.state == WebhookState.TRANSLATED]
        if options.dry_run:
            _shown("replay", "webhook", "webhooks", rows)
        left = 0
        if made:
            left = await again.again(
                store, made, config=options.config, send=options.send_again and not options.dry_run
            )
        if options.dry_run:
            return 0
        if made:
            fresh = [row.id for row in rows if row.state in {WebhookState.SET_ASIDE, WebhookState.IGNORED}]
            count = await store.replay(replace(which, ids=tuple(fresh)), now=clock()) if fresh else 0
        else:
            count = await store.replay(which, now=clock())
    finally:
        await store.close()
    if count or not made:
        print(f"{_counted(count, 'webhook', 'webhooks')} received again; a running serve translates them")
    if left:
        print(f"{_counted(left, 'webhook', 'webhooks')} left as made; --send-again writes over and delivers twice")
    return 0


def _shown(what: str, one: str, many: str, rows: Sequence[Row]) -> int:
    print(f"would {what} {_counted(len(rows), one, many)}")
    if rows:
        console().print(table(rows[:SAMPLES]))
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


def _which(options: argparse.Namespace, *, every: bool, flag: str, state: str | None) -> Filter:
    since = clock() - _span(options.since) if options.since else None
    filtered = bool(options.source or options.destination or options.reason or since)
    if bool(options.ids) == (every or filtered):
        raise SettingsError(f"name what you mean: either ids, or {flag}, or filters such as --since 7d")
    if options.ids:
        return Filter(ids=tuple(options.ids))
    return Filter(
        state=state, source=options.source, destination=options.destination, reason=options.reason, since=since
    )


def _span(text: str) -> timedelta:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise SettingsError(f"--since takes a span such as 12h, 7d or 4w, got {text!r}")
    return timedelta(**{{"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[found[2]]: int(found[1])})


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
