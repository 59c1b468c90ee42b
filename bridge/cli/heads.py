"""A connection whose request's head does not come in time, or never ends, is closed: it must not fill the server.

One on which nothing is asked for long is closed as well, as uvicorn would. Not concerned with bodies, whose time is
counted where they are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 30.0
"""Seconds that a head may take, from the connection or from the head's first byte on one that was answered before."""
HEAD_BYTES = 64 * 1024
_TOO_LARGE = b'{"success":false,"error":"the head of the request is too large; send fewer and shorter headers"}'
_ANSWER = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
) % (len(_TOO_LARGE), _TOO_LARGE)


class Clock:
    """Calls `over` once `seconds` have passed since it was last set. `since` is when that was, None stops it.

    Its timer is made once for many settings: one for each would cost every request.
    """

    __slots__ = ("_loop", "_over", "_seconds", "_timer", "since")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, over: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._over = over
        self._timer: asyncio.TimerHandle | None = None
        self.since: float | None = None

    def set(self) -> None:
        """Count from now on."""
        self.since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def end(self) -> None:
        """Never call again, and let go of who would be called."""
        self.since, self._over = None, _nothing
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self.since is None:
            return
        left = self.since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._over()


def _nothing() -> None:
    """What a clock that has ended calls."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with two clocks: one runs while a head is awaited, the other while none has begun."""

    head_seconds = HEAD_SECONDS
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first head."""
        super().connection_made(transport)
        self._awaited = Clock(self.loop, self.head_seconds, self._too_slow)
        self._idle = Clock(self.loop, self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self._awaited.set()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head that is awaited has become too large."""
        self._idle.since = None
        super().data_received(data)
        self._head = 0 if self._awaited.since is None else self._head + len(data)
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            if not self._is_answering():
                self.transport.write(_ANSWER)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Wait for the head that begins here."""
        super().on_message_begin()
        if self._awaited.since is None:
            self._awaited.set()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._awaited.since = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Answered: the next request's turn where it is there already, else it is waited for.

        As uvicorn has it, but for its timer, which it makes and cancels for each request.
        """
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
            self._idle.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nothing to wait for."""
        self._awaited.end()
        self._idle.end()
        super().connection_lost(exc)

    def _too_slow(self) -> None:
        """Close where a head has taken too long, unless an earlier request on this connection is still answered."""
        if self._is_answering():
            self._awaited.set()
        elif not self.transport.is_closing():
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete
