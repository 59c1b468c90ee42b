"""A part of the application that is made when somebody first asks for it: an idle bridge need not hold it in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class OnFirstRequest:
    """Answers what is at `path` or below by what `make` gives of `rest`, everything else by `rest`.

    The console with its templates takes 8 MB. It is made in a thread, so that no other request waits.
    """

    def __init__(self, rest: ASGIApp, path: str, make: Callable[[ASGIApp], ASGIApp]) -> None:
        self._rest = rest
        self._path = path
        self._make = make
        self._made: ASGIApp | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not (scope["path"] == self._path or scope["path"].startswith(f"{self._path}/")):
            await self._rest(scope, receive, send)
            return
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make, self._rest)
            answer = self._made
        await answer(scope, receive, send)
