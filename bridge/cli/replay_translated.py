"""Webhooks that have made events already, translated once more: shows the difference and, if asked to, delivers it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import track

from bridge import contract
from bridge.app import utc_now
from bridge.cli.environment import read_environment
from bridge.cli.terminal import print_text
from bridge.core import json_text
from bridge.core.model import Event, Ignored, Route, Routed, SetAside, Translated, Translation
from bridge.core.source import Source
from bridge.settings.destinations import make_destinations, make_router
from bridge.settings.load import load_configuration
from bridge.settings.sources import make_sources
from bridge.status.kept_explanation import translate_kept
from bridge.store.protocol import EventDetail, Store, WebhookDetail, WebhookRow
from bridge.store.status_views import RemappedEvent, RemapResult


async def replay_webhooks(
    store: Store, rows: Sequence[WebhookRow], *, config: Path | None, send: bool, dry: bool = False
) -> int:
    """Put webhooks that made events through their mapping of now, and say what differs. Returns how many were left.

    What was attempted stays as it was told, and takes the keys that the mapping gives now. Then what was never
    attempted becomes what the mapping makes now, then duplicates are told if they repeat nothing by these keys. With
    `send` all of it is written over and sent.
    """
    configured, mappings = load_configuration(read_environment(config), config)
    sources, route = make_sources(configured, mappings), make_router(make_destinations(configured))
    replaying = _Replaying(store, sources, route, send=send, dry=dry)
    left, later = 0, []
    for row in track(rows[::-1], "replaying", transient=True, disable=len(rows) < 100):  # noqa: PLR2004  under a second
        detail = await replaying.find_detail(row)
        if detail is not None and (turn := await _turn_of(store, detail)):
            later.append((turn, row))
        else:
            left += detail is None or not await replaying.replay_one(detail)
    for _, row in sorted(later, key=lambda one: one[0]):  # whose originals have the keys of now, and what was told, too
        detail = await replaying.find_detail(row)
        left += detail is None or not await replaying.replay_one(detail)
    await replaying.decide_repeats(but=[row.id for row in rows])
    return left


async def _turn_of(store: Store, found: WebhookDetail) -> int:
    """0 for a webhook whose events were all told, 1 if one was never attempted, 2 if one is a duplicate."""
    if any(one.duplicate_of for one in found.events):
        return 2
    details = [detail for one in found.events for detail in await store.show_detail(one.id)]
    return int(
        any(isinstance(one, EventDetail) and not any(each.attempts for each in one.deliveries) for one in details)
    )


_RESULTS = {
    RemapResult.TOLD: "is no duplicate any more, and is told now",
    RemapResult.CHANGED: "was not sent yet, and is sent as the mapping makes it now",
    RemapResult.REPEATS: "was not sent yet, and is not sent: it is a duplicate now",
    RemapResult.WITHDRAWN: "was never sent, and is gone: the mapping does not make it any more",
    RemapResult.NO_LONGER_MADE: "was sent, and stays: the mapping does not make it any more; correct it upstream",
    RemapResult.ADDED: "is new: the mapping did not make it before",
}


@dataclass(frozen=True, slots=True)
class _Replaying:
    """What a replay of webhooks that made events needs, and what it may do."""

    store: Store
    sources: Mapping[str, Source]
    route: Callable[[Event, Sequence[str] | None], tuple[Route, ...]]
    send: bool
    dry: bool
    undecided: dict[str, RemappedEvent] = field(default_factory=dict)
    """By id the duplicates of events that lost keys."""

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
        made = await translate_kept(self.store, source, found.webhook)
        difference = await difference_to_kept(self.store, found, made, origin=f"source:{found.row.source}")
        if difference or self.dry or self.send:
            print_text(f"{found.row.id}: {difference or _same_text(found, dry=self.dry)}", lines=True)
        if self.dry or isinstance(made, SetAside) or (self.send and isinstance(made, Ignored)):
            return False
        if isinstance(made, Ignored):
            return await self._remap(found, (), ignored=made)
        assert isinstance(made, Translated)  # noqa: S101  nothing is waited for
        routed = [Routed(event, self.route(event, source.to)) for event in made.events]
        if self.send:
            due = await self.store.rewrite_events(
                found.webhook.number, routed, now=utc_now(), mapping=source.mapping_text
            )
            print_text(f"{found.row.id}: sent again, {due} due")
            return True
        changed = await self._remap(found, routed)
        if not changed and not difference:
            print_text(f"{found.row.id}: {_same_text(found)}")
        return changed

    async def _remap(self, found: WebhookDetail, routed: Sequence[Routed], *, ignored: Ignored | None = None) -> bool:
        """Change what may be changed, say so; returns whether anything was."""
        done = await self.store.remap_events(found.webhook.number, routed, now=utc_now(), ignored=ignored)
        for one in done:
            if one.result is RemapResult.UNDECIDED:
                self.undecided.setdefault(one.id, one)
                continue
            repeated = f" of {one.original}" if one.original else ""
            print_text(f"{found.row.id}: {one.id} {_RESULTS[one.result]}{repeated}")
        return any(one.result not in {RemapResult.NO_LONGER_MADE, RemapResult.UNDECIDED} for one in done)

    async def decide_repeats(self, *, but: Sequence[str]) -> None:
        """Decide on the duplicates of what was replayed that are of other webhooks, or name them where nobody can."""
        decided = set(but)
        for one in list(self.undecided.values()):
            if one.webhook is None or one.webhook not in decided:
                decided |= {one.webhook} if one.webhook else set()
                if not await self._decide_webhook(one.webhook):
                    print_text(
                        f"{one.id} stays a duplicate of {one.original}, which has other keys now; "
                        f"if it is a payment of its own, `trackbridge release {one.id}` tells it"
                    )

    async def _decide_webhook(self, public_id: str | None) -> bool:
        """Remap a webhook that was not asked for; False, and nothing is done, where it cannot be translated."""
        found = (await self.store.show_detail(public_id))[0] if public_id else None
        if not isinstance(found, WebhookDetail) or found.body_gone or found.row.source not in self.sources:
            return False
        source = self.sources[found.row.source]
        made = await translate_kept(self.store, source, found.webhook)
        if isinstance(made, SetAside):
            return False
        events = made.events if isinstance(made, Translated) else ()
        routed = [Routed(event, self.route(event, source.to)) for event in events]
        await self._remap(found, routed, ignored=made if isinstance(made, Ignored) else None)
        return True


def _same_text(found: WebhookDetail, *, dry: bool = False) -> str:
    """What is said of a webhook whose events are the same now."""
    would = ", and would be decided anew" if dry else ""
    repeated = [f"{one.id} is a duplicate of {one.duplicate_of}{would}" for one in found.events if one.duplicate_of]
    return f"makes the same{'; ' if repeated else ''}{', '.join(repeated)}"


async def difference_to_kept(store: Store, found: WebhookDetail, made: Translation, *, origin: str) -> str:
    """How what a webhook becomes now differs from the events that are kept of it; empty where it does not."""
    kept = [
        one
        for row in found.events
        for one in await store.show_detail(row.id)
        if isinstance(one, EventDetail) and one.row.id == row.id and one.origin == origin
    ]
    if not isinstance(made, Translated):
        return f"{'set aside' if isinstance(made, SetAside) else 'ignored'} now: {made.reason}"
    called = _kept_ids(kept, made.events)
    after = [contract.rename_event(event, called.get(event.id, event.id)).text for event in made.events]
    before = [one.text for one in kept]
    lines = difflib.unified_diff(_text_lines(before), _text_lines(after), "made", "now", lineterm="")
    return "\n".join(lines)


def _kept_ids(kept: Sequence[EventDetail], made: Sequence[Event]) -> dict[str, str]:
    """The ids that events go by which are made with other ones now: another id alone is no difference.

    As many of a type as before are the same in order.
    """
    called = {one.given_id: one.row.id for one in kept if one.given_id}
    for kind in {event.event_type for event in made}:
        now, before = (
            [event.id for event in made if event.event_type == kind],
            [one.row.id for one in kept if one.row.event_type == kind],
        )
        if len(now) == len(before):
            called |= zip(now, before, strict=True)
    return called


def _text_lines(texts: Sequence[bytes]) -> list[str]:
    return [line for text in texts for line in json_text.indent_json(text).split("\n")]
