"""GET /ui/find: the form; POST: the webhooks and events of an order, a person or an id, and how far it looked.

What was typed is in no address and no log, and is not shown again: it may be a person's e-mail.
"""

from __future__ import annotations

from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.list_pages import ShownRow, shown_event, shown_webhook
from bridge.http.console.login import read_form
from bridge.http.console.render import render_page
from bridge.http.console.words import local_time
from bridge.status.search_words import SHORTEST, describe_unread, search_words
from bridge.store.protocol import RowFilter
from bridge.store.status_views import FoundRows

_SHORT = f"Type {SHORTEST} characters or more."


class FindPage:
    """The handlers."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_form(self, request: HttpRequest) -> Response:
        """The page before anything was looked for."""
        return self._render(request)

    async def find_typed(self, request: HttpRequest) -> Response:
        """What was found; where it is one thing, the page of that."""
        words = search_words((await read_form(request) or {}).get("what", ""))
        if not words:
            return self._render(request, status=400, wrong=_SHORT)
        store = self._deps.store
        found = await store.find_rows(words)
        webhooks = [shown_webhook(row) for row in await store.webhooks(RowFilter(ids=found.webhook_ids))]
        events = [shown_event(row) for row in await store.events(RowFilter(ids=found.event_ids))]
        match webhooks, events:
            case [one], []:
                return RedirectResponse(f"{self._deps.root}/webhooks/{one.id}", 303)
            case _:
                return self._render(request, webhooks=webhooks, events=events, looked=describe_search(found))

    def _render(  # noqa: PLR0913  what the page shows, by name
        self,
        request: HttpRequest,
        *,
        status: int = 200,
        wrong: str = "",
        webhooks: list[ShownRow] | None = None,
        events: list[ShownRow] | None = None,
        looked: str = "",
    ) -> Response:
        return render_page(
            self._deps, request, "find.html",
            status=status, here="find", wrong=wrong, webhooks=webhooks or [], events=events or [], looked=looked,
        )  # fmt: skip


def describe_search(found: FoundRows) -> str:
    """How far a search looked."""
    if found.since is None:
        return "All that is kept was looked at: every event and webhook, and every body."
    return (
        f"The newest {found.events:,} events and {found.webhooks:,} webhooks were looked at, and the bodies of the "
        f"newest {found.bodies:,} webhooks, back to {local_time(found.since)}; "
        f"{describe_unread(found.unread)}."
    )
