"""Webhooks that have made events already, translated once more: shows the difference and, if asked to, delivers it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from rich.progress import track

from bridge import contract
from bridge.app import load_configuration, make_destinations, make_router, utc_now
from bridge.cli.environment import read_environment
from bridge.cli.terminal import print_text
from bridge.core import json_text
from bridge.core.conversions import ConversionState, KnownConversion
from bridge.core.model import Event, EventNeeded, Route, Routed, SetAside, Translated, Translation, Webhook
from bridge.core.source import Source
from bridge.settings.sources import make_sources
from bridge.store.protocol import EventDetail, Store, WebhookDetail, WebhookRow

_DEFERRED = ConversionState.DEFERRED
"""What waits, too, is left out: nothing is waited for here."""


async def replay_webhooks(
    store: Store, rows: Sequence[WebhookRow], *, config: Path | None, send: bool, dry: bool = False
) -> int:
    """Put webhooks that made events through their mapping of now, and say what differs. Returns how many were left.

    Their events take the keys that the mapping gives now: first those that were told, which is not done again, then
    duplicates, which are told if they repeat nothing by these keys. With `send` all of it is written over and sent.
    """
    configured, mappings = load_configuration(read_environment(config), config)
    replaying = _Replaying(store, make_sources(configured, mappings), make_router(make_destinations(configured)))
    left, later = 0, []
    for row in track(rows[::-1], "replaying", transient=True, disable=len(rows) < 100):  # noqa: PLR2004  under a second
        found = await replaying.translate_again(row)
        if found is None:
            left += 1
        elif send:
            left += await replaying.send_again(found)
        elif not dry and any(one.duplicate_of for one in found.detail.events):
            later.append(row)
        else:
            left += dry or not await replaying.remap_events(found)
    for row in later:  # their originals have the keys of now
        found = await replaying.translate_again(row, silent=True)
        left += found is None or not await replaying.remap_events(found)
    return left


@dataclass(frozen=True, slots=True)
class _TranslatedAgain:
    """A webhook that made events, and what it becomes now."""

    detail: WebhookDetail
    made: Translation
    routed: Sequence[Routed]


@dataclass(frozen=True, slots=True)
class _Replaying:
    """What a replay of webhooks that made events needs."""

    store: Store
    sources: Mapping[str, Source]
    route: Callable[[Event, Sequence[str] | None], tuple[Route, ...]]

    async def translate_again(self, row: WebhookRow, *, silent: bool = False) -> _TranslatedAgain | None:
        """What a webhook becomes now, after the difference was printed; None if it cannot be translated."""
        found = (await self.store.show_detail(row.id))[0]
        source = self.sources.get(row.source)
        if not isinstance(found, WebhookDetail) or found.body_gone or source is None:
            print_text(f"{row.id}: left as it is: {'no such source' if source is None else 'its body is gone'}")
            return None
        made = await _translate_now(self.store, source, found.webhook)
        if not silent:
            difference = await difference_to_kept(self.store, found, made, origin=f"source:{row.source}")
            print_text(f"{row.id}: {difference or _same_text(found)}", lines=True)
        events = made.events if isinstance(made, Translated) else ()
        return _TranslatedAgain(found, made, [Routed(event, self.route(event, source.to)) for event in events])

    async def send_again(self, found: _TranslatedAgain) -> bool:
        """Write the events over and send them; returns whether it was left as it is."""
        if not isinstance(found.made, Translated):
            return True
        due = await self.store.rewrite_events(found.detail.webhook.number, found.routed, now=utc_now())
        print_text(f"{found.detail.row.id}: sent again, {due} due")
        return False

    async def remap_events(self, found: _TranslatedAgain) -> bool:
        """Move the events to the keys of now; returns whether a duplicate is told by that."""
        told = await self.store.remap_events(found.detail.webhook.number, found.routed, now=utc_now())
        for event_id in told:
            print_text(f"{found.detail.row.id}: {event_id} is no duplicate any more, and is told now")
        return bool(told)


def _same_text(found: WebhookDetail) -> str:
    """What is said of a webhook whose events are the same now."""
    repeated = [f"{one.id} is a duplicate of {one.duplicate_of}" for one in found.events if one.duplicate_of]
    return f"makes the same{'; ' if repeated else ''}{', '.join(repeated)}"


async def _translate_now(store: Store, source: Source, webhook: Webhook) -> Translation:
    """What it becomes now; nothing is waited for."""
    earlier = await look_up_earlier(store, source, webhook)
    made = source.translate_with_earlier(replace(webhook, waited=True), earlier)
    assert not isinstance(made, EventNeeded), "all that it asks for is looked up"  # noqa: S101  a fault of ours
    return made


async def look_up_earlier(store: Store, source: Source, webhook: Webhook) -> dict[bytes, Sequence[KnownConversion]]:
    """The kept conversions that a webhook's rules ask for, without its own, where nothing is waited for."""
    earlier: dict[bytes, Sequence[KnownConversion]] = {}
    patient = replace(webhook, waited=True)
    while isinstance(made := source.translate_with_earlier(patient, earlier), EventNeeded):
        found = await store.recall_events(made.keys)
        earlier |= {
            key: [one for one in found.get(key, ()) if one.webhook != webhook.number and one.state != _DEFERRED]
            for key in made.keys
        }
    return earlier


async def difference_to_kept(store: Store, found: WebhookDetail, made: Translation, *, origin: str) -> str:
    """How what a webhook becomes now differs from the events that are kept of it; empty where it does not."""
    kept = [
        one
        for row in found.events
        for one in await store.show_detail(row.id)
        if isinstance(one, EventDetail) and one.row.id == row.id and one.origin == origin
    ]
    called = {one.given_id: one.row.id for one in kept if one.given_id}
    if not isinstance(made, Translated):
        return f"{'set aside' if isinstance(made, SetAside) else 'ignored'} now: {made.reason}"
    after = [
        contract.rename_event(event, called[event.id]).text if event.id in called else event.text
        for event in made.events
    ]
    before = [one.text for one in kept]
    lines = difflib.unified_diff(_text_lines(before), _text_lines(after), "made", "now", lineterm="")
    return "\n".join(lines)


def _text_lines(texts: Sequence[bytes]) -> list[str]:
    return [line for text in texts for line in json_text.indent_json(text).split("\n")]
