"""What all fakes share: recording, the script of moods, judging item by item, and serving on loopback.

A fake says where it is posted to, which token it takes, what is wrong with a request or an item, and how it answers.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

PATIENCE = 20.0

Mood = str | int | Mapping[str, Sequence[int]]
"""`ok`; a status such as 429 or 503; `token` (the token is no longer good); `html` (200 and a page); `cut` (the answer
ends in its middle); `redirect`; `{"bad": [1]}` (it finds fault with these items, whatever they are)."""


@dataclass(frozen=True)
class Received:
    """One request as it came; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def bearer(self) -> str:
        """The token of the Authorization header."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")


class FakePlatform:
    """A platform that takes requests of items. `settings` are what a destination needs to be taken by it."""

    kind: ClassVar[str]
    path: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]]
    most: ClassVar[int] = 1
    most_bytes: ClassVar[int] = 10_000_000

    def __init__(self, script: Sequence[Mood] = (), *, clock: Callable[[], float] = time.time) -> None:
        self.script: deque[Mood] = deque(script)
        self.clock = clock
        self.received: list[Received] = []
        self.taken: list[Any] = []
        self.faults: list[str] = []
        """All that was wrong with what came, except where the script asked for it."""
        self.dislikes = ""
        """Where it is set, an item that holds this text is bad, whatever else it is."""
        self.url = ""
        self.app = Starlette(routes=[Route("/{path:path}", self._receive, methods=["GET", "POST"])])

    @property
    def destination_url(self) -> str:
        """The `url` of a destination that sends to it: it replaces scheme, host and port of the platform's address."""
        return self.url

    # ------------------------------------------------------------------------------------------ what each fake says

    def token_fits(self, got: Received) -> bool:
        """Whether the request carries the right credentials."""
        return got.bearer == str(self.settings["token"])

    def items_of(self, got: Received) -> Any:
        """The items of a request's body; anything but a list is a malformed request."""
        return got.json.get("data") if isinstance(got.json, dict) else None

    def judge_request(self, got: Received) -> str | None:
        """What is wrong with the envelope."""
        return None

    def judge_item(self, item: Any, got: Received) -> str | None:
        """What is wrong with one item."""
        raise NotImplementedError

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        """Take the good ones, or none of them, and answer."""
        raise NotImplementedError

    def refuse_token(self) -> Response:
        """The answer to a wrong token."""
        return JSONResponse({"message": "unauthorized"}, 401)

    def refuse_rate(self) -> Response:
        """The answer to too many requests."""
        return JSONResponse({"message": "too many requests"}, 429, {"Retry-After": "7"})

    def refuse_request(self, problem: str) -> Response:
        """The answer to a malformed request."""
        return JSONResponse({"message": problem}, 400)

    # --------------------------------------------------------------------------------------------------- the machine

    async def _receive(self, request: Request) -> ASGIApp:
        headers = {name.lower(): value for name, value in request.headers.items()}
        got = Received(request.method, request.url.path, dict(request.query_params), headers, await request.body())
        self.received.append(got)
        return self.answer(got, self.script.popleft() if self.script else "ok")

    def answer(self, got: Received, mood: Mood) -> ASGIApp:  # noqa: PLR0911  one for each mood
        """What the platform answers in this mood."""
        match mood:
            case "html":
                return HTMLResponse("<html><body>We will be back soon.</body></html>")
            case "redirect":
                return Response(status_code=302, headers={"Location": "https://login.example/"})
            case "token":
                return self.refuse_token()
            case 429:
                return self.refuse_rate()
            case int():
                return Response("the upstream failed", mood)
            case "cut":
                return CutResponse(self.judge(got, ()))
            case "ok":
                return self.judge(got, ())
            case str():
                raise ValueError(f"no mood: {mood}")
        return self.judge(got, mood["bad"])

    def judge(self, got: Received, bad: Sequence[int]) -> Response:
        """Judge a request as the platform would."""
        if not got.path.startswith(self.path):
            return self._fault(f"no such address: {got.path}", Response("not found", 404))
        if not self.token_fits(got):
            return self._fault("wrong token", self.refuse_token())
        items = self.items_of(got)
        problem = self._judge_size(got, items) or self.judge_request(got)
        if problem is not None:
            return self._fault(problem, self.refuse_request(problem))
        found = {place: text for place, item in enumerate(items) if (text := self.judge_item(item, got)) is not None}
        self.faults += [f"item {place}: {text}" for place, text in found.items()]
        disliked = {place for place, item in enumerate(items) if self.dislikes and self.dislikes in json.dumps(item)}
        forced = {place: "of no use today" for place in sorted({*bad, *disliked}) if place < len(items)}
        return self.answer_items(items, dict(sorted((found | forced).items())), got)

    def _judge_size(self, got: Received, items: Any) -> str | None:
        if not isinstance(items, list) or not items:
            return "no items"
        if len(items) > self.most:
            return f"more than {self.most} items"
        return f"more than {self.most_bytes} bytes" if len(got.body) > self.most_bytes else None

    def _fault(self, text: str, response: Response) -> Response:
        self.faults.append(text)
        return response

    def take(self, items: Sequence[Any], problems: Mapping[int, str] = {}) -> list[Any]:
        """Keep the items that no problem names."""
        good = [item for place, item in enumerate(items) if place not in problems]
        self.taken += good
        return good


class CutResponse:
    """A response whose connection ends after half of its body."""

    def __init__(self, whole: Response) -> None:
        self.whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self.whole.body) or b'{"ok": true, "of": ["a list of which half is missing"]}'
        headers = [pair for pair in self.whole.raw_headers if pair[0] != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        status = 200 if self.whole.status_code == 204 else self.whole.status_code
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        raise ConnectionError("the answer is cut here")


class _PromptServer(uvicorn.Server):
    """A server that ends when it is told to: the usual one takes 0.2 s for it, in each of some hundred tests."""

    async def main_loop(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    def end_now(self) -> None:
        """From another thread, once it has started."""
        self.should_exit = self.force_exit = True
        self._loop.call_soon_threadsafe(self._ended.set)


@contextmanager
def serve_on_loopback(app: ASGIApp) -> Iterator[str]:
    """The address at which the app is served while this lasts."""
    server = _PromptServer(uvicorn.Config(app, port=0, log_config=None, lifespan="off", loop="asyncio"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not server.started:
        if time.monotonic() > deadline:
            raise TimeoutError("the fake platform does not start")
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.end_now()
        thread.join()


@contextmanager
def serving_platform(platform: FakePlatform) -> Iterator[FakePlatform]:
    """The fake, served at its `url` while this lasts."""
    with serve_on_loopback(platform.app) as platform.url:
        yield platform
