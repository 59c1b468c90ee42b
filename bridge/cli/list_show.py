"""`trackbridge list` and `trackbridge show`: rows and details of the store, for people, as JSON, or as CSV.

They only read, and work while `serve` runs on the same store.
"""

from __future__ import annotations

import asyncio
import csv
import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Literal

from rich.text import Text

from bridge import settings
from bridge.cli.environment import read_environment
from bridge.cli.filter_options import FilterOptions, read_filter
from bridge.cli.options import (
    argument,
    command_options,
    config_option,
    format_option,
    included_options,
    option,
    option_of,
    optional_argument_of,
    read_count,
)
from bridge.cli.row_list import Row, format_fact, print_rows
from bridge.cli.safe_console import SafeConsole, as_text
from bridge.core import json_text
from bridge.core.errors import BridgeError, SettingsError
from bridge.core.instants import format_instant
from bridge.core.local_time import format_local
from bridge.core.mapping_text import MappingText
from bridge.core.visible_text import make_visible
from bridge.settings.destinations import make_masked
from bridge.settings.load import load_configuration
from bridge.status.kept_request import KeptRequest, rebuild_request
from bridge.store.engines import is_on_server, open_store, require_log_of_serve, shown_store, store_exists
from bridge.store.protocol import (
    DeliveryDetail,
    DeliveryRow,
    EventDetail,
    EventRow,
    RowFilter,
    StateCounts,
    Store,
    WebhookDetail,
    WebhookRow,
)
from bridge.store.status_views import ActionTaken

TABLE_ROWS = 50
_AMBIGUOUS = "ambiguous: no answer came, and the upstream may have taken it; it knows a double by its event_id"
ListedRows = Literal["webhooks", "events", "deliveries"]
ListedRow = WebhookRow | EventRow | DeliveryRow
LISTED: tuple[ListedRows, ...] = ("webhooks", "events", "deliveries")


@command_options
class ListOptions:
    """The options of `list`."""

    what: ListedRows | None = optional_argument_of(LISTED, meaning="what to list; without it, what there is")
    filters: FilterOptions = included_options(FilterOptions)
    before: str | None = option(
        str, "ID", meaning="only rows made before that one: the last id of a list shows the next"
    )
    limit: int | None = option(read_count, "N", meaning="at most so many (people see 50 unless told)")
    format: Literal["text", "json", "csv"] = option_of(
        ("text", "json", "csv"), preset="text", meaning="for people, for machines, or for a spreadsheet"
    )


@command_options
class ShowOptions:
    """The options of `show`."""

    id: str = argument(str, "ID", meaning="wh_…, evt_… or dlv_…, as lists show it")
    config: Path | None = config_option()
    format: Literal["text", "json"] = format_option()


def run_list(options: ListOptions) -> int:
    """List rows."""
    return asyncio.run(_list_rows(options))


def run_show(options: ShowOptions) -> int:
    """Show one thing."""
    return asyncio.run(_show_one(options.id, options.config, as_json=options.format == "json"))


async def _list_rows(options: ListOptions) -> int:
    limit = options.limit if options.limit is not None or options.format != "text" else TABLE_ROWS
    asked = replace(read_filter(options.filters, now=datetime.now(UTC), limit=limit), before=options.before)
    store = existing_store()
    try:
        counts = await store.state_counts()
        if options.what is None:
            return _print_counts(counts, as_json=options.format == "json")
        rows = await _read_rows(store, options.what, asked)
    finally:
        await store.close()
    match options.format:
        case "json":
            write_json([plain_value(row) for row in rows])
        case "csv":
            write_csv([plain_value(row) for row in rows])
        case "text":
            _print_list(options.what, rows, counts, limit)
    return 0


