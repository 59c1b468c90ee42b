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
from functools import partial
from pathlib import Path

from bridge.app import AppConfig, load_configuration
from bridge.cli import streams
from bridge.cli.terminal import print_text
from bridge.core import log
from bridge.http.api_keys import ApiKeys
from bridge.http.metrics_key import keep_beside
from bridge.mapping.files import mapping_files
from bridge.runtime.balancing import ConnectionBalance
from bridge.runtime.http_server import bind_socket, socket_url
from bridge.runtime.rate_limit import SharedRateLimits
from bridge.runtime.reload import EVERY, FileWatch, reload_now
from bridge.runtime.roles import (
    DELIVER,
    TRANSLATE,
    SharedResources,
    run_deliver_process,
    run_translate_process,
    run_web_process,
)
from bridge.runtime.shared_state import SharedState
from bridge.runtime.supervisor import ChildProcess, Supervisor, SupervisorHooks
from bridge.runtime.wakeup_pipe import WakeupPipe
from bridge.runtime.watchdog import SILENCE, Watchdog
from bridge.settings import Settings, logs_json, mappings_folder, secret_name
from bridge.store.engines import check_store, open_store, reserve_store, sqlite_file

GC_THRESHOLDS = (10_000, 10, 20)
"""How seldom Python looks for garbage that refers to itself: a hundred requests make as many objects."""
SWITCH_INTERVAL = 0.0001
"""Seconds after which a thread lets go of Python's lock for another: the one that writes must not wait long for it."""

DEFAULT_WEB_PROCESSES = 2
"""Workers, unless told otherwise, where there are cores for them: one answers while another is started again."""


def run_serve(options: argparse.Namespace) -> int:
    """Serve until told to stop; 0 after a graceful stop, 1 where a process had to be killed."""
    log.start_log(as_json=logs_json(os.environ), process="supervisor")
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GC_THRESHOLDS)
    watch = FileWatch(partial(_watched_files, options.config)) if options.reload else None
    configured, mappings = load_configuration(os.environ, options.config)
    listening = bind_socket(options.host, options.port)
    admin = bind_socket(*configured.admin, setting="BRIDGE_ADMIN") if configured.admin else None
    app_config = AppConfig(configured, mappings)
    _try_the_store(configured)
    workers = [f"web-{number}" for number in range(1, (options.web or min(_count_cores(), DEFAULT_WEB_PROCESSES)) + 1)]
    shared = SharedResources(
        app_config=app_config,
        listening=listening,
        admin=admin,
        metrics_key=configured.metrics_key or keep_beside(Path(sqlite_file(configured.store))),
        callers=ApiKeys(configured.keys, pace=SharedRateLimits().make_window if len(workers) > 1 else None),
        webhooks=WakeupPipe(),
        events=WakeupPipe(),
        board=SharedState([TRANSLATE, DELIVER, *workers]),
        shares=ConnectionBalance(workers),
        load=partial(load_configuration, os.environ, options.config, tell=False),
    )
    care = SupervisorHooks(
        ready=lambda: _print_greeting(
            greeting_text(
                app_config, socket_url(listening), workers=len(workers), admin=socket_url(admin) if admin else None
            )
        ),
        mark=lambda child, up: shared.board.mark_up(child.name, up=up),
        ending=lambda: _close_listeners(listening, admin),
        reload=partial(_reload_config, app_config, options.config),
        changed=watch.has_changed if watch else None,
        every=EVERY,
        watchdog=Watchdog(shared.board.heartbeat_count, silence=SILENCE),
    )
    family = [
        ChildProcess(TRANSLATE, partial(run_translate_process, shared)),
        ChildProcess(DELIVER, partial(run_deliver_process, shared)),
    ]
    family += [ChildProcess(name, partial(run_web_process, shared, name)) for name in workers]
    _settle_down()
    return 0 if Supervisor(family, care).run() else 1


def _print_greeting(text: str) -> None:
    """Print it; who cannot read it is served all the same."""
    try:
        print_text(text, lines=True)
    except OSError:
        streams.drop_output()


def _try_the_store(configured: Settings) -> None:
    """Make it, lead it up to this version, or say why it cannot be used: once, and before there are processes."""
    reserve_store(configured.store)
    for warning in check_store(configured.store):
        log.log_warning("store.warning", why=warning)
    store = open_store(configured.store, ledger_window=configured.keeping.ledger, bounds=configured.bounds)
    asyncio.run(store.close())


def _close_listeners(*listening: socket.socket | None) -> None:
    """Take no new connection on any of them."""
    for one in listening:
        if one is not None:
            one.close()


def _reload_config(app_config: AppConfig, config: Path | None) -> bool:
    """Whether there is something that checks, for who is forked from now on, and for who is reported to follow."""
    taken = reload_now(lambda: load_configuration(os.environ, config), lambda found: app_config.replace(*found))
    _settle_down()
    return taken


def _count_cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _settle_down() -> None:
    """What serving needs stays: nobody has to walk through it again, and what nobody writes to is shared."""
    gc.collect()
    gc.freeze()


def _watched_files(config: Path | None) -> list[Path]:
    """What may change while serving: the mappings, and the settings file."""
    named = config or os.environ.get("BRIDGE_CONFIG")
    return [*mapping_files(mappings_folder(os.environ)), *([Path(named)] if named else [])]


def greeting_text(app_config: AppConfig, url: str, *, workers: int, admin: str | None = None) -> str:
    """What serve says at its start: addresses, what waits for a secret, destinations, where the store lies."""
    more = f" with {workers} web processes" if workers > 1 else ""
    if workers > _count_cores():
        more += f", more than gain anything on {_count_cores()} cores"
    lines = [f"trackbridge listens on {url}{more}", f"store: {app_config.settings.store}", "sources:"]
    width = max((len(name) for name in app_config.sources), default=0)
    named = {one.name: one for one in app_config.settings.sources}
    for name, source in sorted(app_config.sources.items()):
        mend = "its secrets in the settings file are set" if name in named else f"{secret_name(name)} is set"
        secret = "secret set" if source.has_secret else f"NO SECRET: answers 503 until {mend}"
        public = named[name].public_url if name in named else None
        lines.append(f"  {name:<{width}}  {public or f'{url}/webhooks/{name}'}  {secret}")
    lines.append("destinations:")
    for name, destination in app_config.destinations.items():
        rate = f"{destination.rate} requests a minute" if destination.rate else "no rate limit"
        lines.append(f"  {name}  {destination.address}  {rate}")
    if not app_config.destinations:
        lines.append("  none: events are kept and shown, not delivered; set BRIDGE_TRACK_URL and BRIDGE_TRACK_KEY")
    lines.append(f"metrics: {admin or url}/metrics  `trackbridge metrics` prints a scrape configuration")
    count = len(app_config.settings.keys)
    keys = f"{count} API key{'s' * (count != 1)}" if count else "NO API KEY: answers 401 until BRIDGE_API_KEYS is set"
    lines.append(f"track API: {url}/v1/track  {keys}")
    return "\n".join(lines)
