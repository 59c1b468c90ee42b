"""`trackbridge serve`: check everything, fork the processes, and say what is served and what is still missing.

`runtime/supervisor.py` watches the processes, `runtime/roles.py` says what each does.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

from bridge.app import utc_now
from bridge.cli import streams
from bridge.cli.environment import read_environment
from bridge.cli.greeting import count_cores, greeting_text
from bridge.cli.options import command_options, config_option, flag_option, option, option_of, read_count
from bridge.cli.terminal import print_text
from bridge.core import log
from bridge.core.errors import RoleTaken, SettingsError, StoreUnavailable
from bridge.destinations.language.files import platform_files
from bridge.destinations.reloadable import DestinationReload, reload_destinations
from bridge.destinations.self_loop import Listener
from bridge.http.api_keys import ApiKeys, SlidingWindow
from bridge.http.metrics_key import keep_beside
from bridge.mapping.files import mapping_files
from bridge.runtime.balancing import ConnectionBalance
from bridge.runtime.console_address_file import write_console_address
from bridge.runtime.console_process import CONSOLE, run_console_process
from bridge.runtime.handover import HandoverSocket
from bridge.runtime.heartbeat_writer import make_heartbeat
from bridge.runtime.http_server import bind_socket, socket_url
from bridge.runtime.node_id import keep_node_id
from bridge.runtime.rate_limit import SharedNodeCount, SharedRateLimits
from bridge.runtime.reload import EVERY, FileWatch, reload_now
from bridge.runtime.roles import (
    DELIVER,
    ROLES,
    TRANSLATE,
    WEB,
    WORKER,
    SharedResources,
    WorkerWatch,
    loop_success_times,
    run_deliver_process,
    run_translate_process,
    run_web_process,
)
from bridge.runtime.shared_state import SharedState
from bridge.runtime.supervisor import ChildProcess, Supervisor, SupervisorHooks
from bridge.runtime.wakeup_pipe import WakeupPipe, Wakeups
from bridge.runtime.wakeup_socket import WakeupSocket
from bridge.runtime.watchdog import SILENCE, Watchdog
from bridge.settings import Settings, logs_json
from bridge.settings.app_config import AppConfig
from bridge.settings.console import console_address, find_console_keys
from bridge.settings.describe import describe_bridge, find_self_loops
from bridge.settings.env_file import ENV_FILE
from bridge.settings.load import load_configuration
from bridge.settings.sources import LoadedMapping
from bridge.settings.table import DESTINATIONS, MAPPINGS
from bridge.status.processes import REFUSED
from bridge.status.read import read_status
from bridge.status.report import needs_by_cause
from bridge.store.engines import (
    beside_store,
    check_store,
    is_on_server,
    open_store,
    reserve_store,
    watch_role,
)
from bridge.store.protocol import Store
from bridge.store.spool import count_spooled, prepare_spool

GC_THRESHOLDS = (10_000, 10, 20)
"""How seldom Python looks for garbage that refers to itself: a hundred requests make as many objects."""
SWITCH_INTERVAL = 0.0001
"""Seconds after which a thread lets go of Python's lock for another: the one that writes must not wait long for it."""

MOST_WORKERS = 64
DEFAULT_WEB_PROCESSES = 2
"""Web processes, unless told otherwise, where there are cores for them: one answers while another is started again."""


def _read_port(text: str) -> int:
    number = read_count(text)
    if number > 65535:  # noqa: PLR2004  the last port there is
        raise argparse.ArgumentTypeError("a port is at most 65535")
    return number


def _read_workers(text: str) -> int:
    number = read_count(text)
    if not 1 <= number <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_WORKERS}")
    return number


@command_options
class ServeOptions:
    """The options of `serve`."""

    host: str | None = option(str, meaning="address to listen on (default: $BRIDGE_HOST, else 127.0.0.1)")
    port: int | None = option(_read_port, meaning="port to listen on (default: $BRIDGE_PORT, else 8000)")
    role: Literal["web", "worker"] | None = option_of(
        ("web", "worker"),
        meaning="start only the processes that answer requests, or those that translate and deliver (default: all)",
    )
    web: int | None = option(
        _read_workers, "N",
        meaning="processes that answer requests, beside those that translate and deliver (default: 2, on one core 1); "
        "a second one answers about 1.4 times as many webhooks on two cores",
    )  # fmt: skip
    reload: bool = flag_option("take changed mappings and destination files by itself (SIGHUP does it, too)")
    config: Path | None = config_option()


