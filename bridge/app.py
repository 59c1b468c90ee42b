"""The one composition root: settings, mappings and a store become the web app and the loops of the pipeline.

`runtime/roles.py` runs them in processes of their own; `SingleProcessApp` runs all of them in one.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from bridge.core.heartbeat import Heartbeat, oldest_success
from bridge.http import openapi, track
from bridge.http.body_budget import BodyBudget
from bridge.http.console_keys import ConsoleKey
from bridge.http.forwarding import Connect, RequestForwarder
from bridge.http.health import HealthRoutes
from bridge.http.metrics import Metrics
from bridge.http.metrics_key import MetricsKey
from bridge.http.on_first_request import OnFirstRequest
from bridge.http.path_prefix import PathPrefix
from bridge.http.peer_address import TrustedProxies
from bridge.http.readiness import PATIENCE, SERVER_PATIENCE, ReadinessCheck
from bridge.http.refusals import RefusalCounter, UnknownPathCounter
from bridge.http.webhooks import DirectRoute, WebhookReceiver
from bridge.pipeline import alerts
from bridge.pipeline.alert_channels import AlertChannel, make_channels
from bridge.pipeline.alert_state import AlertState, alert_file
from bridge.pipeline.deliver import DeliveryLoops
from bridge.pipeline.refresh_tokens import RefreshTokens
from bridge.pipeline.retention import AGAIN, EVERY, PurgeLoop
from bridge.pipeline.second_translator import SecondTranslator
from bridge.pipeline.spooling import SpoolingKeeper
from bridge.pipeline.translate import TranslateLoop
from bridge.settings import Settings
from bridge.settings.app_config import AppConfig
from bridge.settings.console import CONSOLE_PATH
from bridge.settings.describe import describe_bridge
from bridge.settings.destinations import make_masked
from bridge.settings.list_settings import list_settings
from bridge.settings.list_sources import list_sources
from bridge.settings.secret_file import find_secret_file, save_secret
from bridge.settings.sources import LoadedMapping, mapping_defects
from bridge.store.engines import beside_store, is_on_server
from bridge.store.protocol import Store

RESTS = {"purge": EVERY + AGAIN, "alert": alerts.EVERY}
"""Seconds that a loop may rest between two rounds, where that is long."""
GRACE = timedelta(seconds=15)
"""How long a stop waits for attempts under way: longer than a request's timeout."""


def utc_now() -> datetime:
    """Now, on this machine's clock."""
    return datetime.now(UTC)


def random_letters() -> str:
    """Twelve random letters of [a-z0-9], for ids."""
    return secrets.token_bytes(12).translate(_LETTERS).decode()


_LETTERS = bytes(b"abcdefghijklmnopqrstuvwxyz0123456789"[byte % 36] for byte in range(256))


# ------------------------------------------------------------------------------------------------------- the two parts


