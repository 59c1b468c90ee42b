"""The part of `diff` that is about destination files: what another version would send for the newest kept events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from bridge.cli.check_platforms import declares_platform
from bridge.cli.diff_tables import draw_changes, draw_totals, most_often, plain_change
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store
from bridge.cli.safe_console import SafeConsole
from bridge.cli.try_destination import read_event_file, read_named_platform, time_of_event
from bridge.core import json_text
from bridge.core.errors import SettingsError
from bridge.core.json_text import Json
from bridge.destinations.engine.declared import DeclaredDestination, make_declared
from bridge.destinations.engine.options import keep_known_options
from bridge.destinations.language import Platform
from bridge.destinations.language.files import known_kinds
from bridge.destinations.option_values import read_switch
from bridge.destinations.tools.diff import DestinationDiff, see_delivery
from bridge.destinations.tools.examples import example_destination
from bridge.mapping.files import mapping_files
from bridge.mapping.tools.diff import FAULTS
from bridge.settings.load import load_configuration
from bridge.settings.table import DESTINATIONS, MAPPINGS
from bridge.store.protocol import EventDetail, RowFilter, Store


@dataclass(frozen=True, slots=True)
class ComparedDestination:
    """One destination by both versions of its file, secrets masked."""

    before: DeclaredDestination
    after: DeclaredDestination


def names_platform(named: str) -> bool:
    """Whether an argument of `diff` means a destination: a destination file, or a kind that no mapping is called."""
    if Path(named).suffix in {".yaml", ".yml"}:
        return declares_platform(Path(named))
    environment = read_environment()
    providers = {path.stem for path in mapping_files(MAPPINGS.read(environment))}
    return named not in providers and named in known_kinds(DESTINATIONS.read(environment))


def compare_platforms(
    old: str, new: str, *, files: Sequence[Path], which: RowFilter, config: Path | None
) -> DestinationDiff:
    """What these events of the store, or those of the files, would become. Raises SettingsError or MappingError."""
    before, after = read_named_platform(old, option="OLD"), read_named_platform(new, option="NEW")
    if before.kind != after.kind:
        raise SettingsError(f"{old} declares the kind {before.kind}, {new} {after.kind}; give two of one")
    compared = list(_make_compared(before, after, config))
    found = DestinationDiff()
    for path in files:
        _compare_event(found, compared, read_event_file(path).text, event_id="evt_try", name=path.name)
    if not files:
        asyncio.run(_compare_kept(found, compared, which))
    return found


def _make_compared(before: Platform, after: Platform, config: Path | None) -> Iterator[ComparedDestination]:
    """The destinations of that kind that are set, those for tests left out; if there is none, a made-up one."""
    configured, _ = load_configuration(read_environment(config), config, tell=False)
    given = [
        (one.name, one.options)
        for one in configured.destinations
        if one.kind == after.kind and not read_switch(one.name, "test", one.options.get("test", False))
    ]
    for name, options in given:
        old = make_declared(before, name, keep_known_options(before, options), masked=True)
        yield ComparedDestination(old, make_declared(after, name, options, masked=True))
    if not given:
        yield ComparedDestination(example_destination(before, {}), example_destination(after, {}))


async def _compare_kept(found: DestinationDiff, compared: Sequence[ComparedDestination], which: RowFilter) -> None:
    store = existing_store()
    try:
        async for event in _iter_events(store, which):
            _compare_event(found, compared, event.text, event_id=event.row.id, name=event.row.id)
    finally:
        await store.close()


async def _iter_events(store: Store, which: RowFilter) -> AsyncIterator[EventDetail]:
    """The kept events that are no duplicates, newest first, without those that are only tests."""
    for row in await store.events(which):
        if row.test:
            continue
        for detail in await store.show_detail(row.id):
            if isinstance(detail, EventDetail) and detail.row.id == row.id and detail.origin == row.origin:
                yield detail


def _compare_event(
    found: DestinationDiff, compared: Sequence[ComparedDestination], text: bytes, *, event_id: str, name: str
) -> None:
    """Compare at the time of the event, so that its age now decides nothing."""
    document, now = json_text.parse_json(text, strict=False), time_of_event(text)
    event_type = str(document.get("event_type")) if isinstance(document, dict) else ""
    for one in compared:
        seen = [see_delivery(each, text, event_id, now=now) for each in (one.before, one.after)]
        label = f"{name} to {one.after.name}" if len(compared) > 1 else name
        found.add_event(event_type, *seen, name=label)


# ------------------------------------------------------------------------------------------------------ for people


def print_platforms(found: DestinationDiff, console: SafeConsole) -> None:
    """Write it as text."""
    changed = found.events - found.same
    console.print(Text(f"{found.events} event{'s' * (found.events != 1)}, {changed} of them changed", style="bold"))
    if found.fates:
        console.print(draw_changes(("outcome", "would be"), "event", found.fates))
    if found.fields:
        console.print(draw_changes(("type", "field"), "event", found.fields))
    if changed:
        console.print(draw_totals((f"{kind} sent", one, other) for kind, one, other in _sent_totals(found)))


def _sent_totals(found: DestinationDiff) -> Iterator[tuple[str, int, int]]:
    for kind in sorted(+(found.sent_before + found.sent_after)):
        yield kind, found.sent_before[kind], found.sent_after[kind]


# ---------------------------------------------------------------------------------------------------- for machines


def platforms_as_json(found: DestinationDiff) -> Mapping[str, Json]:
    """The same as a JSON document."""
    return {
        "events": found.events,
        "changed": found.events - found.same,
        "outcomes": [
            {"before": was, "after": would, **plain_change(change, "event")}
            for (was, would), change in most_often(found.fates)
        ],
        "fields": [
            {"event_type": kind, "field": path, **plain_change(change, "event")}
            for (kind, path), change in most_often(found.fields)
        ],
        "sent": {kind: {"before": one, "after": other} for kind, one, other in _sent_totals(found)},
        "faults": {fault: found.faults[fault] for fault in FAULTS},
    }
