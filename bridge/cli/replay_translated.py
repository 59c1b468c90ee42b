"""Webhooks that have made events already, translated once more: shows the difference and, if asked to, delivers it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from rich.progress import track

from bridge import contract
from bridge.app import load_configuration, make_destinations, make_router, utc_now
from bridge.cli.environment import read_environment
from bridge.cli.terminal import print_text
from bridge.core import json_text
from bridge.core.conversions import ConversionState, KnownConversion
from bridge.core.model import EventNeeded, Routed, SetAside, Translated, Translation, Webhook
from bridge.core.source import Source
from bridge.settings.sources import make_sources
from bridge.store.protocol import EventDetail, Store, WebhookDetail, WebhookRow

_DEFERRED = ConversionState.DEFERRED
"""What waits, too, is left out: nothing is waited for here."""


async def replay_webhooks(store: Store, rows: Sequence[WebhookRow], *, config: Path | None, send: bool) -> int:
    """Show what each would make now against what was made; with `send`, write over and send. How many were left."""
    configured, mappings = load_configuration(read_environment(config), config)
    sources = make_sources(configured, mappings)
    route = make_router(make_destinations(configured))
    left = 0
    for row in track(rows, "replaying", transient=True, disable=len(rows) < 100):  # noqa: PLR2004  under a second
        found = (await store.show_detail(row.id))[0]
        source = sources.get(row.source)
        if not isinstance(found, WebhookDetail) or found.body_gone or source is None:
            print_text(f"{row.id}: left as it is: {'no such source' if source is None else 'its body is gone'}")
            left += 1
            continue
        made = await _translate_now(store, source, found.webhook)
        print_text(
            f"{row.id}: "
            f"{await difference_to_kept(store, found, made, origin=f'source:{row.source}') or 'makes the same'}",
            lines=True,
        )
        if not send or not isinstance(made, Translated):
            left += 1
            continue
        routed = [Routed(event, route(event, source.to)) for event in made.events]
        due = await store.rewrite_events(found.webhook.number, routed, now=utc_now())
        print_text(f"{row.id}: sent again, {due} due")
    return left


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
