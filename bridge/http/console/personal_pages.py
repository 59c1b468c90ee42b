"""POST /ui/webhooks/wh_…/personal and /ui/events/…/personal: one thing as it was received and sent, in clear.

This file shows what the other pages mask; `exports.py` does the same with the rows of a list. Each look needs a key
that may change, and is written down before anything is shown; nothing stays open after it. Secrets were removed from
answers when they were kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from bridge.core import json_text, log
from bridge.core.errors import NotFound
from bridge.http.console.action_pages import acting_person
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.render import render_page
from bridge.http.console.words import local_time
from bridge.status.kept_request import rebuild_request
from bridge.store.protocol import DeliveryDetail, EventDetail, WebhookDetail
from bridge.store.status_views import ActionTaken

WHAT = "show personal data"
"""What the record of actions calls it."""
MOST_EVENTS = 20
"""Events of one webhook, and deliveries of one event, that are shown."""


@dataclass(frozen=True, slots=True)
class ClearText:
    """A text in clear, and what it is."""

    title: str
    text: str


class PersonalPages:
    """The handlers."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_webhook(self, request: HttpRequest) -> Response:
        """A webhook's body, its events, and what their destinations answered."""
        public_id = request.path_params["id"]
        for one in await self._deps.store.show_detail(public_id):
            if isinstance(one, WebhookDetail):
                texts = [ClearText("What came in", _body_text(one))]
                if one.row.reason:
                    texts.append(ClearText("Why", one.row.reason))
                for row in one.events[:MOST_EVENTS]:
                    texts += await self._event_texts(row.id, origin=row.origin)
                return await self._show(request, f"/webhooks/{public_id}", public_id, texts)
        raise NotFound("this is no webhook")

    async def show_event(self, request: HttpRequest) -> Response:
        """An event as it is kept, the requests that carried it, and what its destinations answered."""
        public_id = request.path_params["id"]
        texts = await self._event_texts(public_id)
        if not texts:
            raise NotFound("this is no event")
        return await self._show(request, f"/events/{public_id}", public_id, texts)

    async def _show(self, request: HttpRequest, path: str, subject: str, texts: Sequence[ClearText]) -> Response:
        who = acting_person(request).name
        await self._deps.store.record_action(ActionTaken(self._deps.clock(), who, WHAT, subject))
        log.log_line("console.action", who=who, action=WHAT, subject=subject, count=1)
        here = path.split("/")[1]
        return render_page(self._deps, request, "personal.html", here=here, path=path, subject=subject, texts=texts)

    async def _event_texts(self, public_id: str, *, origin: str | None = None) -> list[ClearText]:
        texts: list[ClearText] = []
        for one in await self._deps.store.show_detail(public_id):
            if isinstance(one, EventDetail) and origin in {None, one.row.origin}:
                texts.append(ClearText(f"Event {one.row.id}", json_text.indent_json(one.text)))
                texts += [ClearText("Left out", note) for note in one.notes]
                for row in one.deliveries[:MOST_EVENTS]:
                    texts += await self._answer_texts(row.id)
        return texts

    async def _answer_texts(self, public_id: str) -> list[ClearText]:
        """The request of a delivery, and what was answered."""
        texts: list[ClearText] = []
        for one in await self._deps.store.show_detail(public_id):
            if isinstance(one, DeliveryDetail):
                texts += await self._request_texts(one)
                texts += [
                    ClearText(f"Answer of {one.row.destination}, {local_time(attempt.started_at)}", attempt.answer)
                    for attempt in one.attempts
                    if attempt.answer
                ]
        return texts

    async def _request_texts(self, kept: DeliveryDetail) -> list[ClearText]:
        made = await asyncio.to_thread(rebuild_request, kept, self._deps.make_masked)
        if made is None or made.request is None:
            return []
        title = f"Request to {kept.row.destination} with this event alone, {made.headline}"
        return [ClearText(title, json_text.indent_json(json_text.write_json(made.request)))]


def _body_text(kept: WebhookDetail) -> str:
    """A body as people read it: JSON indented with every digit that it has, anything else as it came."""
    if kept.body_gone:
        return "The body is gone: it was kept as long as BRIDGE_KEEP_BODIES says."
    return json_text.indent_json(kept.webhook.body)