def _print_list(what: ListedRows, rows: Sequence[ListedRow], counts: StateCounts, limit: int | None) -> None:
    console = make_console()
    if not rows:
        console.print(f"no {what} that fit")
    print_rows(console, rows)
    if limit is not None and len(rows) == limit:
        console.print(
            as_text(f"{limit} are shown; --before {rows[-1].id} shows the next, --since 7d and other filters choose")
        )
    if what == "webhooks" and counts.unapplied:
        console.print(
            f"{counts.unapplied} more were just kept; they are listed as soon as `trackbridge serve` has read them"
        )


def _print_counts(counts: StateCounts, *, as_json: bool) -> int:
    """What there is to list, by state."""
    found: dict[str, dict[str, int]] = {name: {} for name in LISTED}
    for what, each in zip(LISTED, (counts.webhooks, counts.events, counts.deliveries), strict=True):
        for (_, state), count in sorted(each.items()):
            found[what][state] = found[what].get(state, 0) + count
    if as_json:
        write_json(plain_value(found))
        return 0
    console = make_console()
    for name, states in found.items():
        said = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in states.items()) or "none yet"
        console.print(as_text(f"{f'trackbridge list {name}':<28}{said}"), soft_wrap=True)
    console.print("`trackbridge show ID` shows one in full, `trackbridge find WHAT` finds an order, an id or an e-mail")
    return 0


async def _read_rows(store: Store, what: ListedRows, asked: RowFilter) -> Sequence[ListedRow]:
    match what:
        case "webhooks":
            return await store.webhooks(asked)
        case "events":
            return await store.events(asked)
        case "deliveries":
            return await store.deliveries(asked)


async def _show_one(public_id: str, config: Path | None, *, as_json: bool) -> int:
    store = existing_store()
    try:
        found = await store.show_detail(public_id)
        actions = await store.actions_on(public_id)
    finally:
        await store.close()
    requests = [_rebuild_request(one, config) if isinstance(one, DeliveryDetail) else None for one in found]
    if as_json:
        shown = [_detail_as_json(one, request) for one, request in zip(found, requests, strict=True)]
        write_json(shown if len(shown) > 1 else shown[0])
        return 0
    screen = make_console()
    for one, request in zip(found, requests, strict=True):
        _print_detail(screen, one, request, actions)
    return 0


def _rebuild_request(one: DeliveryDetail, config: Path | None) -> KeptRequest | None:
    """The request that carried a delivery, by the configured destinations; it says why where there is none."""
    try:
        configured, _ = load_configuration(read_environment(config), config, tell=False)
    except (BridgeError, OSError) as error:
        return KeptRequest(None, missing=str(error)) if one.attempts else None
    return rebuild_request(one, partial(make_masked, configured))


def existing_store() -> Store:
    """The configured store, which must be there already: looking must not make one."""
    see_that_there_is_a_store()
    return open_configured_store()


def open_configured_store() -> Store:
    """The configured store."""
    environment = read_environment()
    url = settings.store_url(environment)
    require_log_of_serve(url)
    window, bounds = settings.retention_policy(environment).ledger, settings.admission_limits(environment)
    return open_store(url, ledger_window=window, bounds=bounds)


def see_that_there_is_a_store() -> str:
    """The URL of the configured store, before it is opened.

    Raises SettingsError where there is none, StoreUnavailable where its write-ahead log was deleted while `serve` runs.
    """
    url = settings.store_url(read_environment())
    if is_on_server(url) and not store_exists(url):
        raise SettingsError(f"there is no store in {shown_store(url)}; start `trackbridge serve` on it first")
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


