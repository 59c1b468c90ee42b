"""GET /healthz, /readyz and /metrics.

`/metrics` and the details of `/readyz` need the metrics key; on the admin listener they do not, for requests from this
machine. `readiness` decides what makes a bridge ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from bridge.core import json_text, log
from bridge.core.errors import StoreUnavailable
from bridge.http.metrics import CONTENT_TYPE, Metrics, NodeState, StoreState
from bridge.http.metrics_key import MetricsKey
from bridge.http.peer_address import TrustedProxies
from bridge.http.readiness import ReadinessCheck, SpoolState
from bridge.store.protocol import Store
from bridge.store.spool import SpooledWebhooks

_KEYLESS = "this page needs the metrics key as a Bearer token; `trackbridge metrics` prints a scrape configuration"
_MEND = "have the scraper send the metrics key: see trackbridge metrics"
_PROXIED = ("x-forwarded-for", "forwarded", "via", "x-real-ip")
"""Headers that a proxy adds."""


@dataclass(frozen=True, slots=True)
class HealthRoutes:
    """The handlers of the three addresses. `others` gives the counts that the other processes have published.

    Without `key`, the public port shows neither the metrics nor the details. With a `spool`, the metrics are shown
    while the store is away, too, without what it knows.
    """

    store: Store
    destinations: Sequence[str]
    metrics: Metrics
    clock: Callable[[], datetime]
    check: ReadinessCheck
    others: Callable[[], Iterable[bytes]]
    key: MetricsKey | None = None
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    spool: SpoolState | None = None
    seldom: log.RateLimitedLog = field(default_factory=log.RateLimitedLog)

    def routes(self) -> list[Route]:
        """The three addresses on one public port: metrics and details need the key."""
        return self._make_routes(self._has_key)

    def public_routes(self) -> list[Route]:
        """The addresses of a public port beside an admin listener: no metrics, no details."""
        return [route for route in self._make_routes(_deny_all) if route.path != "/metrics"]

    def admin_routes(self) -> list[Route]:
        """The three addresses on the admin listener: the machine itself needs no key."""
        return self._make_routes(lambda request: is_local(request) or self._has_key(request))

    def _make_routes(self, may_see: Callable[[HttpRequest], bool]) -> list[Route]:
        return [
            Route("/healthz", self._answer_healthz),
            Route("/readyz", partial(self._answer_readyz, may_see)),
            Route("/metrics", partial(self._answer_metrics, may_see)),
        ]

    def _has_key(self, request: HttpRequest) -> bool:
        return self.key is not None and self.key.matches_header(request.headers.get("authorization"))

    async def _answer_healthz(self, _request: HttpRequest) -> Response:
        return _json_response(200, {"success": True})

    async def _answer_readyz(self, may_see: Callable[[HttpRequest], bool], request: HttpRequest) -> Response:
        found = await self.check.check_readiness()
        answer: dict[str, json_text.Json] = {"success": found.ready, "state": found.state}
        details: dict[str, json_text.Json] = {"details": list(found.details)} if may_see(request) else {}
        if details and "peer" in request.query_params:
            details["peer"] = self._describe_peer(request)
        return _json_response(200 if found.ready else 503, answer | details)

    def _describe_peer(self, request: HttpRequest) -> json_text.Json:
        """How the caller is seen, so that `doctor` can say whether the proxy in front passes on who calls."""
        return {
            "connection": request.client.host if request.client else None,
            "forwarded": "x-forwarded-for" in request.headers,
            "trusted": self.proxies.trusts_connection(request.scope),
        }

    async def _answer_metrics(self, may_see: Callable[[HttpRequest], bool], request: HttpRequest) -> Response:
        if not may_see(request):
            self.seldom.warn("metrics.refused", now=self.clock(), mend=_MEND)
            return _json_response(401, {"success": False, "error": _KEYLESS}, {"WWW-Authenticate": "Bearer"})
        try:
            stored = await self._read_store()
        except StoreUnavailable as error:
            if self.spool is None:
                return _json_response(503, {"success": False, "error": str(error)})
            stored = None
        page = self.metrics.render_page(await self._read_node(), stored, others=self.others())
        return Response(page, headers={"Content-Type": CONTENT_TYPE})

    async def _read_store(self) -> StoreState | None:
        """The state of the store; None while it is known to be away. Raises StoreUnavailable."""
        if self.spool is not None and self.spool.away is not None:
            return None
        return StoreState(
            counts=await self.store.state_counts(),
            totals=await self.store.read_totals(),
            standings=[await self.store.destination_state(name, now=self.clock()) for name in self.destinations],
            overdue=await self.check.overdue_work(),
        )

    async def _read_node(self) -> NodeState:
        loops = self.check.loop_states()
        return NodeState(
            loops={loop.name: loop.silent_for for loop in loops},
            stalled={loop.name for loop in loops if loop.is_stalled},
            ready=(await self.check.check_readiness()).ready,
            now=self.clock(),
            spooled=await self._count_spooled(),
        )

    async def _count_spooled(self) -> SpooledWebhooks | None:
        try:
            return None if self.spool is None else await self.spool.count_spooled()
        except StoreUnavailable as error:
            self.seldom.warn("metrics.spool", now=self.clock(), why=str(error))
            return None


def is_local(request: HttpRequest) -> bool:
    """Whether the machine itself asks: over the loopback interface, by a loopback name, through no proxy.

    The name is looked at because a page from elsewhere can have its own name lead to 127.0.0.1 (DNS rebinding).
    """
    if request.client is None or any(name in request.headers for name in _PROXIED):
        return False
    return is_loopback(request.client.host) and is_loopback(_host_name(request.headers.get("host", "")))


def _host_name(host: str) -> str:
    """The name or address in a `Host` header; empty if it holds none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether an address or a name is of the loopback interface."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _deny_all(_request: HttpRequest) -> bool:
    return False


def _json_response(status: int, document: json_text.Json, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json_text.write_json(document), status, headers, media_type="application/json")
