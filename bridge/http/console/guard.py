"""Stands before every address of the console, and before nothing else: host, sender, session, role, in this order.

Without a session only the login page and the static files are answered.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.core.errors import StoreUnavailable
from bridge.core.local_time import reading_in_zone
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.origins import SAFE
from bridge.http.console.render import render_page
from bridge.http.console.sessions import SessionCookies
from bridge.http.console.time_zones import read_zone

PATH = "/ui"
OPEN = frozenset({"/ui/login"})
"""What anybody may open who is at the right host."""
ANY_ROLE = frozenset({"/ui/logout", "/ui/zone", "/ui/find"})
"""What changes nothing but the reader's own session and view; what is looked for is sent so that no address has it."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class ConsoleGuard:
    """Middleware: `pages` answers below `/ui` what may be answered, `rest` everything else."""

    def __init__(self, rest: ASGIApp, *, pages: ASGIApp, deps: ConsoleDeps) -> None:
        self._rest = rest
        self._pages = pages
        self._deps = deps
        self._cookies: SessionCookies | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not (scope["path"] == PATH or scope["path"].startswith(f"{PATH}/")):
            await self._rest(scope, receive, send)
            return
        request = HttpRequest(scope)
        scope.setdefault("state", {})["person"] = None
        with reading_in_zone(read_zone(request.cookies)[1]):
            answer = await self._refuse(request) or self._pages
            await answer(scope, receive, _with_headers(send))

    async def _refuse(self, request: HttpRequest) -> Response | None:
        """Why it is not answered; None where it is. Then the reader is in its state."""
        refusal = self._deps.origin.refuse_request(request.method, request.headers)
        if refusal:
            return self._render_refusal(request, refusal.status, refusal.text)
        path = request.url.path
        if path in OPEN or path.startswith(f"{PATH}/static/"):
            return None
        try:
            cookies = await self.session_cookies()
        except StoreUnavailable as error:
            return self._render_refusal(request, 503, f"The store cannot be read now: {error}")
        header = request.headers.get("cookie", "")
        person = cookies.read_session(header, self._deps.keys, now=self._deps.clock().timestamp())
        if person is None:
            return self._ask_to_log_in(request)
        if request.method not in SAFE and not person.may_change and path not in ANY_ROLE:
            return self._render_refusal(request, 403, f"The key of {person.name} may look, and change nothing.")
        request.scope["state"]["person"] = person
        return None

    async def session_cookies(self) -> SessionCookies:
        """What reads and writes sessions. Raises StoreUnavailable until the store has once said what signs them."""
        if self._cookies is None:
            secret = await self._deps.store.console_secret()
            self._cookies = SessionCookies(secret, self._deps.root, self._deps.origin.is_secure)
        return self._cookies

    def _ask_to_log_in(self, request: HttpRequest) -> Response:
        if request.method not in SAFE or request.url.path.endswith(".json"):
            return JSONResponse({"error": "log in first"}, 401)
        path = request.url.path.removeprefix(PATH)
        wanted = self._deps.root + path + (f"?{request.url.query}" if request.url.query else "")
        following = "" if path in {"", "/"} else f"?{urlencode({'next': wanted})}"
        return RedirectResponse(f"{self._deps.root}/login{following}", 303)

    def _render_refusal(self, request: HttpRequest, status: int, text: str) -> Response:
        if request.url.path.endswith(".json"):
            return JSONResponse({"error": text}, status)
        return render_page(self._deps, request, "refused.html", status=status, text=text)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
