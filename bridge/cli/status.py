"""`trackbridge status`: one screen that says what needs a person. Exit status 1 where something does.

`bridge.status` finds out; this file shows it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bridge import settings
from bridge.app import utc_now
from bridge.cli.configured import configured_bridge
from bridge.cli.coverage import outcome_parts, outcomes_as_json
from bridge.cli.environment import read_environment
from bridge.cli.list_show import make_console, open_configured_store, plain_value, write_json
from bridge.cli.options import command_options, config_option, flag_option, format_option
from bridge.cli.safe_console import as_text
from bridge.core.errors import StoreUnavailable
from bridge.core.json_text import Json
from bridge.core.local_time import format_local
from bridge.core.model import WebhookState
from bridge.status.configured import ConfiguredBridge
from bridge.status.read import read_status, status_without_store
from bridge.status.report import (
    Coverage,
    DestinationStatus,
    Finding,
    NodeStatus,
    RoleStatus,
    SourceStatus,
    StatusReport,
)
from bridge.store.engines import check_store, is_on_server, sqlite_file, store_exists

EVERY = 2.0
"""Seconds between two looks of --watch."""


@command_options
class StatusOptions:
    """The options of `status`."""

    config: Path | None = config_option()
    watch: bool = flag_option("keep it fresh, until Ctrl-C")
    format: Literal["text", "json"] = format_option()


def run_status(options: StatusOptions) -> int:
    """Show it once, or until Ctrl-C."""
    return asyncio.run(_show_status(options))


async def _show_status(options: StatusOptions) -> int:
    found = await look_once(options.config)
    if options.format == "json":
        write_json(_status_as_json(found))
    elif options.watch:
        await _watch_status(found, options.config)
    else:
        make_console().print(status_screen(found))
    return 1 if found.needs else 0


async def look_once(config: Path | None = None) -> StatusReport:
    """The status now, by the store and the settings of this shell; troubles with either are part of it."""
    environment = read_environment(config)
    configured = configured_bridge(environment, config)
    url = settings.store_url(environment)
    try:
        return status_without_store(configured) if is_missing(url) else await _ask_store(url, configured)
    except StoreUnavailable as error:
        return status_without_store(configured, error)


async def _ask_store(url: str, configured: ConfiguredBridge) -> StatusReport:
    if not is_on_server(url) and (os.geteuid() or not os.access(sqlite_file(url), os.R_OK | os.W_OK)):
        check_store(url, damage=False)  # root may use another user's store, unless a container took that from root
    store = open_configured_store()
    try:
        return await read_status(store, configured, now=utc_now())
    finally:
        await store.close()


def is_missing(url: str) -> bool:
    """Whether there is no store at a URL: no such file, or no tables on the server."""
    return not store_exists(url) if is_on_server(url) else _is_missing_file(url)


def _is_missing_file(url: str) -> bool:
    return url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()


async def _watch_status(found: StatusReport, config: Path | None) -> None:
    with Live(status_screen(found), console=make_console(), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(EVERY)
            live.update(status_screen(await look_once(config)), refresh=True)


# ----------------------------------------------------------------------------------------------------- how it looks


def status_screen(found: StatusReport) -> Group:
    """The screen: what needs a person comes last, where a terminal shows it."""
    parts: list[Table | Text | Padding] = [_roles_line(found.roles)] if found.roles else []
    if found.nodes:
        parts += [_heading("nodes"), _nodes_table(found.nodes)]
    if found.sources:
        parts += _sources_parts(found.sources)
    if found.destinations:
        parts += [_heading("deliveries in all"), _destinations_table(found.destinations)]
    if found.outcomes is not None and found.outcomes.destinations:
        since = f"events made since {found.outcomes.since:%Y-%m-%d} (UTC days)"
        parts += [_heading(since), *outcome_parts(found.outcomes)]
    if found.coverage is not None:
        parts.append(_coverage_text(found.coverage))
    parts += [line for note in found.notes for line in _finding_lines(note, "·", "yellow")]
    parts += [line for need in found.needs for line in _finding_lines(need, "!", "red")]
    parts.append(_verdict(found.needs))
    return Group(*parts)


def _finding_lines(finding: Finding, sign: str, style: str) -> list[Padding]:
    """What is wrong, and below it what to do."""
    lines = [Padding(as_text(f"{sign} {replace(finding, remedy='')}", style), expand=False)]
    return [*lines, Padding(as_text(finding.remedy), (0, 0, 0, 2), expand=False)] if finding.remedy else lines


def _verdict(needs: Sequence[Finding]) -> Text:
    if not needs:
        return Text("nothing needs you", style="green")
    return Text("1 thing needs you" if len(needs) == 1 else f"{len(needs)} things need you", style="bold red")


def _roles_line(roles: Sequence[RoleStatus]) -> Text:
    said = [
        f"{one.role} runs since {format_local(one.since)}" if one.since else f"{one.role} does not run" for one in roles
    ]
    return Text(f"serve: {', '.join(said)}")


def _nodes_table(rows: Sequence[NodeStatus]) -> Table:
    drawn = _make_table("node", "runs since", "version", "last sign of life", "state")
    for row in rows:
        seen = format_local(row.last_seen_at, seconds=True)
        state = "gone" if row.is_gone else "runs"
        drawn.add_row(*map(as_text, (row.node, format_local(row.since), row.version or "unknown", seen, state)))
    return drawn


def _sources_parts(rows: Sequence[SourceStatus]) -> list[Table | Text]:
    """Counts of a day are of the UTC day; `set aside` are all, `refused` those since the last genuine webhook."""
    since = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    says = f"webhooks since {format_local(since)}; set aside in all; refused since the last genuine one"
    return [_heading(says), _sources_table(rows)]


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="dim")


def _sources_table(rows: Sequence[SourceStatus]) -> Table:
    drawn = _make_table("source", "last webhook", "translated", "ignored", "waiting", "set aside", "refused")
    for row in rows:
        today = [row.today.get(state.value, 0) for state in _TODAY]
        cells = (row.name, _format_time(row.last_webhook_at), *today, row.set_aside, row.refused)
        drawn.add_row(*map(as_text, cells))
    return drawn


_TODAY = (WebhookState.TRANSLATED, WebhookState.IGNORED, WebhookState.RECEIVED)


def _destinations_table(rows: Sequence[DestinationStatus]) -> Table:
    drawn = _make_table("destination", "delivered", "pending", "oldest pending", "dead", "state", "sends to")
    for row in rows:
        state = "works" if row.paused is None else "paused"
        oldest = _format_time(row.oldest_pending)
        drawn.add_row(*map(as_text, (row.name, row.delivered, row.pending, oldest, row.dead, state, row.host)))
    return drawn


def _coverage_text(coverage: Coverage) -> Text:
    """The figure, and what it is made of."""
    lacking = "".join(f", {count} {what}" for what, count in coverage.missing.items())
    return as_text(
        f"coverage {coverage.share:.2%}: of the newest {coverage.total} conversions {coverage.delivered} were "
        f"delivered and {coverage.ignored} rightly ignored{lacking}"
    )


def _make_table(*names: str) -> Table:
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        drawn.add_column(name, no_wrap=name in {"source", "destination", "last webhook", "oldest pending"})
    return drawn


def _format_time(at: datetime | None) -> str:
    return "" if at is None else format_local(at)


def _status_as_json(found: StatusReport) -> Json:
    coverage = found.coverage
    return {
        "roles": [plain_value(one) for one in found.roles],
        "nodes": [plain_value(one) for one in found.nodes],
        "sources": [plain_value(one) for one in found.sources],
        "destinations": [plain_value(one) for one in found.destinations],
        "coverage": None if coverage is None else coverage.share,
        "coverage_of": None if coverage is None else plain_value(coverage),
        "outcomes": None if found.outcomes is None else outcomes_as_json(found.outcomes),
        "needs": [_finding_as_json(one) for one in found.needs],
        "notes": [_finding_as_json(one) for one in found.notes],
    }


def _finding_as_json(one: Finding) -> Json:
    return {**plain_value(one), "sentence": str(one)}
