"""Counts refused requests by source and cause, so that `status` can say why a source is silent.

Counted in memory, and written a second after the first one, then every few seconds at most: a flood costs no more disk
than a few requests. What cannot be written now is written with the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.core.errors import StoreUnavailable
from bridge.http.path_prefix import Refuse
from bridge.status.meant_source import find_meant_source
from bridge.status.refusal_remedies import UNKNOWN_PATH
from bridge.store.status_protocol import StatusStore
from bridge.store.status_views import RefusedRequests

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]
"""What an application enters while it is up."""
SOON, SELDOM = 1.0, 5.0
"""Seconds from the first refused request to the write, and from one write to the next."""
MOST_KINDS = 500
"""Kinds that are counted between two writes."""
MOST_PATHS = 50
"""Unknown paths that are compared with the sources within SELDOM: each takes some 50 µs."""


class RefusalCounter:
    """The counts of one web process. `sources` are the names that a path may mean."""

    def __init__(
        self, store: StatusStore, *, clock: Callable[[], datetime], sources: Callable[[], Collection[str]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._sources = sources
        self._counts: dict[tuple[str, str, str], RefusedRequests] = {}
        self._skews: dict[str, timedelta] = {}
        self._paths = 0
        self._paths_since = 0.0
        self._writing: asyncio.Task[None] | None = None

    def count_refused(self, source: str, cause: str, *, detail: str = "") -> None:
        """Count one request; only within an event loop."""
        key, now = (source, cause, detail), self._clock()
        before = self._counts.get(key)
        if before is None and len(self._counts) >= MOST_KINDS:
            return
        first = before or RefusedRequests(source, cause, 0, now, now, detail)
        self._counts[key] = replace(first, count=first.count + 1, last_at=now)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_while_counting())

    def note_skew(self, source: str, skew: timedelta | None) -> None:
        """Remember by how much this clock is ahead of the time of a source's request, where that is known."""
        if skew is not None:
            self._skews[source] = skew

    def count_unknown_path(self, scope: Scope) -> None:
        """Count a request for no source, where its path resembles one. Any other path leaves nothing here."""
        if scope["method"] != "POST" or not self._may_compare():
            return
        path: str = scope["path"]
        if (meant := find_meant_source(path, self._sources())) is not None:
            self.count_refused(meant, UNKNOWN_PATH, detail=path)

    def count_and(self, refuse: Refuse) -> Refuse:
        """What answers as `refuse` does, and counts the request as one to an unknown path."""

        async def count_then_refuse(request: HttpRequest, error: Exception) -> Response:
            self.count_unknown_path(request.scope)
            return await refuse(request, error)

        return count_then_refuse

    def _may_compare(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._paths_since >= SELDOM:
            self._paths, self._paths_since = 0, now
        self._paths += 1
        return self._paths <= MOST_PATHS

    async def write_counts(self) -> None:
        """Write what was counted since the last time."""
        counted = [
            replace(one, skew=self._skews.get(one.source)) if one.cause == "stale" else one
            for one in self._counts.values()
        ]
        if not counted:
            return
        self._counts = {}
        try:
            await self._store.add_refused(counted)
        except StoreUnavailable:
            for one in counted:
                key = (one.source, one.cause, one.detail)
                now = self._counts.get(key, replace(one, count=0))
                self._counts[key] = replace(now, count=one.count + now.count, first_at=one.first_at)

    def count_until_end(self, lifespan: Lifespan) -> Lifespan:
        """The same lifespan; what was counted is written before its end, which closes the store."""

        @asynccontextmanager
        async def counted_lifespan(app: Starlette) -> AsyncIterator[None]:
            async with lifespan(app):
                try:
                    yield
                finally:
                    await self.finish_writing()

        return counted_lifespan

    async def finish_writing(self) -> None:
        """Write the rest, before the store is closed."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self.write_counts()

    async def _write_while_counting(self) -> None:
        """Until nothing was counted for a while: an idle bridge writes nothing."""
        await asyncio.sleep(SOON)
        while self._counts:
            await self.write_counts()
            await asyncio.sleep(SELDOM)
        self._writing = None


class UnknownPathCounter:
    """What answers where no route fits: it counts the request, and lets `answer` answer."""

    def __init__(self, refusals: RefusalCounter, answer: ASGIApp) -> None:
        self._refusals = refusals
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            self._refusals.count_unknown_path(scope)
        await self._answer(scope, receive, send)
