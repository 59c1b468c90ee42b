"""What each process of `serve` does from its fork to its end: translate, deliver, or answer requests.

The supervisor starts and restarts them. The processes of a role run together: web processes answer, and the worker's
two processes translate and deliver.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec
import uvloop
from starlette.applications import Starlette

from bridge.app import RESTS, DeliverPipeline, TranslatePipeline, WebApp, utc_now
from bridge.core import log
from bridge.core.heartbeat import Heartbeat, oldest_success
from bridge.destinations.reloadable import DestinationReload, reload_destinations
from bridge.http.api_keys import ApiKeys
from bridge.http.console_keys import ConsoleKey
from bridge.http.metrics import Metrics
from bridge.http.metrics_key import MetricsKey
from bridge.pipeline.second_translator import SecondTranslator
from bridge.pipeline.spooling import SpoolingKeeper
from bridge.runtime.balancing import ConnectionBalance
from bridge.runtime.child import ControlClient
from bridge.runtime.control_channel import ControlChannel
from bridge.runtime.defects_file import write_defects
from bridge.runtime.handover import HandoverSocket
from bridge.runtime.heartbeat_writer import HeartbeatWriter
from bridge.runtime.http_server import HttpServer
from bridge.runtime.rate_limit import SharedNodeCount
from bridge.runtime.reload import Reloader
from bridge.runtime.shared_state import SharedState
from bridge.runtime.wakeup_pipe import Wakeups
from bridge.settings import Settings
from bridge.settings.app_config import AppConfig
from bridge.settings.sources import LoadedMapping, mapping_defects
from bridge.status.configured import describe_served
from bridge.store.engines import beside_store, open_store
from bridge.store.protocol import Store
from bridge.store.spool import WebhookSpool

WEB, WORKER = "web", "worker"
"""The roles. They are always named by these words, and never guessed from what a process looks like."""
ROLES = (WEB, WORKER)
TRANSLATE, DELIVER = "worker-translate", "worker-deliver"
"""The processes of the worker."""
NICE = 15
"""By how much the workers yield to the web processes: a burst must not wait for its own translation.

The system's scheduler does that: it gives the workers what the web processes leave. A loop that rested by itself would
leave cores idle, and fall behind a load that both could take.
"""
SHOWN_EVERY = 1.0
"""Seconds from one look of a process at what it has to show to the next, and from one heartbeat to the next."""
LOOP_SILENCE = 600.0
"""Seconds without the end of a round, beyond its usual rest, after which a loop counts as hanging.

Long, because a slow disk may delay a round, and what was sent and not recorded would be sent twice after a kill.
"""
WEBHOOK, EVENT = b"w", b"e"
_NONE: Mapping[str, Sequence[Heartbeat]] = {}


@dataclass(frozen=True, slots=True)
class SharedResources:
    """What exists before the fork. `load` gives settings and mappings as they are now, and logs nothing.

    It takes the mappings in use, of which those stay whose files have errors now.
    """

    app_config: AppConfig
    listening: Sequence[socket.socket]
    """The public listener, then the one for `/metrics` alone, where there is one; none without web processes."""
    metrics_key: MetricsKey
    console_keys: Sequence[ConsoleKey]
    """Who may open the web console; nobody where it is off."""
    callers: ApiKeys
    webhooks: Wakeups
    """Wakes the process that translates."""
    events: Wakeups
    """Wakes the process that delivers."""
    board: SharedState
    loops: Callable[[], Mapping[str, float | None]]
    """When each loop last succeeded; `ReadinessCheck` asks for it."""
    shares: ConnectionBalance
    load: Callable[[Mapping[str, LoadedMapping]], tuple[Settings, dict[str, LoadedMapping]]]
    needs: Callable[[Store], Awaitable[Mapping[str, str]]]
    """What needs a person: a sentence for each cause."""
    console: HandoverSocket | None
    """Leads to the process of the web console; None where it is off, or not here."""
    node_id: str = ""
    """Of this node among those that share a server; empty for a store in a file."""
    nodes: SharedNodeCount = field(default_factory=SharedNodeCount)
    """How many nodes share the rates of API keys."""

    def open_own_store(self) -> Store:
        """This process's own."""
        settings = self.app_config.settings
        return open_store(
            settings.store,
            ledger_window=settings.keeping.ledger,
            bounds=settings.bounds,
            node_id=self.node_id,
            is_prepared=True,
        )


def run_translate_process(shared: SharedResources, line: ControlChannel) -> None:
    """Translate webhooks and purge the store until stopped."""
    _lower_priority(shared)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run_translate(shared, line))


