"""`trackbridge list` and `trackbridge show`: rows and details of the store, as tables for people, as JSON for machines.

They only read, and work while `serve` runs on the same store.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text

from bridge import settings
from bridge.cli.environment import read_environment
from bridge.cli.filter_options import FilterOptions, read_filter
from bridge.cli.options import (
    argument,
    argument_of,
    command_options,
    format_option,
    included_options,
    option,
    read_count,
)
from bridge.cli.safe_console import SafeConsole, as_text
from bridge.core import json_text
from bridge.core.errors import SettingsError
from bridge.core.instants import format_instant
from bridge.core.model import Attempt
from bridge.core.visible_text import make_visible
from bridge.store.engines import open_store, require_log_of_serve
from bridge.store.protocol import (
    DeliveryDetail,
    DeliveryRow,
    EventDetail,
    EventRow,
    RowFilter,
    Store,
    WebhookDetail,
    WebhookRow,
)

TABLE_ROWS = 50
STATE_STYLES = {"translated": "green", "delivered": "green", "set_aside": "red", "dead": "red", "pending": "yellow"}
_AMBIGUOUS = "ambiguous: no answer came, and the upstream may have taken it; it knows a double by its event_id"
ListedRows = Literal["webhooks", "events", "deliveries"]
Row = WebhookRow | EventRow | DeliveryRow | Attempt


@command_options
class ListOptions:
    """The options of `list`."""

    what: ListedRows = argument_of(("webhooks", "events", "deliveries"))
    filters: FilterOptions = included_options(FilterOptions)
    limit: int | None = option(read_count, "N", meaning="at most so many (the table shows 50 unless told)")
    format: Literal["text", "json"] = format_option()


@command_options
class ShowOptions:
    """The options of `show`."""

    id: str = argument(str, "ID", meaning="wh_…, evt_… or dlv_…, as lists show it")
    format: Literal["text", "json"] = format_option()


def run_list(options: ListOptions) -> int:
    """List rows."""
    return asyncio.run(_list_rows(options))


def run_show(options: ShowOptions) -> int:
    """Show one thing."""
    return asyncio.run(_show_one(options.id, as_json=options.format == "json"))


async def _list_rows(options: ListOptions) -> int:
    as_json = options.format == "json"
    limit = options.limit if options.limit is not None or as_json else TABLE_ROWS
    asked = read_filter(options.filters, now=datetime.now(UTC), limit=limit)
    store = existing_store()
    try:
        rows: Sequence[Row] = await _read_rows(store, options.what, asked)
        unapplied = (await store.state_counts()).unapplied if options.what == "webhooks" and not as_json else 0
    finally:
        await store.close()
    if as_json:
        write_json([plain_value(row) for row in rows])
    else:
        make_console().print(make_table(rows) if rows else f"no {options.what} that fit")
    if unapplied:
        make_console().print(
            f"{unapplied} more were just kept; they are listed as soon as `trackbridge serve` has read them"
        )
    return 0


async def _read_rows(store: Store, what: ListedRows, asked: RowFilter) -> Sequence[Row]:
    match what:
        case "webhooks":
            return await store.webhooks(asked)
        case "events":
            return await store.events(asked)
        case "deliveries":
            return await store.deliveries(asked)


async def _show_one(public_id: str, *, as_json: bool) -> int:
    store = existing_store()
    try:
        found = await store.show_detail(public_id)
    finally:
        await store.close()
    if as_json:
        write_json([_detail_as_json(one) for one in found] if len(found) > 1 else _detail_as_json(found[0]))
        return 0
    screen = make_console()
    for one in found:
        _print_detail(screen, one)
    return 0


def existing_store() -> Store:
    """The configured store, which must be there already: looking must not make one."""
    url = see_that_there_is_a_store()
    environment = read_environment()
    window, bounds = settings.retention_policy(environment).ledger, settings.admission_limits(environment)
    return open_store(url, ledger_window=window, bounds=bounds)


def see_that_there_is_a_store() -> str:
    """The URL of the configured store, before it is opened.

    Raises SettingsError where there is none, StoreUnavailable where its write-ahead log was deleted while `serve` runs.
    """
    url = settings.store_url(read_environment())
    path = url.removeprefix("sqlite:///")
    if url.startswith("sqlite:///") and not os.path.exists(path):  # noqa: PTH110  a URL's path, as the store reads it
        raise SettingsError(f"there is no store at {path}; start `trackbridge serve` there, or set BRIDGE_STORE")
    require_log_of_serve(url)
    return url


def make_console() -> SafeConsole:
    """Where tables go."""
    return SafeConsole()


def write_json(document: json_text.Json) -> None:
    """One JSON document on standard output, and nothing else. What a terminal would obey is escaped in its strings."""
    sys.stdout.buffer.write(make_visible(json_text.write_escaped_json(document).decode()).encode() + b"\n")
    sys.stdout.flush()


def plain_value(value: object) -> json_text.Json:
    """A row as JSON has it: instants in ISO 8601, states by their word."""
    match value:
        case datetime():
            return format_instant(value)
        case timedelta():
            return value.total_seconds()
        case Enum():
            return value.value
        case _ if is_dataclass(value):
            return {field.name: plain_value(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def make_table(rows: Iterable[Row]) -> Table:
    """Rows as a table that a person reads: one line each, states coloured, times to the second."""
    found = list(rows)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    names = [field.name for field in fields(found[0])]
    for name in names:
        drawn.add_column(name.replace("_", " "), overflow="fold", no_wrap=name in {"id", "state"})
    for row in found:
        drawn.add_row(*(_cell_text(getattr(row, name)) for name in names))
    return drawn


def _cell_text(value: object) -> Text:
    match value:
        case None | False:
            return Text("")
        case True:
            return Text("yes")
        case datetime():
            return Text(value.strftime("%Y-%m-%d %H:%M:%S"))
        case Enum():
            return as_text(value.value, STATE_STYLES.get(str(value.value), ""))
        case str() if len(value) > 200:  # noqa: PLR2004  an upstream's answer belongs into `show`
            return as_text(f"{value[:200]}…")
        case _:
            return as_text(value)


# ---------------------------------------------------------------------------------------------------- one thing


def _detail_as_json(one: WebhookDetail | EventDetail | DeliveryDetail) -> json_text.Json:
    shown = plain_value(one.row)
    match one:
        case WebhookDetail(webhook=webhook, events=events, same_bytes_as=same):
            return shown | {
                "same_bytes_as": None if same is None else plain_value(same),
                "provider_id": webhook.id,
                "headers": dict(webhook.headers),
                "query": dict(webhook.query),
                "item": webhook.item,
                "body": None if one.body_gone else webhook.body.decode("utf-8", "replace"),
                "body_gone": one.body_gone,
                "events": [plain_value(event) for event in events],
            }
        case EventDetail():
            return shown | {
                "origin": one.origin,
                "given_event_id": one.given_id,
                "event": json_text.parse_json(one.text),
                "notes": list(one.notes),
                "hashed": list(one.hashed),
                "deliveries": [plain_value(delivery) for delivery in one.deliveries],
            }
        case DeliveryDetail():
            return shown | {
                "created_at": plain_value(one.created_at),
                "delivered_at": plain_value(one.delivered_at),
                "history": [plain_value(attempt) for attempt in one.attempts],
            }


def _print_detail(console: SafeConsole, one: WebhookDetail | EventDetail | DeliveryDetail) -> None:
    for name, value in plain_value(one.row).items():
        if value is not None:
            console.print(Text.assemble((f"{name.replace('_', ' '):>16}  ", "dim"), as_text(value)))
    match one:
        case WebhookDetail(webhook=webhook, events=events, same_bytes_as=same):
            console.print(Text.assemble((f"{'provider id':>16}  ", "dim"), as_text(webhook.id)))
            if same is not None:
                told = f"{same.id} ({same.source}, {same.topic or 'no topic'})"
                console.print(Text.assemble((f"{'same bytes as':>16}  ", "dim"), as_text(told)))
            _list_of(console, "events", events)
            console.print(Text("\nbody", style="bold"))
            gone = "gone: it was kept as long as BRIDGE_KEEP_BODIES says"
            console.print(
                as_text(gone if one.body_gone else json_text.indent_json(webhook.body), lines=True), soft_wrap=True
            )
        case EventDetail():
            if one.given_id:
                console.print(
                    Text.assemble((f"{'given id':>16}  ", "dim"), f"{one.given_id} (names another event, too)")
                )
            for note in one.notes:
                console.print(Text.assemble((f"{'left out':>16}  ", "dim"), as_text(note)))
            _list_of(console, "deliveries", one.deliveries)
            console.print(Text("\nevent", style="bold"))
            console.print(as_text(json_text.indent_json(one.text), lines=True), soft_wrap=True)
        case DeliveryDetail():
            _list_of(console, "attempts", one.attempts)
            if any(attempt.ambiguous for attempt in one.attempts):
                console.print(Text(f"\n{_AMBIGUOUS}", style="yellow"))


def _list_of(console: SafeConsole, what: str, rows: Sequence[Row]) -> None:
    if rows:
        console.print(Text(f"\n{what}", style="bold"))
        console.print(make_table(rows))
