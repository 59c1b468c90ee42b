"""The process of the web console: started when somebody first asks for a page, one for all web processes of a `serve`.

The web processes pass on what is below `/ui`. It yields to them as the workers do: a page may wait for webhooks, and no
webhook for a page. At the lowest priority nobody would see a page while both cores are busy, which is when people look.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvloop
from starlette.applications import Starlette
from starlette.types import ASGIApp

from bridge.app import GRACE, WebApp
from bridge.http.forwarding import answer_forwarded
from bridge.http.metrics import Metrics
from bridge.runtime.control_channel import ControlChannel
from bridge.runtime.handover import HandoverSocket
from bridge.runtime.roles import EVENT, NICE, WEBHOOK, SharedResources, StatePublisher, attached_to_supervisor
from bridge.runtime.supervisor import RELOAD

CONSOLE = "console"
"""The name of the process."""


def run_console_process(shared: SharedResources, line: ControlChannel) -> None:
    """Answer what the web processes pass on, until stopped."""
    for one in shared.listening:
        one.close()
    with suppress(OSError):
        os.nice(NICE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run_console(shared, line))


async def _run_console(shared: SharedResources, line: ControlChannel) -> None:
    assert shared.console is not None  # noqa: S101  there is no such process without
    store, metrics, told = shared.open_own_store(), Metrics(), asyncio.Event()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await store.close()

    web = WebApp(
        shared.app_config,
        store,
        metrics,
        kept=shared.webhooks.make_notifier(WEBHOOK),
        accepted=shared.events.make_notifier(EVENT),
        loops=shared.loops,
        lifespan=lifespan,
        has_admin=len(shared.listening) > 1,
        console_keys=shared.console_keys,
        reload=lambda: line.send_message(RELOAD),
    )
    showing = StatePublisher(shared.board, CONSOLE, metrics)
    async with (
        attached_to_supervisor(shared, showing, line, end=told.set) as ear,
        web.http.router.lifespan_context(web.http),
    ):
        answering = ForwardedConnections(shared.console, web.console)
        ear.send_ready()
        await told.wait()
        await answering.finish()


class ForwardedConnections:
    """Takes connections from now on, and answers the request of each."""

    def __init__(self, handover: HandoverSocket, app: ASGIApp) -> None:
        self._handover = handover
        self._app = app
        self._under_way: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().add_reader(handover.fileno(), self._take_waiting)

    async def finish(self) -> None:
        """Take none any more, and complete the answers that were begun."""
        asyncio.get_running_loop().remove_reader(self._handover.fileno())
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=GRACE.total_seconds())

    def _take_waiting(self) -> None:
        while (one := self._handover.accept()) is not None:
            task = asyncio.create_task(self._answer(one))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _answer(self, one: socket.socket) -> None:
        await answer_forwarded(self._app, *await asyncio.open_unix_connection(sock=one))
