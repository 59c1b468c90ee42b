"""GET /ui/: whether everything is as it should be, what needs a person, and each source and destination."""

from __future__ import annotations

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.render import render_page
from bridge.status.read import read_status
from bridge.status.report import StatusReport


class HomePage:
    """The handlers of the first page."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_home(self, request: HttpRequest) -> Response:
        """The page."""
        return render_page(self._deps, request, "home.html", report=await self._read())

    async def home_json(self, _request: HttpRequest) -> Response:
        """The same for programs."""
        report = await self._read()
        return JSONResponse({"needs": [str(one) for one in report.needs], "notes": [str(one) for one in report.notes]})

    async def _read(self) -> StatusReport:
        return await read_status(self._deps.store, self._deps.configured(), now=self._deps.clock())
