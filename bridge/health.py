"""GET /healthz, /readyz and /metrics: does it live, is it ready, what happened.

Not concerned with where the loops run, nor how their signs of life come here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge import jsontext
from bridge.errors import StoreUnavailable
from bridge.metrics import CONTENT_TYPE, Metrics
from bridge.store import Store

FRESH = timedelta(seconds=5)
"""How long a write that the store took speaks for it on /readyz."""
STALLED = timedelta(seconds=30)
"""How long a loop may go without a round before /readyz says that it hangs."""


@dataclass(slots=True)
class Health:
    """What answers. `loops` says when each loop last went round, None for one that does not run now.

    `others` gives what the other processes have shown of their counters.
    """

    store: Store
    destinations: Sequence[str]
    metrics: Metrics
    clock: Callable[[], datetime]
    loops: Callable[[], Mapping[str, datetime | None]]
    others: Callable[[], Iterable[bytes]]
    _proven_at: datetime | None = None

    def routes(self) -> list[Route]:
        """The three addresses."""
        return [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._metrics),
        ]

    async def _healthz(self, _request: Request) -> Response:
        return _json(200, {"success": True})

    async def _readyz(self, _request: Request) -> Response:
        trouble = await self._trouble()
        return _json(503, {"success": False, "error": trouble}) if trouble else _json(200, {"success": True})

    async def _metrics(self, _request: Request) -> Response:
        try:
            tally = await self.store.tally()
            standings = [await self.store.standing(name) for name in self.destinations]
        except StoreUnavailable as error:
            return _json(503, {"success": False, "error": str(error)})
        ready = await self._trouble() is None
        page = self.metrics.page(tally, standings, ready=ready, now=self.clock(), others=self.others())
        return Response(page, headers={"Content-Type": CONTENT_TYPE})

    async def _trouble(self) -> str | None:
        """Why this bridge is not ready, in a few words; None when it is."""
        now = self.clock()
        for name, alive_at in self.loops().items():
            if alive_at is None:
                return f"the {name} loop does not run; it is being started again"
            if now - alive_at > STALLED:
                return f"the {name} loop hangs"
        if self._proven_at is None or not timedelta() <= now - self._proven_at < FRESH:
            try:
                await self.store.probe(now=now)
            except StoreUnavailable as error:
                self._proven_at = None
                return f"the store takes no write: {error}"
            self._proven_at = now
        return None


def _json(status: int, document: jsontext.Json) -> Response:
    return Response(jsontext.write(document), status, media_type="application/json")
