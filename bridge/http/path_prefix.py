"""Middleware that serves an application below a prefix: `/bridge/webhooks/stripe` is its `/webhooks/stripe`.

Every other path is unknown. Signatures that cover an address are checked against the public one, which has the prefix.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Refuse = Callable[[HttpRequest, Exception], Awaitable[Response]]


class PathPrefix:
    """The middleware; `prefix` begins with a slash and does not end with one, `refuse` makes the answer to the rest."""

    def __init__(self, app: ASGIApp, prefix: str, *, refuse: Refuse) -> None:
        self._app = app
        self._prefix = prefix
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(f"{self._prefix}/"):
            await self._app({**scope, "path": scope["path"].removeprefix(self._prefix)}, receive, send)
        else:
            answer = await self._refuse(HttpRequest(scope), HTTPException(404))
            await answer(scope, receive, send)
