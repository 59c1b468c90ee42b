"""GET /ui/start: what a new owner does until the first webhook comes; the first page, too, while nothing has come.

`/ui/start/refused` has the requests that were refused, for the page that stays open.
"""

from __future__ import annotations

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.list_pages import LOOKED_AT, shown_webhook
from bridge.http.console.render import render_page
from bridge.http.console.sources_page import ShownSource, read_sources
from bridge.http.console.words import local_time
from bridge.status.read import read_status
from bridge.store.row_filter import RowFilter

SHOWN = 5


class StartPage:
    """The handlers."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_start(self, request: HttpRequest) -> Response:
        """The steps for one source: the one that is asked for, else one that has a secret, else the first."""
        sources = await read_sources(self._deps)
        chosen = _choose_source(sources, request.query_params.get("source", ""))
        report = await read_status(self._deps.store, self._deps.configured(), now=self._deps.clock())
        page = await self._deps.store.search_webhooks(RowFilter(limit=SHOWN), most=LOOKED_AT)
        return render_page(
            self._deps, request, "start.html",
            here="home", sources=[one.listed for one in sources], chosen=chosen, needs=report.needs, local=local_time,
            destinations=self._deps.configured().destinations, rows=tuple(map(shown_webhook, page.rows)),
            newest=page.newest or "~0",
        )  # fmt: skip

    async def show_refused(self, request: HttpRequest) -> Response:
        """What was refused of one source, as a part of the page."""
        chosen = _choose_source(await read_sources(self._deps), request.query_params.get("source", ""))
        return render_page(self._deps, request, "refused_list.html", one=chosen, local=local_time)


def _choose_source(sources: list[ShownSource], name: str) -> ShownSource | None:
    """The source of that name; the first one where there is none."""
    return next((one for one in sources if one.listed.name == name), sources[0] if sources else None)
