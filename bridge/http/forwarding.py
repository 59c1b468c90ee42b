"""A request that one process of this machine passes on to another over a socket, and its answer: both ends.

The request is passed on as ASGI has it, with the address of its connection, and with its whole body, so that nothing is
parsed twice. It is sent once, and never again: whatever becomes of the other process, no action is done twice. Each
request has a connection of its own. How the two processes get it is in `runtime/handover.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from html import escape
from struct import Struct as Layout

import msgspec
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.core import log
from bridge.http.body import BodyError, answer_unread, read_body
from bridge.http.body_budget import BodyBudget

MOST_BODY = 1024 * 1024
"""Bytes of a body: a form with the largest draft of a mapping has 776 KiB."""
MOST_AT_ONCE = 64
"""Requests that a web process passes on at once: each takes two descriptors, and webhooks must never lack one."""
_SIZE = Layout(">I")
_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
_GONE = (
    "The console gave no answer: its process has ended, or could not be started. Open the page again, which starts it "
    "anew. If you sent an action, look at Actions first whether it was done. Webhooks are received, translated and "
    "delivered all the same. If this comes again, the log of `trackbridge serve` says why, in a line with "
    "process.ended."
)
_BUSY = "Too many pages of the console are being made at this moment. Try again in a few seconds."

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class ForwardedRequest(msgspec.Struct, frozen=True, array_like=True):
    """A request of HTTP; its fields are those of ASGI's scope, and the body."""

    method: str
    scheme: str
    http_version: str
    path: str
    raw_path: bytes
    root_path: str
    query_string: bytes
    headers: list[tuple[bytes, bytes]]
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None
    body: bytes


class AnswerPart(msgspec.Struct, frozen=True, array_like=True):
    """A message of an answer: the first has its status and headers, the others a piece of its body each."""

    status: int | None
    headers: list[tuple[bytes, bytes]]
    body: bytes
    more: bool


class RequestForwarder:
    """An application that passes on every request; `connect` gives a new connection to who answers it.

    Bodies are read here, within the budget and time that all bodies have.
    """

    def __init__(self, connect: Connect, budget: BodyBudget) -> None:
        self._connect = connect
        self._budget = budget
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; by 503 where nobody else does."""
        try:
            with self._budget.claim_for(scope) as claim:
                body = await read_body(receive, scope, claim=claim, limit=MOST_BODY)
                refusal = await self._forward(_encode_request(scope, body), scope, send)
        except BodyError as error:
            answer = _refuse(scope, error.status, f"The request was not taken: {error}.")
            refusal = answer_unread(Headers(scope=scope), answer)
        if refusal is not None:
            await refusal(scope, receive, send)

    async def _forward(self, request: bytes, scope: Scope, send: Send) -> Response | None:
        """Pass the request on, and its answer back; what to answer instead where none has come."""
        if self._under_way >= MOST_AT_ONCE:
            return _refuse(scope, 503, _BUSY)
        self._under_way += 1
        has_begun = False
        try:
            reader, writer = await self._connect()
            with closing(writer):
                writer.write(request)
                is_more = True
                while is_more:
                    part = msgspec.msgpack.decode(await _read_frame(reader), type=AnswerPart)
                    await send(_part_message(part))
                    has_begun, is_more = True, part.more
        except (OSError, asyncio.IncompleteReadError):
            return None if has_begun else _refuse(scope, 503, _GONE)  # the server closes an answer that was cut off
        finally:
            self._under_way -= 1
        return None


async def answer_forwarded(app: ASGIApp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the request of a connection by an application, and close it."""
    with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
        request = msgspec.msgpack.decode(await _read_frame(reader), type=ForwardedRequest)
        unread: list[Message] = [{"type": "http.request", "body": request.body, "more_body": False}]

        async def receive() -> Message:
            if unread:
                return unread.pop()
            await reader.read()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            writer.write(_encode_part(message))
            await writer.drain()

        try:
            await app(_make_scope(request), receive, send)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  the other end answers by 503 where no answer was begun
            log.log_warning("console.fault", error=type(error).__name__)


def _encode_request(scope: Scope, body: bytes) -> bytes:
    return _make_frame(
        ForwardedRequest(
            method=scope["method"],
            scheme=scope["scheme"],
            http_version=scope["http_version"],
            path=scope["path"],
            raw_path=scope.get("raw_path") or b"",
            root_path=scope.get("root_path", ""),
            query_string=scope["query_string"],
            headers=list(scope["headers"]),
            client=scope.get("client"),
            server=scope.get("server"),
            body=body,
        )
    )


def _make_scope(request: ForwardedRequest) -> Scope:
    fields = {name: getattr(request, name) for name in ForwardedRequest.__struct_fields__ if name != "body"}
    return {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "state": {}, **fields}


def _encode_part(message: Message) -> bytes:
    """A message as it is sent; the first one promises more."""
    status = message.get("status")
    more = status is not None or message.get("more_body", False)
    return _make_frame(AnswerPart(status, list(message.get("headers", ())), message.get("body", b""), more))


def _part_message(part: AnswerPart) -> Message:
    if part.status is not None:
        return {"type": "http.response.start", "status": part.status, "headers": part.headers}
    return {"type": "http.response.body", "body": part.body, "more_body": part.more}


def _make_frame(content: ForwardedRequest | AnswerPart) -> bytes:
    encoded = msgspec.msgpack.encode(content)
    return _SIZE.pack(len(encoded)) + encoded


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(_SIZE.unpack(await reader.readexactly(_SIZE.size))[0])


def _refuse(scope: Scope, status: int, text: str) -> Response:
    """A page that stands alone, or the same for programs."""
    if scope["path"].endswith(".json"):
        return JSONResponse({"error": text}, status, _HEADERS)
    page = f'<!doctype html><html lang="en"><title>trackbridge</title><h1>trackbridge</h1><p>{escape(text)}</p></html>'
    return HTMLResponse(page, status, _HEADERS)
