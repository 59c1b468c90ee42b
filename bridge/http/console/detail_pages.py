"""GET /ui/webhooks/wh_… and /ui/events/…: one thing in full, masked, and how it became what it is."""

from __future__ import annotations

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from bridge.core import json_text
from bridge.core.errors import MappingError, NotFound, SettingsError
from bridge.core.json_text import Json
from bridge.http.console.body_lines import document_lines, read_body
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.mapping_lines import MappingLine, failed_line, mapping_lines
from bridge.http.console.masking import mask_document, shown_order, shown_reason, shown_word
from bridge.http.console.provenance import EventSources, fields_by_line, find_sources, private_paths
from bridge.http.console.render import render_page
from bridge.http.console.shown_deliveries import ShownDelivery, show_delivery
from bridge.http.console.shown_fields import number_lines, show_events
from bridge.http.console.words import local_time, size_words, state_tone, state_word, value_words
from bridge.status.kept_explanation import KeptExplanation, explain_kept
from bridge.store.protocol import DeliveryDetail, EventDetail, EventRow, RowFilter, WebhookDetail

MOST_EVENTS = 20
"""Events of one webhook, and deliveries of one event, that are shown with their attempts."""


class DetailPages:
    """The handlers of both pages."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_webhook(self, request: HttpRequest) -> Response:
        """One webhook: its body, the mapping and its events side by side; then the deliveries."""
        kept = await self._find_webhook(request.path_params["id"])
        body, made, told = await self._explain(kept)
        sources = find_sources(made.explanation) if made else ()
        private = private_paths(sources)
        lines = document_lines(body, private=private) if body is not None else ()
        newer, older = await self._neighbours(kept.webhook.number)
        shown = show_events(sources, lines, rows=kept.events)
        failed = failed_line(kept.row.reason, made.text.name) if made and made.is_kept else None
        return render_page(
            self._deps, request, "webhook.html",
            here="webhooks", row=kept.row, webhook=kept.webhook, topic=shown_word(kept.row.topic) or "no topic",
            provider_id=shown_word(kept.webhook.id), state=state_word(kept.row.state.value),
            tone=state_tone(kept.row.state.value), reason=shown_reason(kept.row.reason),
            received=local_time(kept.row.received_at), size=size_words(len(kept.webhook.body)),
            body_gone=kept.body_gone, body_lines=number_lines(lines, sources), is_json=body is not None,
            made=made, told=told, mapping_lines=_mapping_lines(made, sources, failed), failed=failed, events=shown,
            rows=kept.events, deliveries=await self._deliveries(kept.events), value_words=value_words,
            older=older, newer=newer,
        )  # fmt: skip

    async def webhook_json(self, request: HttpRequest) -> Response:
        """The same for programs."""
        kept = await self._find_webhook(request.path_params["id"])
        body, made, _ = await self._explain(kept)
        private = private_paths(find_sources(made.explanation)) if made else frozenset()
        return _answer_json(
            {
                "id": kept.row.id,
                "source": kept.row.source,
                "topic": shown_word(kept.row.topic),
                "state": kept.row.state.value,
                "reason": shown_reason(kept.row.reason),
                "received_at": kept.row.received_at.isoformat(),
                "provider_id": shown_word(kept.webhook.id),
                "mapping": None if made is None else {"name": made.text.name, "sha256": made.text.digest.hex()},
                "body": None if body is None else mask_document(body, private=private),
                "events": [one.id for one in kept.events],
            }
        )

    async def show_event(self, request: HttpRequest) -> Response:
        """One event: its JSON, its notes, its deliveries."""
        found = await self._find_events(request.path_params["id"])
        shown = [
            {
                "row": one.row,
                "received": local_time(one.row.created_at),
                "event_type": shown_word(one.row.event_type),
                "order": shown_order(one.row.order_id),
                "value": value_words(one.row.value, one.row.currency),
                "state": state_word(one.row.delivery),
                "tone": state_tone(one.row.delivery),
                "lines": number_lines(document_lines(json_text.parse_json(one.text)), ()),
                "notes": [shown_reason(note) for note in one.notes],
            }
            for one in found
        ]
        deliveries = await self._deliveries(tuple(one.row for one in found))
        return render_page(self._deps, request, "event.html", here="events", events=shown, deliveries=deliveries)

    async def event_json(self, request: HttpRequest) -> Response:
        """The same for programs."""
        found = await self._find_events(request.path_params["id"])
        return _answer_json(
            [
                {
                    "id": one.row.id,
                    "origin": one.origin,
                    "delivery": one.row.delivery,
                    "event": mask_document(json_text.parse_json(one.text)),
                    "notes": [shown_reason(note) for note in one.notes],
                }
                for one in found
            ]
        )

    async def _find_webhook(self, public_id: str) -> WebhookDetail:
        for one in await self._deps.store.show_detail(public_id):
            if isinstance(one, WebhookDetail):
                return one
        raise NotFound("this is no webhook")

    async def _neighbours(self, number: int) -> tuple[str | None, str | None]:
        """The next newer webhook and the next older one, if there are any."""
        names = (f"wh_{number + 1}", f"wh_{number - 1}")
        there = {row.id for row in await self._deps.store.webhooks(RowFilter(ids=names))}
        newer, older = (name if name in there else None for name in names)
        return newer, older

    async def _find_events(self, public_id: str) -> list[EventDetail]:
        found = [one for one in await self._deps.store.show_detail(public_id) if isinstance(one, EventDetail)]
        if not found:
            raise NotFound("this is no event")
        return found

    async def _explain(self, kept: WebhookDetail) -> tuple[Json, KeptExplanation | None, str | None]:
        """The body as a document, how it became what it is, and why that cannot be told, if it cannot."""
        if kept.body_gone:
            return None, None, "The body is gone: it was kept as long as BRIDGE_KEEP_BODIES says."
        body = read_body(kept.webhook.body)
        source = self._deps.sources().get(kept.row.source)
        try:
            made = await explain_kept(
                self._deps.store,
                kept,
                used=source.mapping_text if source else None,
                vars=self._deps.source_vars(kept.row.source),
                scope=source.scope if source else kept.row.source,
            )
        except (MappingError, SettingsError):
            return body, None, "The mapping cannot explain it now: `trackbridge check` says what is wrong with it."
        return body, made, None if made else "No mapping is known that could explain it."

    async def _deliveries(self, events: tuple[EventRow, ...]) -> list[ShownDelivery]:
        shown: list[ShownDelivery] = []
        for row in events[:MOST_EVENTS]:
            for event in await self._deps.store.show_detail(row.id):
                if isinstance(event, EventDetail) and event.row.origin == row.origin:
                    for delivery in event.deliveries[:MOST_EVENTS]:
                        shown += [
                            await show_delivery(one, self._deps.make_masked)
                            for one in await self._deps.store.show_detail(delivery.id)
                            if isinstance(one, DeliveryDetail)
                        ]
        return shown


def _mapping_lines(
    made: KeptExplanation | None, sources: tuple[EventSources, ...], failed: int | None
) -> list[MappingLine]:
    if made is None:
        return []
    used = frozenset(line for event in sources for line in event.lines)
    used |= {failed} if failed else set()
    used |= {line for rule in made.explanation.rules for line in (rule.place.line, *_condition_lines(rule.conditions))}
    return mapping_lines(made.text.text.decode("utf-8", "replace"), used, fields_by_line(sources))


def _condition_lines(conditions: tuple[object, ...]) -> list[int]:
    return [place.line for one in conditions if (place := getattr(one, "place", None)) is not None]


def _answer_json(document: Json) -> Response:
    return Response(json_text.write_json(document), media_type=JSONResponse.media_type)
