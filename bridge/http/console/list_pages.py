"""GET /ui/webhooks and /ui/events: lists by cursor, with their filters in the address, and the same as JSON.

`/ui/webhooks/new` has the rows that came after a cursor, for the page that stays open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from bridge.core.errors import SettingsError
from bridge.core.instants import format_instant
from bridge.core.json_text import Json
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.masking import shown_order, shown_reason, shown_word
from bridge.http.console.render import render_page
from bridge.http.console.words import local_time, state_tone, state_word, value_words
from bridge.store.protocol import EventRow, RowFilter, WebhookRow
from bridge.store.row_filter import RowPage

ROWS = 50
LOOKED_AT = 200_000
"""Rows that one page looks at, at most: some 50 ms where nothing fits."""
SPANS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
WEBHOOK_STATES = ("received", "translated", "ignored", "set_aside")
EVENT_STATES = ("fresh", "duplicate", "differing", "no_longer_made")
_CURSOR = re.compile(r"[A-Za-z0-9_.:~-]{1,128}")


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row of either list. `source` is where it came from, `word` its topic or type, `more` what explains it."""

    id: str
    at: datetime
    source: str
    word: str
    state: str
    more: str
    order: str = ""
    value: str = ""
    webhook: str | None = None
    delivery: str = ""
    test: bool = False

    @property
    def local(self) -> str:
        """When it came, as people read it."""
        return local_time(self.at)

    @property
    def iso(self) -> str:
        """When it came, for programs."""
        return format_instant(self.at)

    @property
    def tone(self) -> str:
        """How its state looks."""
        return state_tone(self.delivery or self.state)

    @property
    def state_words(self) -> str:
        """Its state as people read it."""
        return state_word(self.delivery or self.state)

    def as_json(self) -> dict[str, Json]:
        """The row for programs, masked as on the page."""
        return {
            "id": self.id, "at": self.iso, "source": self.source, "word": self.word, "state": self.state,
            "more": self.more, "order": self.order, "value": self.value, "webhook": self.webhook,
            "delivery": self.delivery, "test": self.test,
        }  # fmt: skip


class ListPages:
    """The handlers of both lists."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_webhooks(self, request: HttpRequest) -> Response:
        """The page of webhooks."""
        page = await self._webhooks(request.query_params)
        return self._render(request, page, "webhooks", states=WEBHOOK_STATES, live="before" not in request.query_params)

    async def webhooks_json(self, request: HttpRequest) -> Response:
        """The same for programs."""
        return _page_json(await self._webhooks(request.query_params))

    async def new_webhooks(self, request: HttpRequest) -> Response:
        """The rows that came after the cursor, as HTML; 204 if there are none."""
        page = await self._webhooks(request.query_params)
        headers = {"X-Newest": page.newest or "~0"}
        if not page.rows:
            return Response(status_code=204, headers=headers)
        answer = render_page(self._deps, request, "webhook_rows.html", rows=page.rows)
        answer.headers.update(headers)
        return answer

    async def show_events(self, request: HttpRequest) -> Response:
        """The page of events."""
        page = await self._events(request.query_params)
        return self._render(request, page, "events", states=EVENT_STATES, live=False)

    async def events_json(self, request: HttpRequest) -> Response:
        """The same for programs."""
        return _page_json(await self._events(request.query_params))

    async def _webhooks(self, asked: QueryParams) -> RowPage[ShownRow]:
        which = read_row_filter(asked, WEBHOOK_STATES, now=self._deps.clock())
        page = await self._deps.store.search_webhooks(which, most=LOOKED_AT)
        return RowPage(tuple(map(shown_webhook, page.rows)), page.older, page.newest, page.looked, page.back_to)

    async def _events(self, asked: QueryParams) -> RowPage[ShownRow]:
        which = read_row_filter(asked, EVENT_STATES, now=self._deps.clock())
        page = await self._deps.store.search_events(which, most=LOOKED_AT)
        return RowPage(tuple(map(shown_event, page.rows)), page.older, page.newest, page.looked, page.back_to)

    def _render(
        self, request: HttpRequest, page: RowPage[ShownRow], what: str, *, states: tuple[str, ...], live: bool
    ) -> Response:
        asked = {name: request.query_params.get(name, "") for name in ("source", "state", "topic", "since")}
        chosen = {name: value for name, value in asked.items() if value}
        return render_page(
            self._deps,
            request,
            f"{what}.html",
            here=what,
            page=page,
            asked=asked,
            is_filtered=bool(chosen),
            states=states,
            spans=tuple(SPANS),
            live=live,
            sources=sorted(self._deps.sources()),
            state_word=state_word,
            back_to=page.back_to and local_time(page.back_to),
            older=page.older and f"?{urlencode({**chosen, 'before': page.older})}",
            following=urlencode({**chosen, "after": page.newest or "~0"}),
            exported=urlencode(chosen),
            is_first="before" not in request.query_params,
        )


def read_row_filter(asked: QueryParams, states: tuple[str, ...], *, now: datetime) -> RowFilter:
    """The filter that an address asks for. Raises SettingsError for what it cannot mean."""
    state, since = asked.get("state") or None, asked.get("since") or None
    if state is not None and state not in states:
        raise SettingsError(f"`state` must be one of {', '.join(states)}")
    if since is not None and since not in SPANS:
        raise SettingsError(f"`since` must be one of {', '.join(SPANS)}")
    cursors = {name: asked.get(name) or None for name in ("before", "after")}
    for name, cursor in cursors.items():
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise SettingsError(f"`{name}` must be an id or a cursor of a list")
    return RowFilter(
        state=state,
        source=asked.get("source") or None,
        topic=asked.get("topic") or None,
        since=None if since is None else now - SPANS[since],
        limit=ROWS,
        before=cursors["before"],
        after=cursors["after"],
    )


def shown_webhook(row: WebhookRow) -> ShownRow:
    """A webhook as the list has it, masked."""
    return ShownRow(
        row.id, row.received_at, row.source, shown_word(row.topic), row.state.value, shown_reason(row.reason)
    )


def shown_event(row: EventRow) -> ShownRow:
    """An event as the list has it, masked."""
    return ShownRow(
        id=row.id,
        at=row.created_at,
        source=row.origin,
        word=shown_word(row.event_type),
        state="fresh" if row.duplicate_of is None else "duplicate",
        more="" if row.duplicate_of is None else f"duplicate of {row.duplicate_of}",
        order=shown_order(row.order_id),
        value=value_words(row.value, row.currency),
        webhook=row.webhook,
        delivery=row.delivery,
        test=row.test,
    )


def _page_json(page: RowPage[ShownRow]) -> Response:
    back_to = None if page.back_to is None else format_instant(page.back_to)
    rows = [row.as_json() for row in page.rows]
    return JSONResponse(
        {"rows": rows, "older": page.older, "newest": page.newest, "looked": page.looked, "back_to": back_to}
    )
