"""`trackbridge retry`, `replay` and `deliver`: make deliveries or webhooks due again.

A running `serve` does the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridge.app import utc_now
from bridge.cli import replay_translated
from bridge.cli.acting_person import name_of_person
from bridge.cli.argument_parser import quote_argument
from bridge.cli.environment import read_environment
from bridge.cli.filter_options import FilterOptions, describe_filter, is_filtered, read_filter
from bridge.cli.list_show import existing_store, make_console
from bridge.cli.options import argument, arguments, command_options, config_option, flag_option, included_options
from bridge.cli.row_list import Row, print_rows
from bridge.cli.terminal import print_text
from bridge.core.delivery import DeliveryState
from bridge.core.errors import SettingsError
from bridge.core.model import WebhookState
from bridge.settings.destinations import make_destinations, route_to, with_scopes
from bridge.settings.load import load_configuration
from bridge.status.report import count_words
from bridge.store.by_hand import ActingPerson, replay_by_hand, retry_by_hand
from bridge.store.protocol import RowFilter, Store, WebhookRow
from bridge.store.status_views import ActionTaken

PAGE = 1000
SAMPLES = 5


@command_options
class RetryOptions:
    """The options of `retry`."""

    ids: Sequence[str] = arguments(str, "ID", meaning="deliveries (dlv_…)")
    all_dead: bool = flag_option("every dead letter")
    filters: FilterOptions = included_options(FilterOptions)
    dry_run: bool = flag_option("say how many and which, change nothing")


@command_options
class ReplayOptions:
    """The options of `replay`."""

    ids: Sequence[str] = arguments(str, "ID", meaning="webhooks (wh_…)")
    set_aside: bool = flag_option("every webhook that was set aside")
    send_again: bool = flag_option("write over events that were made, deliver them twice")
    config: Path | None = config_option()
    filters: FilterOptions = included_options(FilterOptions)
    dry_run: bool = flag_option("say how many and which, change nothing")


@command_options
class DeliverOptions:
    """The options of `deliver`."""

    destination: str = argument(str, "DESTINATION", meaning="a configured destination's name")
    config: Path | None = config_option()


def run_retry(options: RetryOptions) -> int:
    """Make deliveries due, and say how many."""
    return asyncio.run(_retry_deliveries(options))


def run_replay(options: ReplayOptions) -> int:
    """Make webhooks due, and say how many."""
    return asyncio.run(_replay_webhooks(options))


def run_deliver(options: DeliverOptions) -> int:
    """Give a destination the kept events, and say how many."""
    return asyncio.run(_deliver_events(options))


async def _retry_deliveries(options: RetryOptions) -> int:
    asked = _read_filter(options, every=options.all_dead, flag="--all-dead", state=DeliveryState.DEAD)
    store = existing_store()
    try:
        if options.dry_run:
            would = await store.would_retry(asked, now=utc_now(), newest=SAMPLES)
            return _dry_run_text("send again", "delivery", "deliveries", would.count, would.newest)
        by = ActingPerson(name_of_person(None), utc_now())
        count = await retry_by_hand(store, asked, by, subject=describe_filter(asked))
    finally:
        await store.close()
    why = (
        "a running serve sends them" if count else "none of these is dead or waits; `list deliveries` shows the states"
    )
    print_text(f"{count_words(count, 'delivery', 'deliveries')} due now; {why}")
    return 0


async def _replay_webhooks(options: ReplayOptions) -> int:
    aside = WebhookState.SET_ASIDE if options.set_aside else None
    asked = _read_filter(options, every=options.set_aside, flag="--set-aside", state=aside)
    store = existing_store()
    try:
        made = await _that_made_events(store, asked)
        fresh = _remaining_filter(asked, made)
        if options.dry_run:
            return await _replayed_dry(store, made, fresh, options)
        left = (
            await replay_translated.replay_webhooks(store, made, config=options.config, send=options.send_again)
            if made
            else 0
        )
        by = ActingPerson(name_of_person(None), utc_now())
        count = await replay_by_hand(store, fresh, by, subject=describe_filter(asked), more=len(made) - left)
    finally:
        await store.close()
    if count or not made:
        why = "a running serve translates them" if count else "none of these is set aside or ignored with its body kept"
        print_text(f"{count_words(count, 'webhook', 'webhooks')} received again; {why}")
    if left:
        print_text(
            f"{count_words(left, 'webhook', 'webhooks')} left as made; --send-again writes over and delivers twice"
        )
    return 0


async def _replayed_dry(
    store: Store, made: Sequence[WebhookRow], fresh: Sequence[RowFilter], options: ReplayOptions
) -> int:
    would = [await store.would_replay(one, newest=SAMPLES) for one in fresh]
    count = len(made) + sum(one.count for one in would)
    _dry_run_text(
        "replay", "webhook", "webhooks", count, [*made[:SAMPLES], *(row for one in would for row in one.newest)]
    )
    if made:
        await replay_translated.replay_webhooks(store, made, config=options.config, send=False, dry=True)
    return 0


async def _that_made_events(store: Store, asked: RowFilter) -> list[WebhookRow]:
    """Those that made events: they are not simply received again, but compared."""
    if asked.state not in {None, WebhookState.TRANSLATED}:
        return []
    return await store.webhooks(replace(asked, state=WebhookState.TRANSLATED))


def _remaining_filter(asked: RowFilter, made: Sequence[WebhookRow]) -> list[RowFilter]:
    """The rest of what was asked for."""
    if asked.ids is not None:
        compared = {row.id for row in made}
        return [replace(asked, ids=tuple(one for one in asked.ids if one not in compared))]
    match asked.state:
        case WebhookState.TRANSLATED:
            return []
        case None:
            return [replace(asked, state=state) for state in (WebhookState.SET_ASIDE, WebhookState.IGNORED)]
        case _:
            return [asked]


def _dry_run_text(what: str, one: str, many: str, count: int, newest: Sequence[Row]) -> int:
    print_text(f"would {what} {count_words(count, one, many)}")
    if newest:
        print_rows(make_console(), newest[:SAMPLES])
    return 0


async def _deliver_events(options: DeliverOptions) -> int:
    configured, _ = load_configuration(read_environment(options.config), options.config)
    destinations = make_destinations(configured)
    if options.destination not in destinations:
        known = ", ".join(destinations) or "none yet; set BRIDGE_TRACK_URL"
        raise SettingsError(f"there is no destination `{quote_argument(options.destination)}`; known are {known}")
    destination = destinations[options.destination]
    store = existing_store()
    count = after = 0
    try:
        while events := await store.events_without_delivery(destination.name, after=after, limit=PAGE):
            routes = {one.number: route_to(destination, one) for one in with_scopes(events, configured)}
            follows = {number: route.follows for number, route in routes.items() if route.follows}
            skips = [(number, route.skip) for number, route in routes.items()]
            count += await store.create_deliveries(destination.name, skips, now=utc_now(), follows=follows)
            after = events[-1].number
        if count:
            await store.record_action(ActionTaken(utc_now(), name_of_person(None), "deliver", destination.name, count))
    finally:
        await store.close()
    print_text(f"{count_words(count, 'event', 'events')} given to {destination.name}; a running serve delivers them")
    return 0


def _read_filter(options: RetryOptions | ReplayOptions, *, every: bool, flag: str, state: str | None) -> RowFilter:
    """What was named, by ids or by filters; `state` where no other was typed."""
    filtered = is_filtered(options.filters)
    if bool(options.ids) == (every or filtered):
        raise SettingsError(f"name what you mean: either ids, or {flag}, or filters such as --since 7d")
    if options.ids:
        return RowFilter(ids=tuple(options.ids))
    if every and options.filters.state not in {None, state}:
        raise SettingsError(f"{flag} and --state {options.filters.state} are two wishes; leave one out")
    asked = read_filter(options.filters, now=utc_now())
    return asked if asked.state is not None else replace(asked, state=state)