async def _run_translate(shared: SharedResources, line: ControlChannel) -> None:
    store, metrics = shared.open_own_store(), Metrics()
    second = SecondTranslator() if len(os.sched_getaffinity(0)) > 1 else None
    loops = TranslatePipeline(shared.app_config, store, metrics, made=shared.events.make_notifier(EVENT), second=second)
    shared.webhooks.call_on_wakeup({WEBHOOK: loops.translator.notify})
    _publish_defects(shared)
    showing = StatePublisher(shared.board, TRANSLATE, metrics, loops.heartbeats)
    await _run_loops(loops, store, shared, showing, line)


def run_deliver_process(shared: SharedResources, line: ControlChannel) -> None:
    """Deliver events until stopped."""
    _lower_priority(shared)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run_deliver(shared, line))


async def _run_deliver(shared: SharedResources, line: ControlChannel) -> None:
    store, metrics = shared.open_own_store(), Metrics()
    loops = DeliverPipeline(shared.app_config, store, metrics, needs=partial(shared.needs, store))
    shared.events.call_on_wakeup({EVENT: loops.delivery_loops.notify})
    showing = StatePublisher(shared.board, DELIVER, metrics, loops.heartbeats)
    await _run_loops(loops, store, shared, showing, line)


async def _run_loops(
    loops: TranslatePipeline | DeliverPipeline,
    store: Store,
    shared: SharedResources,
    showing: StatePublisher,
    line: ControlChannel,
) -> None:
    told = asyncio.Event()
    beats = _heartbeat_writer(shared, store, showing.name, WORKER, loops.heartbeats)
    async with attached_to_supervisor(shared, showing, line, end=told.set) as ear:
        async with beats.writing(), loops.running():
            ear.send_ready()
            await told.wait()
        await store.close()


def _lower_priority(shared: SharedResources) -> None:
    """Close the listening sockets, and lower this process's priority below the web processes'."""
    for one in shared.listening:
        one.close()
    with suppress(OSError):
        os.nice(NICE)


def run_web_process(shared: SharedResources, name: str, line: ControlChannel) -> None:
    """Answer requests until stopped."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run_web(shared, name, line))


async def _run_web(shared: SharedResources, name: str, line: ControlChannel) -> None:
    store, metrics = shared.open_own_store(), Metrics()
    showing = StatePublisher(shared.board, name, metrics)

    keeper = _open_spool(shared, store)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        beats = replace(_heartbeat_writer(shared, store, name, WEB), on_nodes=shared.nodes.write_count)
        async with beats.writing(), keeper.running() if keeper else nullcontext():
            yield
        await store.close()

    public, *admin = shared.listening
    office = WebApp(
        shared.app_config,
        store,
        metrics,
        kept=shared.webhooks.make_notifier(WEBHOOK),
        accepted=shared.events.make_notifier(EVENT),
        loops=shared.loops,
        others=showing.other_counts,
        callers=shared.callers,
        lifespan=lifespan,
        stopping=lambda: any(server.should_exit for server in servers),
        metrics_key=shared.metrics_key,
        has_admin=bool(admin),
        connect=shared.console.connect if shared.console else None,
        keeper=keeper,
    )
    servers = {HttpServer(office.http, shared.shares.share_of(name)): public}
    servers |= {HttpServer(office.admin, lifespan="off"): one for one in admin}
    async with attached_to_supervisor(shared, showing, line, end=lambda: _stop_servers(servers)) as ear:
        serving = asyncio.gather(*(server.serve(sockets=[listening]) for server, listening in servers.items()))
        for server in servers:
            await server.wait_until_started()
        ear.send_ready()
        await serving


def _open_spool(shared: SharedResources, store: Store) -> SpoolingKeeper | None:
    """What keeps webhooks while the store's server is away, where that is set."""
    settings = shared.app_config.settings
    if settings.spool is None:
        return None
    spool = WebhookSpool(settings.spool, bounds=settings.bounds)
    return SpoolingKeeper(store, spool, clock=utc_now, notify=shared.webhooks.make_notifier(WEBHOOK))


def _heartbeat_writer(
    shared: SharedResources,
    store: Store,
    name: str,
    role: str,
    loops: Callable[[], Mapping[str, Sequence[Heartbeat]]] = lambda: _NONE,
) -> HeartbeatWriter:
    sources = [source.name for source in shared.app_config.sources.values() if source.has_secret]
    served = describe_served(sources, list(shared.app_config.destinations))
    return HeartbeatWriter(store, name, role, utc_now, served, shared.node_id, loops=loops)


def _stop_servers(servers: Iterable[HttpServer]) -> None:
    for server in servers:
        server.stop()


# ------------------------------------------------------------------------------------------------------ what all do


@asynccontextmanager
async def attached_to_supervisor(
    shared: SharedResources,
    showing: StatePublisher,
    line: ControlChannel,
    *,
    end: Callable[[], None],
) -> AsyncIterator[ControlClient]:
    """Listen to the supervisor, follow its reloads, publish the counters; `end` is called when it is time to stop."""
    ear = ControlClient(showing.name, line, end=end)
    served = shared.app_config
    reloader = Reloader(
        lambda: (
            *shared.load(served.mappings),
            reload_destinations(served.destinations.values(), served.settings.platforms),
        ),
        lambda found: _take_reloaded(shared, showing.name, *found),
        done=ear.send_reloaded,
    )
    showing.publish()
    ear.start_listening(reloader.request_reload)
    tasks = [
        asyncio.create_task(one) for one in (reloader.run(), showing.run(), showing.beat_until_hung(ear.send_hung))
    ]
    try:
        yield ear
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        showing.publish()


def _take_reloaded(
    shared: SharedResources,
    process: str,
    configured: Settings,
    mappings: dict[str, LoadedMapping],
    reloaded: DestinationReload,
) -> None:
    """Serve what was loaded. Raises SettingsError, and then nothing has changed."""
    shared.app_config.replace(configured, mappings, reloaded, tell=False)
    if process == TRANSLATE:
        _publish_defects(shared)


def _publish_defects(shared: SharedResources) -> None:
    """Keep beside the store which mappings have errors, for `status`: the process that translates knows it."""
    store = beside_store(shared.app_config.settings.store)
    write_defects(store, {name: str(defect) for name, defect in mapping_defects(shared.app_config.sources)})


class StatePublisher:
    """What one process publishes: its counters, which continue those of its predecessor, and heartbeats."""

    def __init__(
        self,
        board: SharedState,
        name: str,
        metrics: Metrics,
        heartbeats: Callable[[], Mapping[str, Sequence[Heartbeat]]] = lambda: _NONE,
    ) -> None:
        self.name = name
        self._board = board
        self._metrics = metrics
        self._heartbeats = heartbeats
        self._began = time.monotonic()
        self._shown = board.pages[name].read_content()
        self._before = _decode_page(self._shown)[0]
        self._fits = True
        metrics.add_counts(_decode_page(self._shown)[1])

    async def run(self) -> None:
        """Show what has changed, once a second, until cancelled."""
        while True:
            await asyncio.sleep(SHOWN_EVERY)
            self.publish()

    async def beat_until_hung(self, hangs: Callable[[str], None]) -> None:
        """Give a heartbeat each second, until cancelled; while a loop hangs give none, and say which it is."""
        while True:
            if (loop := self._hung_loop()) is None:
                self._board.add_heartbeat(self.name)
            else:
                hangs(f"its loop {loop} ended no round for {LOOP_SILENCE:.0f} s")
            await asyncio.sleep(SHOWN_EVERY)

    def _hung_loop(self) -> str | None:
        """A loop none of whose senders has ended a round for too long."""
        now = time.monotonic()
        for name, each in self._heartbeats().items():
            if now - max(one.ended_at for one in each) > LOOP_SILENCE + RESTS.get(name, 0.0):
                return name
        return None

    def publish(self) -> None:
        """Show what has changed. A loop that has not succeeded since the start last did so before it, if ever."""
        succeeded_at = {
            name: oldest_success(each, otherwise=self._before.get(name, self._began))
            for name, each in self._heartbeats().items()
        }
        now = msgspec.msgpack.encode((succeeded_at, self._metrics.encode_counts()))
        if now == self._shown:
            return
        self._shown = now
        page = self._board.pages[self.name]
        fits = page.write_content(now)
        if not fits:  # heartbeats must continue, or the process would be taken for one that hangs
            page.write_content(msgspec.msgpack.encode((succeeded_at, b"")))
        if self._fits and not fits:
            log.log_warning(
                "metrics.large", process=self.name, why="its counters are too many to be added up; /metrics lacks them"
            )
        self._fits = fits

    def other_counts(self) -> list[bytes]:
        """What the other processes have shown of their counters."""
        return [_decode_page(page.read_content())[1] for name, page in self._board.pages.items() if name != self.name]


def loop_success_times(board: SharedState) -> dict[str, float | None]:
    """When each loop last succeeded, by the monotonic clock; None for each loop of a process that does not run now."""
    found: dict[str, float | None] = {}
    for process in (TRANSLATE, DELIVER):
        shown = _decode_page(board.pages[process].read_content())[0]
        found |= shown if board.is_up(process) else dict.fromkeys(shown or [process])
    return found


class WorkerWatch:
    """What web processes can say of a worker that was started apart: when it last ran, by the monotonic clock.

    While none has been seen, that is the time of the first question.
    """

    def __init__(self, is_running: Callable[[], bool]) -> None:
        self._is_running = is_running
        self._seen_at: float | None = None

    def loop_success_times(self) -> dict[str, float | None]:
        """All its loops as one, which is called as the role is."""
        if self._seen_at is None or self._is_running():
            self._seen_at = time.monotonic()
        return {WORKER: self._seen_at}


def _decode_page(shown: bytes) -> tuple[dict[str, float], bytes]:
    return msgspec.msgpack.decode(shown, type=tuple[dict[str, float], bytes]) if shown else ({}, b"")
