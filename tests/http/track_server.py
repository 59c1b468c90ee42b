"""The track API on a real socket with a real store, in a thread of its own; and raw bytes to talk to it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn
from starlette.applications import Starlette

from bridge.core.model import Route
from bridge.http import openapi
from bridge.http.track import EXCEPTION_HANDLERS, ApiKeys, track_routes
from bridge.runtime.http_protocol import StrictHttpProtocol
from bridge.store.engines import open_store
from bridge.store.protocol import Pacing, RowFilter, Store

NOW = datetime(2024, 1, 1, tzinfo=UTC)
KEY = "a-made-up-api-key"


@dataclass(frozen=True)
class Key:
    name: str
    key: str
    rate: int = 0
    scope: str | None = None
    to: tuple[str, ...] | None = None


@dataclass
class Seen:
    """What the API told those who watch it."""

    tracked_: list[tuple[str, int, int]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    woken: int = 0

    def count_track_request(self, endpoint: str, status: int, *, key: str | None, events: int, seconds: float) -> None:
        assert seconds >= 0
        self.keys.append(key)
        self.tracked_.append((endpoint, status, events))

    def notify(self) -> None:
        self.woken += 1


@dataclass
class Api:
    """A running API."""

    store: Store
    loop: asyncio.AbstractEventLoop
    port: int
    seen: Seen
    ticks: list[float]

    def post(self, path: str, body: Any = None, *, key: str | None = KEY, **more: Any) -> httpx.Response:
        headers = ({"Authorization": f"Bearer {key}"} if key is not None else {}) | more.pop("headers", {})
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, headers=headers, content=content, **more)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, f"http://127.0.0.1:{self.port}{path}", trust_env=False, timeout=20, **more)

    def connect(self) -> Line:
        return Line(self.port)

    def events(self) -> list[dict[str, Any]]:
        """The events kept, oldest first, as they are sent."""
        return [json.loads(detail.text) for row in self.rows() for detail in self.shown(row.id)]

    def sent(self) -> list[dict[str, Any]]:
        """What one claim of deliveries to `track` carries."""
        pacing = Pacing(100, 1, timedelta(), timedelta(seconds=20))
        asked = self.store.claim_deliveries("track", now=NOW, pacing=pacing)
        claimed = asyncio.run_coroutine_threadsafe(asked, self.loop).result(20)
        return [json.loads(one.text) for one in claimed.deliveries] if claimed else []

    def rows(self) -> list[Any]:
        return asyncio.run_coroutine_threadsafe(self.store.events(RowFilter()), self.loop).result(20)[::-1]

    def shown(self, public_id: str) -> list[Any]:
        return list(asyncio.run_coroutine_threadsafe(self.store.show_detail(public_id), self.loop).result(20))

    def deliveries(self) -> list[Any]:
        return asyncio.run_coroutine_threadsafe(self.store.deliveries(RowFilter()), self.loop).result(20)


@contextmanager
def serving(  # noqa: PLR0913  what a server is made of, all by name
    folder: Path,
    *keys: Key,
    store: Store | None = None,
    patience: float = 20.0,
    head_seconds: float = 20.0,
    answer_seconds: float = 20.0,
    idle_seconds: int = 30,
) -> Iterator[Api]:
    """The API for `keys` until the end of the block; `store` stands before or in place of the real one."""
    kept = store or open_store(f"sqlite:///{folder / 'track.db'}")
    seen, ticks = Seen(), [0.0]
    letters = iter(range(36**12))
    http = Starlette(
        routes=[
            *track_routes(
                store=kept,
                api_keys=ApiKeys(keys or (Key("a", KEY),)),
                route=lambda event, caller: tuple(Route(name) for name in caller.to or ("track",)),
                clock=lambda: NOW,
                nonce=lambda: f"{next(letters):012d}",
                notify=seen.notify,
                metrics=seen,
                ticks=lambda: ticks[0],
                patience=patience,
            ),
            *openapi.openapi_routes(),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
    )
    http.router.redirect_slashes = False
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # so that an answer soon waits for its reader
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        protocol = type(
            "Protocol", (StrictHttpProtocol,), {"head_seconds": head_seconds, "answer_seconds": answer_seconds}
        )
        config = uvicorn.Config(
            http, http=protocol, ws="none", log_config=None, access_log=False, timeout_keep_alive=idle_seconds
        )
        ready = threading.Event()
        server = _Server(config, ready)
        loop = asyncio.new_event_loop()

        async def run() -> None:
            await server.serve(sockets=[listening])
            await kept.close()

        thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
        thread.start()
        assert ready.wait(20)
        try:
            yield Api(kept, loop, listening.getsockname()[1], seen, ticks)
        finally:
            server.should_exit = True
            thread.join()
            loop.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()


def head(path: str, *headers: str, key: str | None = KEY) -> bytes:
    """The head of a POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *headers]
    lines += [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, "", ""]).encode()


class Line:
    """A connection, byte by byte."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self.socket.makefile("rb")

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def answer(self) -> tuple[int, dict[str, str], Any]:
        """The next answer: status, headers and the JSON of its body."""
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        content = self._file.read(int(headers.get("content-length", "0")))
        return status, headers, json.loads(content) if content else None

    def is_over(self) -> bool:
        """Whether the server closes: waits until it does, or until a byte comes."""
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()
