"""`trackbridge serve`: one process that receives, translates and forwards, until SIGTERM or Ctrl-C.

Says at its start what it serves and what is still missing. Not concerned with what any of the parts do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
import uvloop
from starlette.applications import Starlette

from bridge import log
from bridge.app import Bridge, configure
from bridge.cli.heads import PatientProtocol
from bridge.errors import SettingsError
from bridge.mapping.files import mapping_files
from bridge.reload import Reloader
from bridge.settings import mappings_folder, secret_name
from bridge.stores import open_store

BACKLOG = 2048
COLLECTING = (10_000, 10, 20)
"""How seldom Python looks for garbage that refers to itself: a hundred requests make as many objects."""
HANDOVER = 0.0001
"""Seconds after which a thread lets go of Python's lock for another: the one that writes must not wait long for it."""


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop; 0 after a graceful stop."""
    log.start()
    sys.setswitchinterval(HANDOVER)
    gc.set_threshold(*COLLECTING)
    configured, mappings = configure(os.environ, options.config)
    listening = bind(options.host, options.port)
    store = open_store(configured.store, ledger_window=configured.keeping.ledger, bounds=configured.bounds)
    bridge = Bridge(configured, mappings, store)
    server = Server(bridge.http)
    gc.collect()
    gc.freeze()  # what serving needs stays; nobody has to walk through it again
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(server, listening, bridge, options))
    return 0


async def _until_stopped(server: Server, listening: socket.socket, bridge: Bridge, options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    reloader = Reloader(
        lambda: configure(os.environ, options.config),
        lambda found: bridge.take(*found),
        files=lambda: _files(options.config),
    )
    loop.add_signal_handler(signal.SIGHUP, reloader.ask)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await server.listening()
    print(greeting(bridge, address(listening)), flush=True)
    loops = [reloader.run(), reloader.watch()] if options.reload else [reloader.run()]
    reloading = [asyncio.create_task(one) for one in loops]
    try:
        await serving
    finally:
        for task in reloading:
            task.cancel()
        await asyncio.gather(*reloading, return_exceptions=True)


def _files(config: Path | None) -> list[Path]:
    """What may change while serving: the mappings, and the settings file."""
    named = config or os.environ.get("BRIDGE_CONFIG")
    return [*mapping_files(mappings_folder(os.environ)), *([Path(named)] if named else [])]


class Server(uvicorn.Server):
    """uvicorn, stopped by us: its own handlers would end the process by the signal instead of with status 0."""

    def __init__(self, http: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                http,
                http=PatientProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=20,
                backlog=BACKLOG,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield

    def stop(self) -> None:
        """Answer what was taken, then end."""
        self.should_exit = True

    async def listening(self) -> None:
        """Return once requests are answered. Raises SettingsError when the start failed."""
        while not self.started:
            if self.should_exit:
                raise SettingsError("the server could not start; see the log above")
            await asyncio.sleep(0.01)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises SettingsError that names the address and the mend."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port or --host"
        ) from None
    listening.listen(BACKLOG)
    listening.setblocking(False)  # noqa: FBT003  the socket module names no argument
    return listening


def address(listening: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def greeting(bridge: Bridge, url: str) -> str:
    """What serve says at its start: addresses, what waits for a secret, destinations, where the store lies."""
    lines = [f"trackbridge listens on {url}", f"store: {bridge.settings.store}", "sources:"]
    width = max((len(name) for name in bridge.sources), default=0)
    named = {one.name: one for one in bridge.settings.sources}
    for name, source in sorted(bridge.sources.items()):
        mend = "its secrets in the settings file are set" if name in named else f"{secret_name(name)} is set"
        secret = "secret set" if source.has_secret else f"NO SECRET: answers 503 until {mend}"
        public = named[name].public_url if name in named else None
        lines.append(f"  {name:<{width}}  {public or f'{url}/webhooks/{name}'}  {secret}")
    lines.append("destinations:")
    for name, destination in bridge.destinations.items():
        rate = f"{destination.rate} requests a minute" if destination.rate else "no rate limit"
        lines.append(f"  {name}  {destination.address}  {rate}")
    if not bridge.destinations:
        lines.append("  none: events are kept and shown, not delivered; set BRIDGE_TRACK_URL and BRIDGE_TRACK_KEY")
    count = len(bridge.settings.keys)
    keys = f"{count} API key{'s' * (count != 1)}" if count else "NO API KEY: answers 401 until BRIDGE_API_KEYS is set"
    lines.append(f"track API: {url}/v1/track  {keys}")
    return "\n".join(lines)
