"""GET and POST /ui/login, POST /ui/logout: a key, or a code of `trackbridge console`, becomes a session."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from bridge.core import log
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.pacing import WrongKeyPace
from bridge.http.console.render import render_page
from bridge.http.console.sessions import SessionCookies
from bridge.http.console_keys import ConsoleKey, console_key_digest, find_key
from bridge.http.login_codes import code_digest, is_code

MOST_BYTES = 8192
"""Bytes of a form."""
_OWN_PATH = re.compile(r"(/[A-Za-z0-9_.~:-]*)*(\?[A-Za-z0-9_.~:%&=+-]*)?")
_WRONG = "This is no key of the console, and no code that is valid now. A code is valid for five minutes, and once."
_LARGE = "This form is too large."


class LoginRoutes:
    """The handlers. `cookies` gives what writes sessions."""

    def __init__(self, deps: ConsoleDeps, cookies: Callable[[], Awaitable[SessionCookies]]) -> None:
        self._deps = deps
        self._cookies = cookies
        self._pace = WrongKeyPace()
        self._seldom = log.RateLimitedLog()

    async def show_login(self, request: HttpRequest) -> Response:
        """The form."""
        return self._render(request, own_path(request.query_params.get("next", ""), self._deps.root))

    async def log_in(self, request: HttpRequest) -> Response:
        """A session for a right key or code; a page that says why not for any other."""
        form = await read_form(request)
        following = own_path("" if form is None else form.get("next", ""), self._deps.root)
        if form is None:
            return self._render(request, following, 413, _LARGE)
        peer = self._deps.proxies.peer_of(request.scope) or "unknown"
        if wait := self._pace.wait_of(peer, self._deps.monotonic()):
            seconds = int(wait) + 1
            text = f"There were too many wrong keys from your address. Try again in {seconds} seconds."
            answer = self._render(request, following, 429, text)
            answer.headers["Retry-After"] = str(seconds)
            return answer
        key = await self._find_key(form.get("key", ""))
        if key is None:
            self._pace.count_wrong(peer, self._deps.monotonic())
            self._seldom.warn(
                "console.wrong_key", now=self._deps.clock(), mend="`trackbridge console` prints a link that opens it"
            )
            return self._render(request, following, 401, _WRONG)
        log.log_line("console.login", who=key.name, role=key.role)
        cookies = await self._cookies()
        cookie = cookies.write_cookie(key, now=self._deps.clock().timestamp())
        return RedirectResponse(following, 303, {"Set-Cookie": cookie})

    async def log_out(self, request: HttpRequest) -> Response:  # noqa: ARG002  whoever asks
        """End the session in this browser."""
        cookies = await self._cookies()
        return RedirectResponse(f"{self._deps.root}/login", 303, {"Set-Cookie": cookies.end_cookie()})

    async def _find_key(self, typed: str) -> ConsoleKey | None:
        found = find_key(self._deps.keys, console_key_digest(typed))
        if found is None and is_code(typed):  # anything else costs the store nothing
            digest = await self._deps.store.take_login_code(code_digest(typed), now=self._deps.clock())
            found = None if digest is None else find_key(self._deps.keys, digest)
        return found

    def _render(self, request: HttpRequest, following: str, status: int = 200, wrong: str = "") -> Response:
        return render_page(self._deps, request, "login.html", status=status, next=following, wrong=wrong)


async def read_form(request: HttpRequest, *, most: int = MOST_BYTES) -> dict[str, str] | None:
    """The fields of a form, the first of each name; None if it has more than `most` bytes."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > most:
            return None
    try:
        fields = parse_qs(content.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100)
    except ValueError:  # more fields than that
        return None
    return {name: values[0] for name, values in fields.items()}


def own_path(text: str, root: str) -> str:
    """Where a login leads: a path of the console, with its query; the first page for anything else."""
    is_own = text.startswith(f"{root}/") and _OWN_PATH.fullmatch(text) and "//" not in text and ".." not in text
    return text if is_own else f"{root}/"
