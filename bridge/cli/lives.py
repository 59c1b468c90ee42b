"""What each process of `serve` does from its fork to its end: the mill works, a worker answers.

Not concerned with who watches them, or starts them again.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

import msgspec
import uvloop
from starlette.applications import Starlette

from bridge import log, mapping
from bridge.app import Mill, Office, Outfit
from bridge.callers import Callers
from bridge.cli.server import Server
from bridge.metrics import Metrics
from bridge.processes.bells import Bells
from bridge.processes.board import Board
from bridge.processes.child import Ear
from bridge.processes.line import Line
from bridge.reload import Reloader
from bridge.settings import Settings
from bridge.store import Store
from bridge.stores import open_store

MILL = "mill"
NICE = 10
"""By how much the mill lets the workers go first: a burst must not wait for what it will come to."""
SHOWN_EVERY = 1.0
"""Seconds from one look of a process at what it has to show to the next."""
WEBHOOK, EVENT = b"w", b"e"
_LOOPS = ("translate", "forward")
_NONE: Mapping[str, datetime] = {}


@dataclass(frozen=True, slots=True)
class Shared:
    """What there is before the fork. `load` gives settings and mappings as they are now, and tells nothing."""

    outfit: Outfit
    listening: socket.socket
    callers: Callers
    bells: Bells
    board: Board
    load: Callable[[], tuple[Settings, dict[str, mapping.Mapping]]]
    is_narrow: bool
    """Whether mill and workers must share their cores."""

    def store(self, name: str) -> Store:
        """This process's own."""
        settings = self.outfit.settings
        return open_store(
            settings.store,
            ledger_window=settings.keeping.ledger,
            bounds=settings.bounds,
            crowded=lambda: self.board.press(name, now=monotonic()),
        )

    def pressed(self) -> bool:
        """Whether the workers have not cores enough for themselves just now."""
        return self.board.pressed(now=monotonic())


def mill(shared: Shared, line: Line) -> None:
    """Translate, forward and purge until told to end."""
    shared.listening.close()
    with suppress(OSError):
        os.nice(NICE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_mill(shared, line))


async def _mill(shared: Shared, line: Line) -> None:
    told = asyncio.Event()
    store, metrics = shared.store(MILL), Metrics()
    working = Mill(shared.outfit, store, metrics, pressed=shared.pressed if shared.is_narrow else lambda: False)
    shared.bells.listen({WEBHOOK: working.translator.wake, EVENT: working.forwarder.wake})
    showing = Showing(shared.board, MILL, metrics, working.alive_at)
    async with living(shared, showing, line, end=told.set) as ear:
        async with working.running():
            ear.ready()
            await told.wait()
        await store.close()


def worker(shared: Shared, name: str, line: Line) -> None:
    """Answer requests until told to end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_worker(shared, name, line))


async def _worker(shared: Shared, name: str, line: Line) -> None:
    store, metrics = shared.store(name), Metrics()
    showing = Showing(shared.board, name, metrics)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await store.close()

    office = Office(
        shared.outfit,
        store,
        metrics,
        kept=shared.bells.bell(WEBHOOK),
        accepted=shared.bells.bell(EVENT),
        loops=lambda: loops(shared.board),
        others=showing.others,
        callers=shared.callers,
        lifespan=lifespan,
    )
    server = Server(office.http)
    async with living(shared, showing, line, end=server.stop) as ear:
        serving = asyncio.create_task(server.serve(sockets=[shared.listening]))
        await server.listening()
        ear.ready()
        await serving


# ------------------------------------------------------------------------------------------------------ what all do


@asynccontextmanager
async def living(shared: Shared, showing: Showing, line: Line, *, end: Callable[[], None]) -> AsyncIterator[Ear]:
    """Hear what the parent says, follow its reloads, show the counters; `end` is called when it is over."""
    ear = Ear(showing.name, line, end=end)
    reloader = Reloader(shared.load, lambda found: shared.outfit.take(*found, tell=False), done=ear.followed)
    showing.show()
    ear.listen(reloader.ask)
    tasks = [asyncio.create_task(reloader.run()), asyncio.create_task(showing.run())]
    try:
        yield ear
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        showing.show()


class Showing:
    """What one process shows on the board: its counters, which go on from its predecessor's, and signs of life."""

    def __init__(
        self,
        board: Board,
        name: str,
        metrics: Metrics,
        alive_at: Callable[[], Mapping[str, datetime]] = lambda: _NONE,
    ) -> None:
        self.name = name
        self._board = board
        self._metrics = metrics
        self._alive_at = alive_at
        self._shown = board.pages[name].read()
        self._fits = True
        metrics.add(_read(self._shown)[1])

    async def run(self) -> None:
        """Show what has changed, once a second, until cancelled."""
        while True:
            await asyncio.sleep(SHOWN_EVERY)
            self.show()

    def show(self) -> None:
        """Show what has changed."""
        alive_at = {name: moment.timestamp() for name, moment in self._alive_at().items()}
        now = msgspec.msgpack.encode((alive_at, self._metrics.shown()))
        if now == self._shown:
            return
        self._shown = now
        fits = self._board.pages[self.name].write(now)
        if self._fits and not fits:
            log.trouble("metrics.large", process=self.name, why="its counters are too many to be added up any more")
        self._fits = fits

    def others(self) -> list[bytes]:
        """What the other processes have shown of their counters."""
        return [_read(page.read())[1] for name, page in self._board.pages.items() if name != self.name]


def loops(board: Board) -> dict[str, datetime | None]:
    """When the mill's loops last went round, None for each while there is no mill."""
    alive_at = _read(board.pages[MILL].read())[0] if board.up(MILL) else {}
    return {name: datetime.fromtimestamp(alive_at[name], UTC) if name in alive_at else None for name in _LOOPS}


def _read(shown: bytes) -> tuple[dict[str, float], bytes]:
    return msgspec.msgpack.decode(shown, type=tuple[dict[str, float], bytes]) if shown else ({}, b"")