def run_serve(options: ServeOptions) -> int:
    """Serve until told to stop; 0 after a graceful stop, 1 where a process had to be killed."""
    log.start_log(as_json=logs_json(read_environment(options.config)), process="supervisor")
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GC_THRESHOLDS)
    roles = (options.role,) if options.role else ROLES
    if options.web and WEB not in roles:
        raise SettingsError("--web N is how many processes answer requests, and `--role worker` starts none: omit it")
    watch = FileWatch(partial(_watched_files, options.config)) if options.reload else None
    configured, mappings = _load_now(options.config)
    _reserve_store(configured, roles)
    listening = _bind_listeners(options, configured) if WEB in roles else []
    _require_other_destinations(configured, listening)
    app_config = AppConfig(configured, mappings)
    _try_the_store(configured)
    if listening:
        _publish_console_address(configured, listening[-1])
        _prepare_spool(configured)
    workers = _name_web_processes(options.web) if WEB in roles else []
    works = [TRANSLATE, DELIVER] if WORKER in roles else []
    keys = find_console_keys(configured.console, beside_store(configured.store)) if WEB in roles else ()
    board, nodes = SharedState([*works, *workers, *([CONSOLE] if keys else [])]), SharedNodeCount()
    with _opened_wakeups(configured.store, roles) as (webhooks, events):
        shared = SharedResources(
            app_config=app_config,
            listening=listening,
            metrics_key=configured.metrics_key or keep_beside(beside_store(configured.store)),
            console_keys=keys,
            callers=_limited_callers(configured, nodes, workers),
            nodes=nodes,
            webhooks=webhooks,
            events=events,
            board=board,
            loops=(
                partial(loop_success_times, board)
                if WORKER in roles
                else WorkerWatch(watch_role(configured.store, WORKER)).loop_success_times
            ),
            shares=ConnectionBalance(workers),
            load=partial(_load_now, options.config, tell=False),
            needs=partial(_find_needs, app_config),
            node_id=_own_node_id(configured),
            console=HandoverSocket() if keys else None,
        )
        care = SupervisorHooks(
            ready=lambda: _print_greeting(
                greeting_text(app_config, list(map(socket_url, listening)), workers=len(workers), roles=roles)
            ),
            mark=lambda child, up: board.mark_up(child.name, up=up),
            ending=lambda: _close_listeners(listening),
            reload=partial(_reload_config, app_config, options.config),
            changed=watch.has_changed if watch else None,
            every=EVERY,
            watchdog=Watchdog(board.heartbeat_count, silence=SILENCE),
        )
        _settle_down()
        name = "-".join(["supervisor", *([options.role] if options.role else [])])
        return 0 if Supervisor(list(_make_children(shared, works, workers)), care, name=name).run() else 1


def _own_node_id(configured: Settings) -> str:
    """Of this node, where the store is one that several share."""
    return keep_node_id(beside_store(configured.store)) if is_on_server(configured.store) else ""


def _limited_callers(configured: Settings, nodes: SharedNodeCount, workers: Sequence[str]) -> ApiKeys:
    """Who may call the track API; their rates hold over all web processes, and over nodes as far as they are known."""
    count = nodes.read_count
    alone = partial(SlidingWindow, nodes=count)
    return ApiKeys(configured.keys, pace=SharedRateLimits(count).make_window if len(workers) > 1 else alone)


def _prepare_spool(configured: Settings) -> None:
    """Make the folder of the spool, and say what it still has from before."""
    if configured.spool is None:
        return
    prepare_spool(configured.spool)
    if (found := count_spooled(configured.spool)).count:
        log.log_line("spool.found", webhooks=found.count, folder=str(configured.spool), then="they go to the database")


def _publish_console_address(configured: Settings, listener: socket.socket) -> None:
    """Keep it beside the store, for `trackbridge console`: the port may be one that no setting has."""
    prefix = "" if configured.admin else configured.addresses.prefix
    host, port = listener.getsockname()[:2]
    at = console_address(configured.console, (host, port), prefix=prefix) if configured.console.is_on else None
    write_console_address(beside_store(configured.store), at)


def _bind_listeners(options: ServeOptions, configured: Settings) -> list[socket.socket]:
    """The public listener, then the admin's, where one is set."""
    at = configured.addresses
    port = at.port if options.port is None else options.port
    listening = [bind_socket(at.host if options.host is None else options.host, port)]
    if configured.admin:
        listening.append(bind_socket(*configured.admin, setting="BRIDGE_ADMIN"))
    return listening


def _load_now(
    config: Path | None, previous: Mapping[str, LoadedMapping] | None = None, *, tell: bool = True
) -> tuple[Settings, dict[str, LoadedMapping]]:
    """Settings and mappings, with what `.env` holds now; `previous` are the mappings in use."""
    return load_configuration(read_environment(config), config, tell=tell, previous=previous)


async def _find_needs(app_config: AppConfig, store: Store) -> dict[str, str]:
    """What `status` says that needs a person, by its cause and subject, with the settings that a reload took last."""
    described = describe_bridge(app_config.settings, app_config.mappings)
    return needs_by_cause(await read_status(store, described, now=utc_now()))


def _reserve_store(configured: Settings, roles: Sequence[str]) -> None:
    """Have the store for these roles alone; a start that is refused is noted there, so that `status` shows it."""
    try:
        reserve_store(configured.store, roles)
    except RoleTaken as error:
        with suppress(StoreUnavailable):
            asyncio.run(_note_refused_start(configured, str(error)))
        raise


async def _note_refused_start(configured: Settings, why: str) -> None:
    store = open_store(configured.store, ledger_window=configured.keeping.ledger, bounds=configured.bounds)
    try:
        node_id = _own_node_id(configured)
        refused = make_heartbeat(f"start-{os.getpid()}", REFUSED, now=utc_now(), trouble=why, node_id=node_id)
        await store.record_heartbeat(refused)
    finally:
        await store.close()


def _require_other_destinations(configured: Settings, listening: Sequence[socket.socket]) -> None:
    """Raise SettingsError for a destination that is this bridge itself."""
    for one in listening[:1]:
        host, port = one.getsockname()[:2]
        for text in find_self_loops(configured, Listener(host, port, configured.addresses.public_url)):
            raise SettingsError(text)


def _name_web_processes(count: int | None) -> list[str]:
    return [f"{WEB}-{number}" for number in range(1, (count or min(count_cores(), DEFAULT_WEB_PROCESSES)) + 1)]


def _make_children(shared: SharedResources, works: Sequence[str], workers: Sequence[str]) -> Iterator[ChildProcess]:
    """The processes of each role that is started here."""
    run = {TRANSLATE: run_translate_process, DELIVER: run_deliver_process}
    for name in works:
        yield ChildProcess(name, partial(run[name], shared))
    for name in workers:
        yield ChildProcess(name, partial(run_web_process, shared, name))
    if shared.console is not None:
        yield ChildProcess(CONSOLE, partial(run_console_process, shared), shared.console)


@contextmanager
def _opened_wakeups(store: str, roles: Sequence[str]) -> Iterator[tuple[Wakeups, Wakeups]]:
    """What wakes the process that translates, and the one that delivers.

    Roles of one `serve` have pipes; where they are started apart, the worker listens at sockets beside the store.
    """
    if len(roles) > 1:
        yield WakeupPipe(), WakeupPipe()
        return
    path = beside_store(store)
    webhooks, events = (WakeupSocket(path.with_name(f".{path.name}.{name}.sock")) for name in ("webhooks", "events"))
    if WORKER in roles:
        webhooks.bind_listener()
        events.bind_listener()
    try:
        yield webhooks, events
    finally:
        webhooks.delete_listener()
        events.delete_listener()


def _print_greeting(text: str) -> None:
    """Print it; who cannot read it is served all the same."""
    try:
        print_text(text, lines=True)
    except OSError:
        streams.drop_output()


def _try_the_store(configured: Settings) -> None:
    """Make it, lead it up to this version, or say why it cannot be used: once, and before there are processes.

    Another role may do the same at the same moment: each step is one transaction.
    """
    for warning in check_store(configured.store):
        log.log_warning("store.warning", why=warning)
    store = open_store(configured.store, ledger_window=configured.keeping.ledger, bounds=configured.bounds)
    asyncio.run(store.close())


def _close_listeners(listening: Sequence[socket.socket]) -> None:
    """Take no new connection on any of them."""
    for one in listening:
        one.close()


def _reload_config(app_config: AppConfig, config: Path | None) -> bool:
    """Whether there is something that checks, for who is forked from now on, and for who is reported to follow."""

    def load() -> tuple[Settings, dict[str, LoadedMapping], DestinationReload]:
        found = _load_now(config, app_config.mappings)
        reloaded = reload_destinations(app_config.destinations.values(), app_config.settings.platforms)
        reloaded.log_refused()
        return (*found, reloaded)

    taken = reload_now(load, lambda found: app_config.replace(*found))
    _settle_down()
    return taken


def _settle_down() -> None:
    """What serving needs stays: nobody has to walk through it again, and what nobody writes to is shared."""
    gc.collect()
    gc.freeze()


def _watched_files(config: Path | None) -> list[Path]:
    """What may change while serving: the mappings, the destination files, and the settings file."""
    environment = read_environment(config)
    named = config or environment.get("BRIDGE_CONFIG")
    files = [Path(named), Path(named).with_name(ENV_FILE)] if named else []
    return [*mapping_files(MAPPINGS.read(environment)), *platform_files(DESTINATIONS.read(environment)), *files]
