"""GET /healthz, /readyz and /metrics: does it live, is it ready, what happened.

Not concerned with what makes a bridge ready, nor with where the loops run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge import jsontext
from bridge.errors import StoreUnavailable
from bridge.metrics import CONTENT_TYPE, Metrics, Stored
from bridge.readiness import ReadinessCheck
from bridge.store import Store


@dataclass(frozen=True, slots=True)
class Health:
    """What answers. `others` gives what the other processes have shown of their counters."""

    store: Store
    destinations: Sequence[str]
    metrics: Metrics
    clock: Callable[[], datetime]
    check: ReadinessCheck
    others: Callable[[], Iterable[bytes]]

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
        found = await self.check.look()
        status = 200 if found.ready else 503
        return _json(status, {"success": found.ready, "state": found.state, "details": list(found.details)})

    async def _metrics(self, _request: Request) -> Response:
        try:
            stored = Stored(
                tally=await self.store.tally(),
                standings=[await self.store.standing(name) for name in self.destinations],
                overdue=await self.check.overdue(),
                loops={loop.name: loop.silent_for for loop in self.check.loops()},
                stalled={loop.name for loop in self.check.loops() if loop.is_stalled},
                ready=(await self.check.look()).ready,
                now=self.clock(),
            )
        except StoreUnavailable as error:
            return _json(503, {"success": False, "error": str(error)})
        return Response(self.metrics.page(stored, others=self.others()), headers={"Content-Type": CONTENT_TYPE})


def _json(status: int, document: jsontext.Json) -> Response:
    return Response(jsontext.write(document), status, media_type="application/json")
