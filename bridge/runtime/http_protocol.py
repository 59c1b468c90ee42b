"""HTTP on one connection: uvicorn's protocol with time limits, strict where two parsers could disagree.

A connection is closed when a request's head takes too long, when it is idle for too long, or when its answers are not
read. A request that offers an upgrade is answered as any other. How long a body may take is limited in `http/body`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from datetime import UTC, datetime
from itertools import islice
from typing import ClassVar

import httptools
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from bridge.core import json_text, log
from bridge.runtime import request_head
from bridge.runtime.deadline_timer import DeadlineTimer
from bridge.runtime.request_head import HEAD_BYTES, HEADERS, HeadRefused

HEAD_SECONDS = 30.0
"""Seconds that a head may take, from the connection or from the head's first byte on one that was answered before."""
ANSWER_SECONDS = 30.0
"""Seconds that bytes of an answer may wait for their reader."""
SLICE = 16 * 1024
"""Bytes that the parser is given at once, so that limits are looked at between them."""
PIPELINED = 8
"""Requests that may wait behind the one that is being answered; proxies send none."""
LONG_HEAD = 8 * 1024
"""Bytes of an unfinished head from which on it counts as long; those of providers have one or two thousand."""
LONG_HEADS = 128
"""Long heads that may be unfinished at once in a process; one more closes the connection of the oldest."""
CONNECTIONS = 4096
"""Connections of a process; one more closes, of a few that wait for a request, the one that has waited longest."""
_LOOKED_AT = 16
_CONTROLS = {b"connection", b"proxy-connection"}
_MEND = "correct the proxy or client that sends this; what strangers send needs nothing"
_FORGET = struct.pack("ii", 1, 0)
"""The socket option SO_LINGER, on, for no second."""


class StrictHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with three deadline timers.

    One runs while a head is awaited, one while no head has begun, and one while bytes of an answer are not read. One
    of them always runs, except while a request is being answered; what answers it limits that time.
    """

    head_seconds = HEAD_SECONDS
    answer_seconds = ANSWER_SECONDS
    _seldom = log.RateLimitedLog()
    _long_heads: ClassVar[dict[StrictHttpProtocol, None]] = {}
    """The connections of this process whose long head is unfinished, the oldest first."""
    _received = 0
    """Bytes received since the last complete head, piece of a body or request; up to SLICE too few."""
    _is_offer = False
    _has_ended = False
    _refusal: HeadRefused | None = None
    _before: RequestResponseCycle | None = None
    """The request before the newest one, where the newest waits for its answer."""
    _running: RequestResponseCycle | None = None
    """The request that is being answered, or was last; those that wait behind it are in `pipeline`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first head."""
        super().connection_made(transport)
        self._awaited = DeadlineTimer(self.loop, self.head_seconds, self._too_slow)
        self._idle = DeadlineTimer(self.loop, self.timeout_keep_alive, self._close_after_answers)
        self._unread = DeadlineTimer(self.loop, self.answer_seconds, self._abort_connection)
        self._awaited.restart()
        if len(self.connections) > CONNECTIONS:
            self._close_one_that_waits()

    def data_received(self, data: bytes) -> None:
        """Read on, slice by slice, until something is refused: from then on nothing of the connection is read."""
        self._idle.since = None
        try:
            for start in range(0, len(data), SLICE):
                if self._has_ended or self.transport.is_closing():
                    return
                self._feed_parser(data[start : start + SLICE] if len(data) > SLICE else data)
        except httptools.HttpParserError:
            self._refuse_request(self._refusal or HeadRefused("this is no HTTP/1.1 request"))
        except HeadRefused as refusal:
            self._refuse_request(refusal)
        if self._received > LONG_HEAD or self in self._long_heads:
            self._count_long_head()
        if self._awaited.since is None and not self._is_answering():
            self._idle.restart()  # these bytes began no request: blank lines, or the rest of a body that was not needed

    def _count_long_head(self) -> None:
        """Note whether this connection's head is long and unfinished; where there are too many, close the oldest's."""
        if self._awaited.since is None or self._received <= LONG_HEAD:
            self._long_heads.pop(self, None)
            return
        self._long_heads[self] = None
        if len(self._long_heads) > LONG_HEADS:
            oldest = next(iter(self._long_heads))
            del self._long_heads[oldest]
            oldest._abort_connection()  # noqa: SLF001  another of this class

    def _close_one_that_waits(self) -> None:
        waiting = [
            one
            for one in islice(self.connections, _LOOKED_AT)
            if isinstance(one, StrictHttpProtocol) and one is not self and one._waits_since() is not None  # noqa: SLF001
        ]
        if waiting:
            min(waiting, key=lambda one: one._waits_since() or 0)._abort_connection()  # noqa: SLF001  as above

    def _waits_since(self) -> float | None:
        """Since when it waits for a request, None if it does not."""
        if self._is_answering() or self.transport.is_closing():
            return None
        return self._idle.since if self._awaited.since is None else self._awaited.since

    def _feed_parser(self, data: bytes) -> None:
        self._received += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_offer(data[upgrade.args[0] :])
        if self._received > HEAD_BYTES or (self._received and len(self.headers or ()) > HEADERS):
            raise request_head.too_large()

    def _read_offer(self, rest: bytes) -> None:
        """Read a request that offers an upgrade, from its head on, as one that does not.

        llhttp takes such a request for ended where its head ends; its body would be read as the next request.
        """
        self._is_offer = False
        method, version = self.parser.get_method(), self.parser.get_http_version()
        head = request_head.without_offer(method, version, self.url, self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self.parser.feed_data(head)
        self._feed_parser(rest)

    def on_message_begin(self) -> None:
        """Wait for the head that begins here."""
        super().on_message_begin()
        if self._awaited.since is None:
            self._awaited.restart()

    def on_headers_complete(self) -> None:
        """The head is there: refuse it, or begin to answer."""
        try:
            request_head.check_head(
                self.parser.get_method(),
                self.parser.get_http_version(),
                self.url,
                self.headers,
                is_long=self._received > HEAD_BYTES - SLICE,
            )
            self._check_pipeline()
        except HeadRefused as refusal:
            self._refusal = refusal
            raise
        if self.parser.should_upgrade():
            self._is_offer = True
            return
        self._received = 0
        self._awaited.since = None
        self._before = self.cycle if self._is_answering() else None
        if self.url[:1] != b"/":
            self.url = request_head.origin_form(self.url)
        if self.expect_100_continue and self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # RFC 9110 §10.1.1
        super().on_headers_complete()
        self.headers = []  # for trailers, which are none of the request's (RFC 9110 §6.5)

    def _check_pipeline(self) -> None:
        if len(self.pipeline) >= PIPELINED:
            raise HeadRefused("too many requests wait for their answer on this connection", status=503)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]  # as uvicorn has it
        self._running = cycle
        super()._start_asgi_task(cycle, app)  # type: ignore[arg-type]  # the same

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._received = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has ended, unless it is one that is read again."""
        if self._is_offer:
            return
        self._received = 0
        if self.headers:
            self._check_trailers()
        super().on_message_complete()
        if not self._is_answering():
            self._awaited.since = None

    def _check_trailers(self) -> None:
        """Refuse trailers that control the connection (RFC 9110 §6.5.1).

        Behind one with *close* the parser would skip all further requests, and none would get an answer.
        """
        for name, _ in self.headers:
            if name in _CONTROLS:
                self._refusal = HeadRefused(f"{name.decode()} is no trailer (RFC 9110 §6.5.1)")
                raise self._refusal

    def on_response_complete(self) -> None:
        """Answered: the next request's turn where it is there already, else it is waited for.

        The rest of a body that was not needed for the answer is awaited as a head is. As uvicorn has it, but for its
        timer, which it makes and cancels for each request.
        """
        if self.transport.is_closing():
            self._unread.restart()
            super().on_response_complete()
        elif self.pipeline:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
            (self._awaited if self.cycle.more_body else self._idle).restart()

    def pause_writing(self) -> None:
        """So much of an answer waits for its reader that more of it must wait, too."""
        super().pause_writing()
        self._unread.restart()

    def resume_writing(self) -> None:
        """Reading continues."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._unread.since = None

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes it so
        """Answer the requests that were complete before the sender stopped.

        True keeps the connection open until then.
        """
        self._has_ended = True
        last = self._last_whole()
        if last is not None:
            last.keep_alive = False
        return last is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nothing to wait for."""
        self._long_heads.pop(self, None)
        self._awaited.cancel()
        self._idle.cancel()
        self._unread.cancel()
        if self._running is not None:
            self._running.disconnected = True  # uvicorn tells the newest request only
            self._running.message_event.set()
        super().connection_lost(exc)

    def _refuse_request(self, refusal: HeadRefused) -> None:
        """Read no more of this connection, and close it once the earlier requests are answered."""
        self._has_ended = True
        self._seldom.warn("http.refused", now=datetime.now(UTC), reason=str(refusal), mend=_MEND)
        last = self._last_whole()
        if last is not None:
            last.keep_alive = False
            return
        if not self.pipeline and not (self._is_answering() and self.cycle.response_started):
            self.transport.write(_refusal_bytes(refusal))
        if self._is_answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._close_after_answers()

    def _last_whole(self) -> RequestResponseCycle | None:
        """The last complete request that waits for its answer; one behind it that is cut off is forgotten."""
        if not self._is_answering():
            return None
        if not self.cycle.more_body:
            return self.cycle
        if self.pipeline and self._before is not None:
            self.pipeline.popleft()
            self.cycle = self._before
            return self.cycle
        return None

    def _too_slow(self) -> None:
        """Close where a head has taken too long, unless an earlier request on this connection is still answered."""
        if self._is_answering():
            self._awaited.restart()
        else:
            self._close_after_answers()

    def _close_after_answers(self) -> None:
        """Close once the answers are read, at the latest after they were not read for long."""
        if not self.transport.is_closing():
            self._unread.restart()
            self.transport.close()

    def _abort_connection(self) -> None:
        """Close at once, and let the system forget what was not read: up to some megabytes for each connection."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FORGET)
        self.transport.abort()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


def _refusal_bytes(refusal: HeadRefused) -> bytes:
    content = json_text.write_json({"success": False, "error": str(refusal)})
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(content)
    return STATUS_LINE[refusal.status] + head + content
