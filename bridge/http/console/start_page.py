"""GET /ui/start: what a new owner does until the first webhook comes; the first page, too, while nothing has come.

`/ui/start/refused` has the requests that were refused, for the page that stays open. POST /ui/start/secret saves the
signing secret of a source.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from bridge.core import log
from bridge.core.errors import NotFound, SettingsError
from bridge.http.console.action_pages import acting_person
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.list_pages import LOOKED_AT, shown_webhook
from bridge.http.console.login import read_form
from bridge.http.console.render import render_page
from bridge.http.console.sources_page import ShownSource, read_sources
from bridge.http.console.words import local_time
from bridge.status.read import read_status
from bridge.store.row_filter import RowFilter
from bridge.store.status_views import ActionTaken

SHOWN = 5
WHAT = "set a signing secret"
"""What the record of actions calls it."""
_TAKEN_WITHIN = 3.0
"""Seconds within which a reload has usually taken a secret: it loads all settings and mappings, which takes 0.4."""
_LOOK = 0.05
_IS_SET = (
    "Genuine webhooks have come, so the secret is right: another one is set in the settings of serve, not from here."
)


class StartPage:
    """The handlers."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_start(self, request: HttpRequest) -> Response:
        """The steps for one source: the one that is asked for, else one that has a secret, else the first."""
        return await self._render(request, request.query_params.get("source", ""))

    async def save_secret(self, request: HttpRequest) -> Response:
        """Save a pasted secret where `serve` reads it, and have it taken.

        Only while nothing genuine has come from the source: whoever holds a key of the console could else make the
        bridge take what nobody else signed.
        """
        form, person = await read_form(request) or {}, acting_person(request)
        name, secret = form.get("source", ""), form.get("secret", "").strip()
        one = next((one.listed for one in await read_sources(self._deps) if one.listed.name == name), None)
        if one is None:
            raise NotFound(f"there is no source {name}")
        if one.last_webhook_at is not None:
            return await self._render(request, name, wrong=_IS_SET)
        try:
            await asyncio.to_thread(self._deps.save_secret, name, secret)
        except SettingsError as error:
            return await self._render(request, name, wrong=str(error))
        await self._deps.store.record_action(ActionTaken(self._deps.clock(), person.name, WHAT, one.secret_setting))
        log.log_line("console.action", who=person.name, action="secret", subject=one.secret_setting, count=1)
        await self._reload_sources()
        return RedirectResponse(f"{self._deps.root}/start?{urlencode({'source': name, 'saved': 1})}", 303)

    async def _reload_sources(self) -> None:
        """Ask for a reload, and wait a while until it is done, so that the next page shows it."""
        before, end = self._deps.sources(), self._deps.monotonic() + _TAKEN_WITHIN
        self._deps.reload()
        while self._deps.sources() is before and self._deps.monotonic() < end:  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(_LOOK)

    async def _render(self, request: HttpRequest, name: str, *, wrong: str = "") -> Response:
        sources = await read_sources(self._deps)
        chosen = _choose_source(sources, name)
        report = await read_status(self._deps.store, self._deps.configured(), now=self._deps.clock())
        page = await self._deps.store.search_webhooks(RowFilter(limit=SHOWN), most=LOOKED_AT)
        return render_page(
            self._deps, request, "start.html",
            here="home", sources=[one.listed for one in sources], chosen=chosen, needs=report.needs, local=local_time,
            destinations=self._deps.configured().destinations, rows=tuple(map(shown_webhook, page.rows)),
            newest=page.newest or "~0", wrong=wrong, status=409 if wrong else 200,
            secret_file=self._deps.find_secret_file(chosen.listed.name) if chosen else None,
            saved="saved" in request.query_params,
        )  # fmt: skip

    async def show_refused(self, request: HttpRequest) -> Response:
        """What was refused of one source, as a part of the page."""
        chosen = _choose_source(await read_sources(self._deps), request.query_params.get("source", ""))
        return render_page(self._deps, request, "refused_list.html", one=chosen, local=local_time)


def _choose_source(sources: list[ShownSource], name: str) -> ShownSource | None:
    """The source of that name; the first one where there is none."""
    return next((one for one in sources if one.listed.name == name), sources[0] if sources else None)