class TranslatePipeline:
    """The loops that translate webhooks and delete what was kept long enough, while `running` is entered.

    `made` is called when there are new events; `second` translates a part of a backlog.
    """

    def __init__(
        self,
        app_config: AppConfig,
        store: Store,
        metrics: Metrics,
        *,
        made: Callable[[], None],
        second: SecondTranslator | None = None,
    ) -> None:
        self._second = second
        self.translator = TranslateLoop(
            store=store,
            sources=lambda: app_config.sources,
            route=app_config.route,
            clock=utc_now,
            notify=made,
            metrics=metrics,
            second=second,
        )
        self.purger = PurgeLoop(store=store, keeping=app_config.settings.keeping, clock=utc_now)

    def heartbeats(self) -> dict[str, list[Heartbeat]]:
        """The heartbeat of each loop by its name."""
        return {"translate": [self.translator.heartbeat], "purge": [self.purger.heartbeat]}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the loops; at the end, complete the batch under way."""
        loops = asyncio.gather(self.translator.run(), self.purger.run())
        try:
            yield
        finally:
            self.translator.stop()
            self.purger.stop()
            await loops
            if self._second is not None:
                await self._second.stop()


class DeliverPipeline:
    """The loops that deliver events, one for each sender of a destination, while `running` is entered.

    With `needs`, which finds what needs a person, they tell it to where alerts go.
    """

    def __init__(
        self, app_config: AppConfig, store: Store, metrics: Metrics, *, needs: alerts.NeedsPerson | None = None
    ) -> None:
        self.delivery_loops = DeliveryLoops(
            store=store,
            destinations=tuple(app_config.destinations.values()),
            clock=utc_now,
            metrics=metrics,
            check=True,
            seal_keys=app_config.settings.seal_keys,
        )
        self.alert_loop = _make_alert_loop(app_config, needs) if needs else None

    def heartbeats(self) -> dict[str, list[Heartbeat]]:
        """The heartbeats of each destination's senders, which are one loop, `deliver:NAME`; and that of alerts."""
        found = {f"deliver:{name}": each for name, each in self.delivery_loops.heartbeats().items()}
        return found | ({"alert": [self.alert_loop.heartbeat]} if self.alert_loop else {})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the loops; at the end, record the attempts under way."""
        loops = asyncio.ensure_future(self.delivery_loops.run())
        alerting = asyncio.ensure_future(self.alert_loop.run()) if self.alert_loop else None
        try:
            yield
        finally:
            if self.alert_loop and alerting:
                self.alert_loop.stop()
                await asyncio.wait([alerting], timeout=GRACE.total_seconds())
                alerting.cancel()
            await self.delivery_loops.stop(GRACE)
            await loops


def _make_alert_loop(app_config: AppConfig, needs: alerts.NeedsPerson) -> alerts.AlertLoop:
    def channels() -> tuple[AlertChannel, ...]:
        return make_channels(app_config.settings.alerts)

    state = AlertState(alert_file(beside_store(app_config.settings.store)))
    return alerts.AlertLoop(needs=needs, channels=channels, state=state, clock=utc_now)


class WebApp:
    """What answers: `http` is the application, up while its `lifespan` is.

    `kept` is called when webhooks were kept, `accepted` when events were; `others` is Health's, `loops` and `stopping`
    are the ReadinessCheck's. `admin` is the application of the admin listener; where there is one, `/metrics` and the
    console are not public. Without `console_keys` there is no console, which calls `reload` after it changed a file.
    `console` is the application that has the console alone. With `connect` all of it is in the process to which that
    connects, and every request to it is passed on. `keeper` keeps webhooks where the store may be away.
    """

    def __init__(  # noqa: PLR0913  what it knows of the world, all by name
        self,
        app_config: AppConfig,
        store: Store,
        metrics: Metrics,
        *,
        kept: Callable[[], None],
        accepted: Callable[[], None],
        loops: Callable[[], Mapping[str, float | None]],
        lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
        callers: track.ApiKeys | None = None,
        others: Callable[[], Iterable[bytes]] = tuple,
        stopping: Callable[[], bool] = lambda: False,
        metrics_key: MetricsKey | None = None,
        has_admin: bool = False,
        console_keys: Sequence[ConsoleKey] = (),
        reload: Callable[[], None] = lambda: None,
        connect: Connect | None = None,
        keeper: SpoolingKeeper | None = None,
    ) -> None:
        proxies = TrustedProxies(app_config.settings.trusted_proxies)
        budget = BodyBudget(app_config.settings.body_budget, peer=proxies.peer_of)
        refusals = RefusalCounter(store, clock=utc_now, sources=lambda: app_config.sources)
        receiver = WebhookReceiver(
            sources=lambda: app_config.sources,
            store=keeper or store,
            limit=app_config.settings.webhook_limit,
            budget=budget,
            clock=utc_now,
            notify=kept,
            metrics=metrics,
            refusals=refusals,
        )
        tracking = track.track_routes(
            store=store,
            api_keys=callers or track.ApiKeys(app_config.settings.keys),
            route=lambda event, caller: app_config.route(event, caller.to),
            clock=utc_now,
            nonce=random_letters,
            notify=accepted,
            metrics=metrics,
            budget=budget,
        )
        check = ReadinessCheck(
            store=store,
            clock=utc_now,
            loops=loops,
            rests=RESTS,
            stopping=stopping,
            defects=lambda: mapping_defects(app_config.sources),
            patience=SERVER_PATIENCE if is_on_server(app_config.settings.store) else PATIENCE,
            spool=keeper,
        )
        health = HealthRoutes(
            store, tuple(app_config.destinations), metrics, utc_now, check, others, metrics_key, proxies, keeper
        )
        public = health.public_routes() if has_admin else health.routes()
        self.admin = Starlette(routes=health.admin_routes(), exception_handlers=track.EXCEPTION_HANDLERS)
        self.admin.router.redirect_slashes = False
        prefix = app_config.settings.addresses.prefix
        webhooks = Starlette(routes=[*receiver.webhook_routes()])
        root = "" if has_admin else prefix
        console = (
            [Middleware(OnFirstRequest, CONSOLE_PATH, lambda _rest: RequestForwarder(connect, budget))]
            if connect is not None
            else _console_middleware(
                app_config, store, proxies, console_keys, root=root, receiver=webhooks, reload=reload
            )
        )
        self.console = Starlette(middleware=console)
        self.admin.user_middleware = console if has_admin else []
        self.http = Starlette(
            routes=[*receiver.webhook_routes(), *tracking, *openapi.openapi_routes(prefix), *public],
            middleware=[
                *([Middleware(PathPrefix, prefix, refuse=refusals.count_and(track.no_route))] if prefix else []),
                *(Middleware(DirectRoute, route) for route in receiver.webhook_routes()),
                *([] if has_admin else console),
            ],
            exception_handlers=track.EXCEPTION_HANDLERS,
            lifespan=refusals.count_until_end(lifespan),
        )
        self.http.router.default = UnknownPathCounter(refusals, self.http.router.default)
        self.http.router.redirect_slashes = False  # such an answer would be no JSON, and its address the caller's own


def _console_middleware(  # noqa: PLR0913  what the console is made of
    app_config: AppConfig,
    store: Store,
    proxies: TrustedProxies,
    keys: Sequence[ConsoleKey],
    *,
    root: str,
    receiver: ASGIApp,
    reload: Callable[[], None],
) -> list[Middleware]:
    """The web console; nothing of it is imported before somebody asks for it, or where nobody may open it.

    `receiver` takes webhooks at `/webhooks/{source}`.
    """
    if not keys or not app_config.settings.console.is_on:
        return []

    def make_console(rest: ASGIApp) -> ASGIApp:
        from bridge.http.console.deps import ConsoleDeps  # noqa: PLC0415  only when it is asked for
        from bridge.http.console.origins import ConsoleOrigin  # noqa: PLC0415  the same
        from bridge.http.console.routes import guard_console  # noqa: PLC0415  the same
        from bridge.http.own_request import post_to_source  # noqa: PLC0415  the same
        from bridge.pipeline.trial_sender import send_trial  # noqa: PLC0415  the same
        from bridge.settings.samples import make_source_sample  # noqa: PLC0415  the same

        deps = ConsoleDeps(
            store=store,
            keys=keys,
            root=f"{root}{CONSOLE_PATH}",
            origin=ConsoleOrigin(app_config.settings.console.url),
            proxies=proxies,
            clock=utc_now,
            monotonic=time.monotonic,
            sources=lambda: app_config.sources,
            list_sources=lambda lasts: list_sources(app_config.settings, app_config.mappings, lasts),
            list_settings=lambda: list_settings(app_config.settings),
            source_vars=lambda name: next((one.vars for one in app_config.settings.sources if one.name == name), {}),
            configured=lambda: describe_bridge(app_config.settings, app_config.mappings, app_config.destinations),
            mappings=lambda: app_config.mappings,
            mappings_folder=lambda: app_config.settings.mappings,
            reload=reload,
            route=app_config.route,
            destinations=lambda: app_config.destinations,
            make_masked=lambda name, made_by: make_masked(app_config.settings, name, made_by),
            nonce=random_letters,
            find_secret_file=lambda source: find_secret_file(app_config.settings, source),
            save_secret=lambda source, secret: save_secret(app_config.settings, app_config.mappings, source, secret),
            make_sample=lambda source: make_source_sample(
                app_config.settings, app_config.mappings, source, now=utc_now(), nonce=random_letters()
            ),
            post_webhook=partial(post_to_source, receiver),
            send_trial=partial(
                send_trial, clock=utc_now, refresh_tokens=_make_refresh_tokens(app_config.settings, store)
            ),
        )
        return guard_console(rest, deps)

    return [Middleware(OnFirstRequest, CONSOLE_PATH, make_console)]


def _make_refresh_tokens(configured: Settings, store: Store) -> RefreshTokens | None:
    return None if configured.seal_keys is None else RefreshTokens(store, configured.seal_keys, clock=utc_now)


class SingleProcessApp:
    """Both parts in one process: `http` is the application; its lifespan runs the loops and closes the store."""

    def __init__(
        self,
        configured: Settings,
        mappings: Mapping[str, LoadedMapping],
        store: Store,
        *,
        console_keys: Sequence[ConsoleKey] = (),
        reload: Callable[[], None] = lambda: None,
    ) -> None:
        self.store = store
        self.app_config = AppConfig(configured, mappings)
        metrics = Metrics()
        self._delivery = DeliverPipeline(self.app_config, store, metrics)
        self._translation = TranslatePipeline(
            self.app_config, store, metrics, made=self._delivery.delivery_loops.notify
        )
        self._created_at = time.monotonic()
        self.http = WebApp(
            self.app_config,
            store,
            metrics,
            kept=self._translation.translator.notify,
            accepted=self._delivery.delivery_loops.notify,
            loops=self._succeeded_at,
            lifespan=self._run_lifespan,
            metrics_key=configured.metrics_key,
            console_keys=console_keys,
            reload=reload,
        ).http

    def _succeeded_at(self) -> dict[str, float]:
        """When each loop last ended a round that succeeded; the time of creation where none has yet."""
        heartbeats = self._translation.heartbeats() | self._delivery.heartbeats()
        return {name: oldest_success(each, otherwise=self._created_at) for name, each in heartbeats.items()}

    @asynccontextmanager
    async def _run_lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        try:
            async with self._delivery.running(), self._translation.running():
                yield
        finally:
            await self.store.close()
