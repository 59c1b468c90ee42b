"""Assembles: settings, mappings and a store become sources, destinations, routes and the loops.

The only file that knows everyone. Not concerned with sockets or signals: `cli/serve.py` runs what stands here.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute

from bridge import destinations as kinds
from bridge import jsontext, log, mapping, openapi, settings, track
from bridge.destination import Destination
from bridge.errors import MappingError, SettingsError, StoreUnavailable
from bridge.forward import Forwarder
from bridge.mapping.files import mapping_files
from bridge.metrics import CONTENT_TYPE, Metrics
from bridge.model import Event, Problem, Route
from bridge.purge import Purger
from bridge.receive import Receiver
from bridge.settings import Settings
from bridge.source import Source
from bridge.store import Store
from bridge.translate import Translator
from bridge.turns import Waiting

GRACE = timedelta(seconds=15)
"""How long a stop waits for attempts under way: longer than a request's timeout."""
FRESH = timedelta(seconds=5)
"""How long a write that the store took speaks for it on /readyz."""
STALLED = timedelta(seconds=30)
"""How long a loop may go without a round before /readyz says that it hangs."""


def clock() -> datetime:
    """Now, on this machine's clock."""
    return datetime.now(UTC)


def luck() -> str:
    """Twelve random letters of [a-z0-9], for ids."""
    return secrets.token_bytes(12).translate(_LETTERS).decode()


_LETTERS = bytes(b"abcdefghijklmnopqrstuvwxyz0123456789"[byte % 36] for byte in range(256))


# ------------------------------------------------------------------------------------------------------ mappings


def load_mappings(extra: Path | None) -> dict[str, mapping.Mapping]:
    """Every mapping by its provider; the operator's override the shipped ones.

    Raises MappingError with the problems of all files.
    """
    loaded: dict[str, mapping.Mapping] = {}
    problems: list[Problem] = []
    for path in mapping_files(extra):
        try:
            one = mapping.load(path)
        except MappingError as error:
            problems.extend(error.problems)
        else:
            loaded[one.provider] = one
    if problems:
        raise MappingError(problems)
    return loaded


def make_sources(configured: Settings, mappings: Mapping[str, mapping.Mapping]) -> dict[str, Source]:
    """Every source by its name: those that were set, and each mapping's own, which waits for a secret."""
    sources: dict[str, Source] = {}
    for one in configured.sources:
        if one.mapping not in mappings:
            known = ", ".join(sorted(mappings))
            raise SettingsError(f"source `{one.name}`: there is no mapping for `{one.mapping}`; known are {known}")
        sources[one.name] = mappings[one.mapping].bind(
            one.name, secrets=one.secrets, vars=one.vars, to=one.to, public_url=one.public_url, scope=one.scope
        )
    for provider, one_mapping in mappings.items():
        if provider not in sources:
            sources[provider] = one_mapping.bind(provider, secrets=(), vars={})
    return sources


def make_destinations(configured: Settings) -> dict[str, Destination]:
    """Every destination by its name."""
    return {one.name: kinds.make(one.kind, one.name, one.options) for one in configured.destinations}


def routing(destinations: Mapping[str, Destination]) -> Callable[[Event, Sequence[str] | None], tuple[Route, ...]]:
    """What says where an event goes: to the named destinations, or to all."""

    def route(event: Event, to: Sequence[str] | None) -> tuple[Route, ...]:
        return tuple(
            Route(name, destination.wants(event))
            for name, destination in destinations.items()
            if to is None or name in to
        )

    return route


# -------------------------------------------------------------------------------------------------------- bridge


class Bridge:
    """One process's bridge: `http` is the application; its lifespan runs the loops and closes the store."""

    def __init__(self, configured: Settings, mappings: Mapping[str, mapping.Mapping], store: Store) -> None:
        self.settings = configured
        self.store = store
        self.sources = make_sources(configured, mappings)
        self.destinations = make_destinations(configured)
        self.metrics = Metrics()
        self._proven_at: datetime | None = None
        route = routing(self.destinations)
        waiting = Waiting()
        self.forwarder = Forwarder(
            store=store,
            destinations=tuple(self.destinations.values()),
            clock=clock,
            watching=self.metrics,
            requests=waiting,
        )
        self.translator = Translator(
            store=store,
            sources=lambda: self.sources,
            route=route,
            clock=clock,
            woke=self.forwarder.wake,
            watching=self.metrics,
        )
        self.purger = Purger(store=store, keeping=configured.keeping, clock=clock)
        self.receiver = Receiver(
            sources=lambda: self.sources,
            store=store,
            limit=configured.webhook_limit,
            clock=clock,
            woke=self.translator.wake,
            watching=self.metrics,
            waiting=waiting,
        )
        self.http = Starlette(
            routes=[
                *self.receiver.routes(),
                *track.routes(
                    store=store,
                    callers=track.Callers(configured.keys),
                    route=lambda event, caller: route(event, caller.to),
                    clock=clock,
                    luck=luck,
                    woke=self.forwarder.wake,
                    watching=self.metrics,
                    waiting=waiting,
                ),
                *openapi.routes(),
                HttpRoute("/healthz", self._healthz),
                HttpRoute("/readyz", self._readyz),
                HttpRoute("/metrics", self._metrics),
            ],
            exception_handlers=track.EXCEPTION_HANDLERS,
            lifespan=self._lifespan,
        )
        self.http.router.redirect_slashes = False  # such an answer would be no JSON, and its address the caller's own

    def take(self, configured: Settings, mappings: Mapping[str, mapping.Mapping]) -> None:
        """Serve other mappings, and the sources set for them, from the next request on.

        Raises SettingsError, and then nothing has changed. Keys, destinations and limits stay as they were at the start.
        """
        for one in configured.sources:
            for name in one.to or ():
                if name not in self.destinations:
                    raise SettingsError(f"source `{one.name}`: the destination `{name}` is new; restart to have it")
        self.sources = make_sources(configured, mappings)
        fixed = replace(configured, sources=self.settings.sources, warnings=self.settings.warnings)
        if fixed != self.settings:
            log.trouble("reload.partly", warning="settings other than sources have changed; restart to have them")
        self.settings = replace(self.settings, sources=configured.sources)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        loops = asyncio.gather(self.translator.run(), self.forwarder.run(), self.purger.run())
        try:
            yield
        finally:
            self.translator.stop()
            self.purger.stop()
            await self.forwarder.stop(GRACE)
            await loops
            await self.store.close()

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
        page = self.metrics.page(tally, standings, ready=ready, now=clock())
        return Response(page, headers={"Content-Type": CONTENT_TYPE})

    async def _trouble(self) -> str | None:
        """Why this process is not ready, in a few words; None when it is."""
        now = clock()
        for name, alive_at in (("translate", self.translator.alive_at), ("forward", self.forwarder.alive_at)):
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


def configure(environment: Mapping[str, str], config: Path | None) -> tuple[Settings, dict[str, mapping.Mapping]]:
    """The settings and mappings of an environment. Raises SettingsError or MappingError."""
    mappings = load_mappings(settings.mappings_folder(environment))
    configured = settings.load(environment, providers=tuple(mappings), config=config)
    for warning in configured.warnings:
        log.trouble("settings", warning=warning)
    return configured, mappings
