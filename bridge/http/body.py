"""A request's body, counted while it arrives, and the answer to a request whose body has not been read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from typing import ClassVar, Protocol, cast

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

PATIENCE = 30.0
"""Seconds that a body may take to arrive."""
WASTE = 4 * 1024 * 1024
"""Bytes of an unwanted body that are read and thrown away, so that its sender sees the answer."""
WASTE_SECONDS = 2.0
WASTED_AT_ONCE = 32
"""Unwanted bodies that a process reads at once: if more arrive it is under attack, and closes without reading."""
SMALL = 64 * 1024
"""Bytes of a small body: what the server throws away by itself at no cost, and what a budget keeps room for."""


class BodyError(Exception):
    """A body that is not accepted.

    Its text is for the caller, whom `answer_unread` answers with `status` and `headers`. `reason` is one word, for
    counting.
    """

    status: ClassVar[int] = 400
    reason: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}


class BodyTooLarge(BodyError):
    """The body has more bytes than allowed, or declares more."""

    status = 413
    reason = "too_large"


class BodyTooSlow(BodyError):
    """The body took too long to arrive."""

    status = 408
    reason = "too_slow"


class BodyEncoded(BodyError):
    """The body is compressed, or otherwise encoded."""

    status = 415
    reason = "encoded"


class BodyCutOff(BodyError):
    """The caller closed the connection before the body was complete. Nobody will see the answer."""

    reason = "cut_off"


class BodyClaim(Protocol):
    """The share of a body in the memory for bodies, as `bridge.http.body_budget.BudgetClaim`.

    Its methods raise BodyError.
    """

    def expect_size(self, size: int) -> None:
        """The request declares a body of `size` bytes."""
        ...

    def start_receiving(self, size: int, *, drop: Callable[[], None]) -> None:
        """The body is waited for until `drop` is called; it declares `size` bytes, 0 if none."""
        ...

    def add_bytes(self, size: int) -> None:
        """`size` more bytes of it have arrived."""
        ...

    def mark_complete(self) -> None:
        """All of it has arrived."""
        ...


async def read_body(
    receive: Receive, scope: Scope, *, claim: BodyClaim, limit: int, seconds: float = PATIENCE
) -> bytes:
    """The whole body of the request of that scope, at most `limit` bytes of it within `seconds`. Raises BodyError.

    A `Content-Length` beyond the limit, or beyond what the claim may hold, is refused before a byte is asked for. What
    is returned is counted by the claim, which the caller releases when the body is no longer held.
    """
    declared = _declared_length(scope["headers"])
    if declared > limit:
        raise _too_large(limit)
    claim.expect_size(declared)
    message, step = None, None
    receiving = receive().__await__()
    try:
        step = next(receiving)
    except StopIteration as done:
        message = done.value
        if not message.get("more_body", False):  # it is there already, as most are, and needs no timeout
            body = _check_limit(limit, _chunk_of(message))
            claim.add_bytes(len(body))
            return body
    try:
        async with asyncio.timeout(seconds) as clock:
            claim.start_receiving(declared, drop=partial(_end_wait, clock))
            return await _read_chunks(message or await StartedMessage(receiving, step), receive, claim, limit)
    except TimeoutError:
        claim.add_bytes(0)  # raises BodyError if it was dropped, not timed out
        raise BodyTooSlow(f"the body took longer than {seconds:g} s; send it again") from None


def _end_wait(clock: asyncio.Timeout) -> None:
    """End the wait now, as if its time was over."""
    if not clock.expired():
        clock.reschedule(0)


async def _read_chunks(message: Message, receive: Receive, claim: BodyClaim, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        chunk = _chunk_of(message)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        claim.add_bytes(len(chunk))
        chunks.append(chunk)
        if not message.get("more_body", False):
            claim.mark_complete()
            return b"".join(chunks)
        message = await receive()


def _chunk_of(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise BodyCutOff("the request ended before its body did")
    chunk: bytes = message.get("body", b"")
    return chunk


def _check_limit(limit: int, body: bytes) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


class StartedMessage:
    """A pending `receive()` call that was started by hand, so that it can be awaited from there on."""

    def __init__(self, receiving: Generator[object, object, Message], step: object) -> None:
        self._steps = receiving
        self._step = step

    def __await__(self) -> Generator[object, object, Message]:
        try:
            yield self._step
        except BaseException as error:  # noqa: BLE001  any error is for the receiver to handle
            try:
                yield self._steps.throw(error)
            except StopIteration as done:  # it was cancelled, but returned a message
                return cast("Message", done.value)
        return (yield from self._steps)


def require_unencoded(headers: Headers) -> None:
    """Raises BodyEncoded for a body that is compressed or otherwise not sent as it is."""
    encodings = ",".join(headers.getlist("content-encoding")).lower().split(",")
    for encoding in encodings:
        if encoding.strip() not in {"", "identity"}:
            raise BodyEncoded("a Content-Encoding is not taken; send the body as it is")


def answer_unread(headers: Headers, response: Response) -> Response:
    """`response` as the answer to a request whose body has not been read, or not to its end.

    If the body is small or there is none, the server drops it by itself and the connection stays open; but not if the
    caller waits for `100 Continue`, and may never send it.
    """
    small = "transfer-encoding" not in headers and _declared_length(headers.raw) <= SMALL
    sure = "expect" not in headers and response.status_code != BodyTooSlow.status
    return response if small and sure else PartingResponse(response)


class PartingResponse(Response):
    """An answer that is sent whole while the request's body may still be arriving.

    What still arrives is read and dropped for a while, so that a caller who is still sending sees the answer; then the
    connection closes. If WASTED_AT_ONCE bodies are being read so already, it closes at once, and a caller who sends may
    miss the answer: reading for hundreds of strangers would take the time that genuine requests need.
    """

    under_way: ClassVar[int] = 0

    def __init__(self, response: Response) -> None:
        super().__init__(response.body, response.status_code)
        self.raw_headers = [*response.raw_headers, (b"connection", b"close")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  any response is called so
        """Answer, then let the body run out."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        if PartingResponse.under_way < WASTED_AT_ONCE:
            PartingResponse.under_way += 1
            try:
                await _drop_rest(receive)
            finally:
                PartingResponse.under_way -= 1
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drop_rest(receive: Receive) -> None:
    try:
        async with asyncio.timeout(WASTE_SECONDS):
            left = WASTE
            while left > 0:
                size = _size_to_drop(await receive())
                if size is None:
                    return
                left -= size
    except TimeoutError:
        return


def _size_to_drop(message: Message) -> int | None:
    """Returns the bytes of a message that more will follow, else None. The message itself is not kept."""
    if message["type"] == "http.disconnect" or not message.get("more_body", False):
        return None
    return len(message.get("body", b""))


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is over {limit} bytes; send less")


def _declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Returns the value of `Content-Length`, 0 if there is none: the server has refused any that is no number."""
    for name, length in headers:
        if name == b"content-length":
            return int(length[:20]) if length.isdigit() else 0
    return 0
