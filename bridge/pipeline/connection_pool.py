"""Connections that answer what was asked over them: one over which more came than the answer is never used again.

An upstream that answers twice would answer the next request before that is read, and an event would count as delivered
that nobody took. httpcore looks whether an idle connection's socket is readable; what it has read already, it keeps for
the next request. This pool looks there, too, before each request.
"""

from __future__ import annotations

import ssl
from typing import Any

import httpcore
from anyio.streams.tls import TLSStream


class CleanPool(httpcore.AsyncConnectionPool):
    """As many connections as there are requests at once, each kept for `idle` seconds; HTTP/1.1 only, no proxy."""

    def __init__(self, trusted: ssl.SSLContext, *, idle: float) -> None:
        super().__init__(trusted, max_connections=None)
        self._trusted = trusted
        self._idle = idle

    def create_connection(self, origin: httpcore.Origin) -> CleanConnection:
        """Return a connection that is opened by its first request."""
        return CleanConnection(origin, self._trusted, self._idle)


class CleanConnection(httpcore.AsyncHTTPConnection):
    """A connection that closes instead of sending a request if more came than the answers to those before."""

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request, or raise `ConnectionNotAvailable`: then the pool takes another connection."""
        if self.is_idle() and (self.has_expired() or _has_surplus(self._connection)):
            await self.aclose()
            raise httpcore.ConnectionNotAvailable
        return await super().handle_async_request(request)


def _has_surplus(connection: Any) -> bool:  # noqa: ANN401  its private names are what is looked at
    """Whether bytes behind the answer were read, into whichever buffer: h11's, that of TLS, or the socket's queue.

    A connection that cannot be looked into counts as if they were; `tests/pipeline/test_connection_pool.py` then fails.
    """
    try:
        if connection._h11_state.trailing_data != (b"", False):  # noqa: SLF001  httpcore tells it nowhere else
            return True
        stream = connection._network_stream._stream  # noqa: SLF001  the same
        if isinstance(stream, TLSStream):
            tls = connection._network_stream.get_extra_info("ssl_object")  # noqa: SLF001  the same
            if tls.pending() or stream._read_bio.pending:  # noqa: SLF001  anyio tells it nowhere else
                return True
            stream = stream.transport_stream
        return bool(stream._protocol.read_queue)  # noqa: SLF001  the same
    except AttributeError:
        return True
