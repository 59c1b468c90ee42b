"""The HTTP server on a socket that is already bound: uvicorn, stopped by us and not by its own signal handlers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Literal

import uvicorn
from starlette.applications import Starlette

from bridge.core.errors import SettingsError
from bridge.runtime.balancing import BalancedAcceptor, ConnectionShare
from bridge.runtime.http_protocol import StrictHttpProtocol

BACKLOG = 2048
RECEIVE_BUFFER = 32 * 1024
"""Bytes that the system is asked to hold of each connection until they are read; Linux doubles it.

It bounds what one read takes from a connection before anybody has asked for it, where the system would hold megabytes.
"""
SEND_BUFFER = 64 * 1024
"""Bytes of answers that the system is asked to hold of each connection until they are read; Linux doubles it.

Without it the system holds up to some megabytes for each connection whose answers nobody reads.
"""
_TICK = 1.0
"""Seconds from one Date of the answers to the next."""


class HttpServer(uvicorn.Server):
    """uvicorn, stopped by us: its own handlers would end the process by the signal instead of with status 0.

    With a `share` it accepts no more connections than its part. With `lifespan` off, the application of another server
    runs what both need.
    """

    def __init__(
        self,
        http: Starlette,
        share: ConnectionShare | None = None,
        *,
        lifespan: Literal["on", "off"] = "on",
    ) -> None:
        super().__init__(
            uvicorn.Config(
                http,
                http=_counting_protocol(share.set_count) if share else StrictHttpProtocol,
                ws="none",
                lifespan=lifespan,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the client's address is not used
                timeout_keep_alive=30,
                timeout_graceful_shutdown=20,
                backlog=BACKLOG,
            )
        )

        self._stopping = asyncio.Event()
        self._share = share

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections: as uvicorn does it, or by our own acceptor where there are several processes."""
        if self._share is None:
            await super().startup(sockets)
            return
        await super().startup([])
        acceptors = [BalancedAcceptor(one, self._make_protocol, self._share) for one in sockets or ()]
        self.servers = acceptors  # type: ignore[assignment]  # uvicorn closes them, and waits for that

    def _make_protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn has it
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    async def main_loop(self) -> None:
        """Keep the answers' Date until stopped: uvicorn's own loop wakes ten times a second to look."""
        self.should_exit |= self._stopping.is_set()
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers; the supervisor handles signals."""
        yield

    def stop(self) -> None:
        """Take nothing more from now on, answer what was taken, then end.

        One that has not started yet starts first: uvicorn leaves its lifespan open where it is stopped before.
        """
        self.should_exit = self.started
        self._stopping.set()
        for one in getattr(self, "servers", ()):
            one.close()

    async def wait_until_started(self) -> None:
        """Return once requests are answered. Raises SettingsError when the start failed."""
        while not self.started:
            if self.should_exit:
                raise SettingsError("the server could not start; see the log above")
            await asyncio.sleep(0.01)


def _counting_protocol(counted: Callable[[int], None]) -> type[StrictHttpProtocol]:
    """The protocol that reports the number of connections whenever one opens or closes."""

    class Counting(StrictHttpProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            super().connection_made(transport)
            counted(len(self.connections))

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            counted(len(self.connections))

    return Counting


def bind_socket(host: str, port: int, *, setting: str = "--port or --host") -> socket.socket:
    """A listening socket. Raises SettingsError that names the address, and the `setting` to change."""
    if not host.strip():
        raise SettingsError(f"no address to listen on; choose another {setting}, such as 127.0.0.1")
    if not host.isascii():  # the socket module would encode it by IDNA 2003, and name servers may know it by IDNA 2008
        raise SettingsError(f"a host name to listen on must be ASCII: write its xn-- form; choose another {setting}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}; choose another {setting}") from None
    listening.listen(BACKLOG)
    listening.setblocking(False)  # noqa: FBT003  the socket module names no argument
    return listening


def socket_url(listening: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
