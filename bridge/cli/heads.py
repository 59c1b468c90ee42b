"""A connection whose request's head does not come in time, or never ends, is closed: it must not fill the server.

Not concerned with bodies, whose time is counted where they are read, or with idle connections, which uvicorn closes.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 30.0
"""Seconds that a head may take, from the connection or from the head's first byte on one that was answered before."""
HEAD_BYTES = 64 * 1024
_TOO_LARGE = b'{"success":false,"error":"the head of the request is too large; send fewer and shorter headers"}'
_ANSWER = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
) % (len(_TOO_LARGE), _TOO_LARGE)


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, and a clock that runs while a head is awaited.

    The clock is set once for many heads: setting one for each would cost every request.
    """

    head_seconds = HEAD_SECONDS
    _clock: asyncio.TimerHandle | None = None
    _since: float | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head that is awaited has become too large."""
        super().data_received(data)
        self._head = 0 if self._since is None else self._head + len(data)
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            if not self._is_answering():
                self.transport.write(_ANSWER)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Wait for the head that begins here."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._since = None
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nothing to wait for."""
        if self._clock is not None:
            self._clock.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._since is None:
            self._since = self.loop.time()
        if self._clock is None:
            self._clock = self.loop.call_later(self.head_seconds, self._look)

    def _look(self) -> None:
        """Close where a head has taken too long, unless an earlier request on this connection is still answered."""
        self._clock = None
        if self._since is None:
            return
        left = self._since + self.head_seconds - self.loop.time()
        if self._is_answering():
            left = self.head_seconds
        if left > 0:
            self._clock = self.loop.call_later(left, self._look)
        elif not self.transport.is_closing():
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete
