"""One HTTP request to a destination, bounded in time and in the bytes that are read of its answer. It never raises.

It uses httpx's transport directly, which follows no redirect, takes no proxy or credentials from the environment and
keeps no cookies; httpx's client would add a quarter to the cost of a request.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from functools import lru_cache
from typing import cast

import httpx

from bridge import __version__
from bridge.core.delivery import Outgoing, Response
from bridge.pipeline.connection_pool import CleanPool

Send = Callable[[Outgoing], Awaitable[Response]]
"""Makes one request and returns how it ended."""

IDLE_SECONDS = 30.0
_HEADERS = {"Connection": "keep-alive", "User-Agent": f"trackbridge/{__version__}", "Accept-Encoding": "identity"}
_address = lru_cache(httpx.URL)
_MOST_CAUSES = 10


@asynccontextmanager
async def open_client(within: timedelta, trusted: ssl.SSLContext | None = None) -> AsyncIterator[Send]:
    """A function that sends over one pool of connections; a request and its answer take `within` at most.

    Each destination has its own: what is answered to one destination never reaches another, also of the same host.
    """
    trusted = trusted or load_trusted_certificates()
    http = httpx.AsyncHTTPTransport(verify=trusted, trust_env=False)
    http._pool = CleanPool(trusted, idle=IDLE_SECONDS)  # noqa: SLF001  httpx takes no pool; the one it made is unused
    async with http:

        async def send(outgoing: Outgoing) -> Response:
            return await _Exchange(outgoing).make_request(http, within)

        yield send


def load_trusted_certificates() -> ssl.SSLContext:
    """Trust the public authorities, and those that this machine trusts."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


class _Exchange:
    """One request and as much of its answer as arrived."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._sent = False
        self._status: int | None = None
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()
        self._cut = False

    async def make_request(self, http: httpx.AsyncHTTPTransport, within: timedelta) -> Response:
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._send_request(http, connecting=within.total_seconds() / 2)  # for TCP, and again for TLS
        except (TimeoutError, httpx.ConnectTimeout):
            return self._end_exchange("timeout" if self._sent else "no connection: timeout")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._end_exchange(_failure_reason(error))
        return self._end_exchange(None)

    async def _send_request(self, http: httpx.AsyncHTTPTransport, *, connecting: float) -> None:
        outgoing = self._outgoing
        request = httpx.Request(
            outgoing.method,
            _address(outgoing.url),
            headers={**_HEADERS, **outgoing.headers},
            content=outgoing.body,
            extensions={"trace": self._record_trace, "timeout": {"connect": connecting}},
        )
        async with aclosing(await http.handle_async_request(request)) as answer:
            self._status = answer.status_code
            self._headers = {name.lower(): value for name, value in answer.headers.items()}
            raw = cast("AsyncGenerator[bytes, None]", answer.aiter_raw())  # which it is, and must be closed when left
            async with aclosing(raw) as chunks:
                async for chunk in chunks:
                    self._body += chunk
                    if len(self._body) >= outgoing.most_answer:
                        self._cut = True
                        return

    async def _record_trace(self, event: str, _details: object) -> None:
        if event.endswith("send_request_body.started"):
            self._sent = True

    def _end_exchange(self, failure: str | None) -> Response:
        """Returns the answer; one without a status if there was none, or if an answer of success was cut short."""
        if self._status is None:
            return Response(None, failure=failure or "no answer", sent=self._sent)
        if failure is not None and self._status // 100 == 2:  # noqa: PLR2004  the class of success
            return Response(None, failure=f"{failure}, after {self._status} and before its answer's end", sent=True)
        text = bytes(self._body[: self._outgoing.most_answer]).decode("utf-8", "replace").replace("\0", "\ufffd")
        return Response(self._status, self._headers, text, cut=self._cut or failure is not None)


def _failure_reason(error: Exception) -> str:
    """Returns why there is no answer, in a few words without an address."""
    match error:
        case httpx.ConnectError():
            return f"no connection: {_root_cause(error)}"
        case httpx.UnsupportedProtocol() | httpx.InvalidURL() | httpx.LocalProtocolError():
            return f"no connection: the request cannot be made ({type(error).__name__})"
        case _:
            return "connection lost"


def _root_cause(error: BaseException) -> str:
    """The first cause with a text, below the exceptions that only wrap it."""
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"its certificate is not trusted ({cause.verify_message})"
            case ssl.SSLError():
                return f"TLS failed ({cause.reason or type(cause).__name__})"
            case socket.gaierror():
                return "host not found"
            case ConnectionRefusedError():
                return "refused"
            case OSError(errno=int(), strerror=str(words)):
                return words.lower()
            case BaseExceptionGroup(exceptions=[first, *_]):
                cause = first
            case None:
                break
            case _:
                cause = cause.__cause__ or cause.__context__
    return "the attempt failed"
