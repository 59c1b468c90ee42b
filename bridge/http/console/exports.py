"""Exports of a list as it is filtered, as CSV or JSON: GET masks as the pages do, POST gives the rows in clear.

An export in clear needs a key that may change, and is written down before it is sent. Bodies are in no export.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from bridge.core import log
from bridge.core.json_text import Json
from bridge.http.console.action_pages import acting_person
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.list_pages import (
    EVENT_STATES,
    LOOKED_AT,
    WEBHOOK_STATES,
    ShownRow,
    read_row_filter,
    shown_event,
    shown_webhook,
)
from bridge.store.protocol import EventRow, WebhookRow
from bridge.store.row_filter import RowFilter, RowPage
from bridge.store.status_views import ActionTaken

MOST_EXPORTED = 10_000
"""Rows of one export; the newest that fit."""
_STEP = 1000
_COLUMNS = ("id", "at", "source", "word", "state", "more", "order", "value", "webhook", "delivery", "test")
_FORMULA = re.compile(r"[=+@\t\r]|-(?![0-9])")
"""What a spreadsheet would take for a formula: https://owasp.org/www-community/attacks/CSV_Injection."""


class ExportPages:
    """The handlers. The address ends with `webhooks` or `events`, and with `csv` or `json`."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def export_masked(self, request: HttpRequest) -> Response:
        """The rows, masked."""
        return await self._export(request, clear=False)

    async def export_clear(self, request: HttpRequest) -> Response:
        """The rows in clear; it is written down who asked."""
        return await self._export(request, clear=True)

    async def _export(self, request: HttpRequest, *, clear: bool) -> Response:
        what, form = request.path_params["what"], request.path_params["form"]
        if what not in {"webhooks", "events"} or form not in {"csv", "json"}:
            raise HTTPException(404)
        rows = [_shown_row(row, clear=clear) for row in await self._read(what, request.query_params)]
        if clear:
            who = acting_person(request).name
            taken = ActionTaken(self._deps.clock(), who, "export personal data", what, len(rows))
            await self._deps.store.record_action(taken)
            log.log_line("console.action", who=who, action=taken.what, subject=what, count=len(rows))
        headers = {"Content-Disposition": f'attachment; filename="trackbridge-{what}.{form}"'}
        if form == "json":
            return JSONResponse([row.as_json() for row in rows], headers=headers)
        return Response(write_csv([row.as_json() for row in rows]), media_type="text/csv", headers=headers)

    async def _read(self, what: str, asked: QueryParams) -> Sequence[WebhookRow | EventRow]:
        """The newest rows that fit, page by page."""
        states = WEBHOOK_STATES if what == "webhooks" else EVENT_STATES
        which = replace(read_row_filter(asked, states, now=self._deps.clock()), limit=_STEP)
        rows: list[WebhookRow | EventRow] = []
        looked = 0
        while len(rows) < MOST_EXPORTED and looked < LOOKED_AT:
            page = await self._search(what, which)
            rows += page.rows
            looked += page.looked
            if page.older is None:
                break
            which = replace(which, before=page.older)
        return rows[:MOST_EXPORTED]

    async def _search(self, what: str, which: RowFilter) -> RowPage[WebhookRow] | RowPage[EventRow]:
        if what == "webhooks":
            return await self._deps.store.search_webhooks(which, most=LOOKED_AT)
        return await self._deps.store.search_events(which, most=LOOKED_AT)


def _shown_row(row: WebhookRow | EventRow, *, clear: bool) -> ShownRow:
    if isinstance(row, WebhookRow):
        shown = shown_webhook(row)
        return replace(shown, word=row.topic or "", more=row.reason or "") if clear else shown
    shown = shown_event(row)
    return replace(shown, word=row.event_type, order=row.order_id or "") if clear else shown


def write_csv(rows: Sequence[dict[str, Json]]) -> str:
    """Rows as CSV with a header (RFC 4180); what would be a formula begins with an apostrophe."""
    text = io.StringIO()
    written = csv.writer(text, lineterminator="\r\n")
    written.writerow(_COLUMNS)
    for row in rows:
        written.writerow([_cell(row[name]) for name in _COLUMNS])
    return text.getvalue()


def _cell(value: Json) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case _:
            text = str(value)
            return f"'{text}" if _FORMULA.match(text) else text