def write_csv(rows: Sequence[Mapping[str, json_text.Json]]) -> None:
    """Rows as CSV with a heading. A text that a spreadsheet would take for a formula gets a `'` before it.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    writer.writerows([_csv_cell(value) for value in row.values()] for row in rows)
    sys.stdout.buffer.write(text.getvalue().encode())
    sys.stdout.flush()


def _csv_cell(value: json_text.Json) -> str:
    if value is None or isinstance(value, bool):
        return "yes" if value else ""
    text = make_visible(str(value))
    return f"'{text}" if isinstance(value, str) and text.startswith(("=", "+", "-", "@")) else text


def plain_value(value: object) -> json_text.Json:  # noqa: PLR0911  one for each kind of value
    """A row as JSON has it: instants in ISO 8601, states by their word."""
    match value:
        case datetime():
            return format_instant(value)
        case timedelta():
            return value.total_seconds()
        case Enum():
            return value.value
        case MappingText():
            return {"file": value.name, "digest": value.digest.hex()}
        case Mapping():
            return {str(name): plain_value(one) for name, one in value.items()}
        case _ if is_dataclass(value):
            return {field.name: plain_value(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


# ---------------------------------------------------------------------------------------------------- one thing


def _detail_as_json(one: WebhookDetail | EventDetail | DeliveryDetail, request: KeptRequest | None) -> json_text.Json:
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
                "request": None if request is None else _request_as_json(request),
                "history": [plain_value(attempt) for attempt in one.attempts],
            }


def _request_as_json(made: KeptRequest) -> json_text.Json:
    known = {
        "made_by": plain_value(made.made_by),
        "is_kept": made.is_kept,
        "is_in_use": made.is_in_use,
        "missing": made.missing or None,
        "notes": list(made.notes),
    }
    return (made.request or {}) | known


def _print_detail(
    console: SafeConsole,
    one: WebhookDetail | EventDetail | DeliveryDetail,
    request: KeptRequest | None,
    actions: Sequence[ActionTaken],
) -> None:
    """The longest first and the facts last, where a terminal shows them."""
    facts: dict[str, object] = {field.name: getattr(one.row, field.name) for field in fields(one.row)}
    match one:
        case WebhookDetail(webhook=webhook, events=events, same_bytes_as=same):
            gone = "gone: it was kept as long as BRIDGE_KEEP_BODIES says"
            _print_text(console, "body", gone if one.body_gone else json_text.indent_json(webhook.body))
            _list_of(console, "events", events)
            facts["provider id"] = webhook.id
            facts["same bytes as"] = same and f"{same.id} ({same.source}, {same.topic or 'no topic'})"
        case EventDetail():
            _print_text(console, "event", json_text.indent_json(one.text))
            _list_of(console, "deliveries", one.deliveries)
            facts["given id"] = one.given_id and f"{one.given_id} (names another event, too)"
            facts |= {f"left out {number}": note for number, note in enumerate(one.notes, start=1)}
        case DeliveryDetail():
            _print_request(console, request)
            _list_of(console, "attempts", one.attempts)
            if any(attempt.ambiguous for attempt in one.attempts):
                console.print(Text(f"\n{_AMBIGUOUS}", style="yellow"))
            facts |= {"created at": one.created_at, "delivered at": one.delivered_at}
    facts |= {f"{each.what} by": f"{each.who}, {format_local(each.at)}" for each in actions}
    console.print()
    for name, value in facts.items():
        if value is not None:
            said = Text.assemble((f"{name.replace('_', ' '):>16}  ", "dim"), as_text(format_fact(value)))
            console.print(said, soft_wrap=True)


def _print_request(console: SafeConsole, made: KeptRequest | None) -> None:
    if made is None:
        return
    if made.request is None:
        _print_text(console, "request", f"it cannot be made again: {made.missing}")
        return
    _print_text(
        console,
        f"request with this event alone, {made.headline}",
        json_text.indent_json(json_text.write_json(made.request)),
    )
    for note in made.notes:
        console.print(Text(note, style="yellow"))


def _print_text(console: SafeConsole, what: str, text: str) -> None:
    console.print(Text(what, style="bold"))
    console.print(as_text(text, lines=True), soft_wrap=True)


def _list_of(console: SafeConsole, what: str, rows: Sequence[Row]) -> None:
    if rows:
        console.print(Text(f"\n{what}", style="bold"))
        print_rows(console, rows)
