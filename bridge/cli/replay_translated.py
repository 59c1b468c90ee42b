"""Webhooks that have made events already, translated once more: shows the difference and, if asked to, delivers it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from rich.progress import track

from bridge import contract
from bridge.app import make_destinations, make_router, utc_now
from bridge.cli.environment import read_environment
from bridge.cli.terminal import print_text
from bridge.core import json_text
from bridge.core.model import Event, EventNeeded, Route, Routed, SetAside, Translated, Translation, Webhook
from bridge.core.source import Source
from bridge.settings.load import load_configuration
from bridge.settings.sources import make_sources
from bridge.status.kept_explanation import look_up_earlier
from bridge.store.protocol import EventDetail, Store, WebhookDetail, WebhookRow


async def replay_webhooks(
    store: Store, rows: Sequence[WebhookRow], *, config: Path | None, send: bool, dry: bool = False
) -> int:
    """Put webhooks that made events through their mapping of now, and say what differs. Returns how many were left.

    Their events take the keys that the mapping gives now: first those that were told, which is not done again, then
    duplicates, which are told if they repeat nothing by these keys. With `send` all of it is written over and sent.
    """
    configured, mappings = load_configuration(read_environment(config), config)
    sources, route = make_sources(configured, mappings), make_router(make_destinations(configured))
    replaying = _Replaying(store, sources, route, send=send, dry=dry)
    left, repeating = 0, []
    for row in track(rows[::-1], "replaying", transient=True, disable=len(rows) < 100):  # noqa: PLR2004  under a second
        detail = await replaying.find_detail(row)
        if detail is not None and any(one.duplicate_of for one in detail.events):
            repeating.append(row)  # decided on when its original has the keys of now
        else:
            left += detail is None or not await replaying.replay_one(detail)
    for row in repeating:
        detail = await replaying.find_detail(row)
        left += detail is None or not await replaying.replay_one(detail)
    return left


@dataclass(frozen=True, slots=True)
class _Replaying:
    """What a replay of webhooks that made events needs, and what it may do."""

    store: Store
    sources: Mapping[str, Source]
    route: Callable[[Event, Sequence[str] | None], tuple[Route, ...]]
    send: bool
    dry: bool

    async def find_detail(self, row: WebhookRow) -> WebhookDetail | None:
        """A webhook in full; None, and why is printed, if it cannot be translated."""
        found = (await self.store.show_detail(row.id))[0]
        if isinstance(found, WebhookDetail) and not found.body_gone and row.source in self.sources:
            return found
        print_text(f"{row.id}: left as it is: {'its body is gone' if row.source in self.sources else 'no such source'}")
        return None

    async def replay_one(self, found: WebhookDetail) -> bool:
        """Print how a webhook's events differ now, and do what may be done; returns whether that sends anything."""
        source = self.sources[found.row.source]
        made = await _translate_now(self.store, source, found.webhook)
        difference = await difference_to_kept(self.store, found, made, origin=f"source:{found.row.source}")
        print_text(f"{found.row.id}: {difference or _same_text(found)}", lines=True)
        if self.dry or not isinstance(made, Translated):
            return False
        routed = [Routed(event, self.route(event, source.to)) for event in made.events]
        if self.send:
            due = await self.store.rewrite_events(
                found.webhook.number, routed, now=utc_now(), mapping=source.mapping_text
            )
            print_text(f"{found.row.id}: sent again, {due} due")
            return True
        told = await self.store.remap_events(found.webhook.number, routed, now=utc_now())
        for event_id in told:
            print_text(f"{found.row.id}: {event_id} is no duplicate any more, and is told now")
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
