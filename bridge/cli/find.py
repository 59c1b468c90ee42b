"""`trackbridge find WHAT`: the webhooks and events of an order, a person or an id, and how far it looked.

What was typed is written nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from bridge.cli.list_show import existing_store, make_console, plain_value, write_json
from bridge.cli.options import argument, command_options, format_option
from bridge.cli.row_list import print_rows
from bridge.cli.safe_console import SafeConsole
from bridge.core.errors import SettingsError
from bridge.core.local_time import format_local
from bridge.status.search_words import SHORTEST, describe_unread, search_words
from bridge.store.protocol import EventRow, RowFilter, WebhookRow
from bridge.store.status_views import FoundRows


@command_options
class FindOptions:
    """The options of `find`."""

    what: str = argument(str, "WHAT", meaning="an order's id or name, an e-mail, a provider's id, an event's id")
    format: Literal["text", "json"] = format_option()


def run_find(options: FindOptions) -> int:
    """Print what was found; 1 where nothing was."""
    return asyncio.run(_find_what(options))


async def _find_what(options: FindOptions) -> int:
    words = search_words(options.what)
    if not words:
        raise SettingsError(f"WHAT must have {SHORTEST} characters or more")
    store = existing_store()
    try:
        found = await store.find_rows(words)
        webhooks = await store.webhooks(RowFilter(ids=found.webhook_ids))
        events = await store.events(RowFilter(ids=found.event_ids))
    finally:
        await store.close()
    if options.format == "json":
        write_json(
            {
                "webhooks": [plain_value(row) for row in webhooks],
                "events": [plain_value(row) for row in events],
                "looked": plain_value(_looked(found)),
            }
        )
    else:
        _print_found(make_console(), webhooks, events, found)
    return 0 if webhooks or events else 1


def _print_found(
    console: SafeConsole, webhooks: Sequence[WebhookRow], events: Sequence[EventRow], found: FoundRows
) -> None:
    if not webhooks and not events:
        console.print("nothing was found")
    for rows in (webhooks, events):
        if rows:
            print_rows(console, rows)
            console.print()
    console.print(_looked_text(found), soft_wrap=True)


def _looked_text(found: FoundRows) -> str:
    if found.since is None:
        return "looked at all that is kept: every event and webhook, and every body"
    return (
        f"looked at the newest {found.events} events and {found.webhooks} webhooks, and at the bodies of the newest "
        f"{found.bodies} webhooks, back to {format_local(found.since)}; {describe_unread(found.unread)}"
    )


def _looked(found: FoundRows) -> dict[str, object]:
    return {
        "events": found.events,
        "webhooks": found.webhooks,
        "bodies": found.bodies,
        "bodies_since": found.since,
        "unread": found.unread,
    }
