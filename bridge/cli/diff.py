"""`trackbridge diff`: what another mapping would make of the kept webhooks, or of given bodies.

For destination files, `diff_destinations.py` does the same. It only reads, and works while `serve` runs on the same
store. `mapping/tools/diff.py` compares.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from rich.table import Table
from rich.text import Text

from bridge import settings
from bridge.app import utc_now
from bridge.cli import filter_options
from bridge.cli.argument_parser import quote_argument
from bridge.cli.diff_destinations import compare_platforms, names_platform, platforms_as_json, print_platforms
from bridge.cli.diff_side import DiffSide
from bridge.cli.diff_tables import Total, draw_changes, draw_totals, most_often, plain_change
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store, make_console, write_json
from bridge.cli.options import (
    argument,
    arguments,
    command_options,
    config_option,
    format_option,
    option,
    read_count,
    repeated_option,
)
from bridge.cli.safe_console import SafeConsole
from bridge.cli.try_mapping import read_named_mapping, require_usable, webhooks_of
from bridge.core import json_text
from bridge.core.errors import SettingsError
from bridge.core.model import Webhook
from bridge.mapping import MappedSource
from bridge.mapping import Mapping as ProviderMapping
from bridge.mapping.tools.diff import FAULTS, DiffTotals, Fault, MappingDiff
from bridge.settings import SourceSettings
from bridge.store.protocol import RowFilter, Store

PAGE = 500
"""Webhooks that are read at a time."""


@command_options
class DiffOptions:
    """The options of `diff`."""

    old: str = argument(str, "OLD", meaning="a mapping's provider, a destination's kind, or a path to the file of one")
    new: str = argument(str, "NEW", meaning="the same")
    files: Sequence[Path] = arguments(Path, "FILE", meaning="bodies, or events (default: what the store holds)")
    since: str | None = option(str, "SPAN", meaning="only webhooks or events received within 12h, 7d, 4w …")
    last: int = option(read_count, "N", preset=500, meaning="of destinations: the newest N events (default: 500)")
    topic: str | None = option(str, "T", meaning="the bodies' topic, where the provider sends it in a header")
    header: Sequence[str] = repeated_option(str, "'K: V'", meaning="a header of the bodies")
    fail_on: str = option(
        str, "WHAT", preset="", meaning="end with 1 on lost-events, changed-value, or both with a comma"
    )
    config: Path | None = config_option()
    format: Literal["text", "json"] = format_option()


def run_diff(options: DiffOptions) -> int:
    """Compare and tell; 1 where something happens that `--fail-on` names."""
    faults = _parse_fail_on(options.fail_on)
    if names_platform(options.old) or names_platform(options.new):
        return _run_platforms(options, faults)
    old, new = require_usable(read_named_mapping(options.old)), require_usable(read_named_mapping(options.new))
    if old.provider != new.provider:
        raise SettingsError(f"{options.old} is for {old.provider}, {options.new} for {new.provider}; give two of one")
    found = MappingDiff()
    asyncio.run((_compare_bodies if options.files else _compare_kept)(found, old, new, options))
    if options.format == "json":
        write_json(diff_as_json(found))
    else:
        print_diff(found, make_console())
    return 1 if any(found.faults[fault] for fault in faults) else 0


def _run_platforms(options: DiffOptions, faults: Sequence[Fault]) -> int:
    since = filter_options.parse_since(options.since, now=utc_now())
    which = RowFilter(state="fresh", since=since, limit=options.last)
    found = compare_platforms(options.old, options.new, files=options.files, which=which, config=options.config)
    if options.format == "json":
        write_json(platforms_as_json(found))
    else:
        print_platforms(found, make_console())
    return 1 if any(found.faults[fault] for fault in faults) else 0


def _parse_fail_on(text: str) -> list[Fault]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in FAULTS:
            raise SettingsError(f"--fail-on takes {', '.join(FAULTS)}, got {quote_argument(word)!r}")
    return [fault for fault in FAULTS if fault in words]


# ------------------------------------------------------------------------------------------------- which webhooks


async def _compare_bodies(found: MappingDiff, old: ProviderMapping, new: ProviderMapping, options: DiffOptions) -> None:
    one = SourceSettings(old.provider, old.provider)
    before = DiffSide({one.name: _bind_source(old, one, strictly=False)})
    after = DiffSide({one.name: _bind_source(new, one, strictly=True)})
    for path in options.files:
        for webhook in webhooks_of(old, path, topic=options.topic, headers=options.header):
            found.add_webhook(await before.translate(webhook), await after.translate(webhook), name=path.name)


async def _compare_kept(found: MappingDiff, old: ProviderMapping, new: ProviderMapping, options: DiffOptions) -> None:
    since = filter_options.parse_since(options.since, now=utc_now())
    sources = {one.name: one for one in _provider_sources(old.provider, {*old.vars, *new.vars}, options.config)}
    bound_old = {name: _bind_source(old, one, strictly=False) for name, one in sources.items()}
    bound_new = {name: _bind_source(new, one, strictly=True) for name, one in sources.items()}
    store = existing_store()
    before, after = DiffSide(bound_old, store), DiffSide(bound_new, store)
    try:
        async for webhook in _iter_kept(store, list(sources), since=since):
            told = await before.translate(webhook), await after.translate(webhook)
            found.add_webhook(*told, name=f"wh_{webhook.number}")
    finally:
        await store.close()


async def _iter_kept(store: Store, sources: Sequence[str], *, since: datetime | None) -> AsyncIterator[Webhook]:
    """The kept webhooks, oldest first."""
    last = 0
    while page := await store.iter_webhooks(sources, since=since, after=last, limit=PAGE):
        for webhook in page:
            yield webhook
        last = page[-1].number


def _provider_sources(provider: str, vars: Collection[str], config: Path | None) -> list[SourceSettings]:  # noqa: A002
    """The sources of a provider: those that were set, and its own where none of that name was."""
    configured = settings.load_settings(read_environment(config), providers={provider: vars}, config=config).sources
    mine = [one for one in configured if one.mapping == provider]
    if any(one.name == provider for one in configured):
        return mine
    return [*mine, SourceSettings(provider, provider)]


def _bind_source(one: ProviderMapping, source: SourceSettings, *, strictly: bool) -> MappedSource:
    """A source that only translates. Not `strictly`, a var that the mapping does not know is left out."""
    given = {name: value for name, value in source.vars.items() if strictly or name in one.vars}
    return one.bind_source(source.name, secrets=(), vars=given, scope=source.scope)


# ------------------------------------------------------------------------------------------------------ for people


def print_diff(found: MappingDiff, console: SafeConsole) -> None:
    """Write it as text."""
    changed = found.webhooks - found.same
    console.print(Text(f"{found.webhooks} webhooks, {changed} of them changed", style="bold"))
    if found.outcomes:
        console.print(draw_changes(("outcome", "would be"), "webhook", found.outcomes))
    if found.fields:
        console.print(draw_changes(("event", "field"), "webhook", found.fields))
    if changed:
        console.print(_totals_table(found))


def _totals_table(found: MappingDiff) -> Table:
    rows: list[Total] = [
        (f"{kind} events", found.before.events[kind], found.after.events[kind])
        for kind in sorted({*found.before.events, *found.after.events})
    ]
    rows += [
        (f"{kind} value, {currency}", found.before.values.get(key, 0), found.after.values.get(key, 0))
        for key in sorted({*found.before.values, *found.after.values})
        for kind, currency in [key]
    ]
    if found.before.duplicates or found.after.duplicates:
        rows.append(("duplicates", found.before.duplicates, found.after.duplicates))
    return draw_totals(rows)


# ---------------------------------------------------------------------------------------------------- for machines


def diff_as_json(found: MappingDiff) -> json_text.Json:
    """The same as a JSON document."""
    return {
        "webhooks": found.webhooks,
        "changed": found.webhooks - found.same,
        "outcomes": [
            {"before": was, "after": would, **plain_change(change, "webhook")}
            for (was, would), change in most_often(found.outcomes)
        ],
        "fields": [
            {"event_type": kind, "field": path, **plain_change(change, "webhook")}
            for (kind, path), change in most_often(found.fields)
        ],
        "totals": {"before": _plain_totals(found.before), "after": _plain_totals(found.after)},
        "faults": {fault: found.faults[fault] for fault in FAULTS},
    }


def _plain_totals(totals: DiffTotals) -> json_text.Json:
    values: dict[str, dict[str, json_text.Json]] = {}
    for (kind, currency), value in sorted(totals.values.items()):
        values.setdefault(kind, {})[currency] = value
    return {"events": dict(sorted(totals.events.items())), "value": values, "duplicates": totals.duplicates}
