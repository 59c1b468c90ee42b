"""GET /ui/sources: each source with its address, what its provider should send, its secret, what was refused, its vars.

No secret is shown, only whether there is one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from bridge.core.instants import format_instant
from bridge.core.local_time import format_span
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.render import render_page
from bridge.http.console.words import local_time
from bridge.status.listed_sources import ListedSource
from bridge.status.report import Finding
from bridge.status.requests import find_request_troubles


@dataclass(frozen=True, slots=True)
class ShownSource:
    """One source, what a person must act on about its requests, and what is worth knowing of them."""

    listed: ListedSource
    needs: tuple[Finding, ...]
    notes: tuple[Finding, ...]


class SourcesPage:
    """The handlers of the page of sources."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_sources(self, request: HttpRequest) -> Response:
        """The page."""
        shown = await read_sources(self._deps)
        return render_page(
            self._deps, request, "sources.html",
            here="sources", local=local_time, sources=[(one, self._last_words(one.listed)) for one in shown],
        )  # fmt: skip

    async def sources_json(self, _request: HttpRequest) -> Response:
        """The same for programs."""
        return JSONResponse([_source_json(one) for one in await read_sources(self._deps)])

    def _last_words(self, one: ListedSource) -> str:
        if one.last_webhook_at is None:
            return "none yet"
        return f"{local_time(one.last_webhook_at)}, {format_span(self._deps.clock() - one.last_webhook_at)} ago"


async def read_sources(deps: ConsoleDeps) -> list[ShownSource]:
    """Every source, those with a secret first."""
    store, now = deps.store, deps.clock()
    lasts = (await store.status_summary(now=now)).lasts
    refused = (await store.status_details()).refused
    found = find_request_troubles(refused, deps.configured().sources, lasts, now)
    listed = deps.list_sources({name: (at, None) for name, at in lasts.items()})
    return [
        ShownSource(one, _about(one, found.needs), _about(one, found.notes))
        for one in sorted(listed, key=lambda one: (not one.secret, one.name))
    ]


def _about(one: ListedSource, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.subject == one.name)


def _source_json(one: ShownSource) -> dict[str, object]:
    at = one.listed.last_webhook_at
    findings = [{"cause": each.cause, "text": each.text, "remedy": each.remedy} for each in (*one.needs, *one.notes)]
    made = asdict(one.listed) | {"last_webhook_at": None if at is None else format_instant(at), "findings": findings}
    del made["last_topic"]  # it is not looked up here
    return made
