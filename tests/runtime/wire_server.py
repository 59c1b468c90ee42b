"""A whole bridge on a socket in a thread of its own, and raw bytes to talk to it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import uvicorn
from store_made import applied

from bridge.app import SingleProcessApp
from bridge.runtime.http_protocol import StrictHttpProtocol
from bridge.settings import Settings, SourceSettings
from bridge.settings.sources import load_mappings
from bridge.store.engines import open_store
from bridge.store.protocol import Store

SECRET = "a made-up signing secret"
ORDER = {
    "created_at": "2026-03-01T10:00:00+01:00",
    "processed_at": "2026-03-01T10:00:01+01:00",
    "currency": "EUR",
    "total_price": "404.90",
    "financial_status": "paid",
    "test": False,
    "line_items": [],
}


def signed(name: str, *headers: bytes, head: bytes = b"", chunked: bool = False) -> bytes:
    """A genuine webhook of Shopify with that id, as the bytes of its request; `head` in place of its first lines."""
    body = json.dumps(ORDER | {"id": name}).encode()
    mac = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256))
    lines = [
        head or b"POST /webhooks/shopify HTTP/1.1\r\nHost: bridge.example",
        b"Content-Type: application/json",
        b"X-Shopify-Topic: orders/paid",
        b"X-Shopify-Webhook-Id: " + name.encode(),
        b"X-Shopify-Hmac-Sha256: " + mac,
        *headers,
        b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body),
    ]
    return b"\r\n".join([*lines, b"", chunks(body) if chunked else body])


def chunks(body: bytes) -> bytes:
    """The body in two chunks, with an extension, and a trailer behind it."""
    half = len(body) // 2
    parts = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
    return parts + b"0\r\nX-Trailer: of no meaning\r\n\r\n"


@dataclass
class Answer:
    """One answer on a line."""

    status: int
    headers: dict[str, str]
    body: Any


class Line:
    """A connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reading = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reading.close()
        self._socket.close()

    def send(self, content: bytes) -> None:
        """All of it; an end that the peer has set to it is seen when reading."""
        try:
            self._socket.sendall(content)
        except (BrokenPipeError, ConnectionResetError):
            return

    def end(self) -> None:
        """Send no more."""
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self) -> Answer | None:
        """The next answer; None where the connection has ended."""
        try:
            first = self._reading.readline()
            if not first:
                return None
            headers = {}
            while line := self._reading.readline().strip():
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            is_final = not first.startswith(b"HTTP/1.1 100 ")
            content = self._reading.read(int(headers.get("content-length", "-1"))) if is_final else b""
        except ConnectionResetError:
            return None
        return Answer(int(first.split()[1]), headers, content)


@dataclass
class Wire:
    """A running bridge."""

    store: Store
    loop: asyncio.AbstractEventLoop
    port: int
    file: Path

    def connect(self) -> Line:
        return Line(self.port)

    def kept(self) -> list[str]:
        """The ids of all webhooks that are kept."""
        looking = applied(self.store)
        asyncio.run_coroutine_threadsafe(looking, self.loop).result(30)
        with closing(sqlite3.connect(self.file)) as db:
            return sorted(
                str(name, "utf-8") if isinstance(name, bytes) else name
                for (name,) in db.execute("SELECT id FROM webhooks")
            )


@contextmanager
def wired(folder: Path, protocol: type[asyncio.Protocol] = StrictHttpProtocol) -> Iterator[Wire]:
    """A bridge for Shopify over that protocol of HTTP, until the end of the block."""
    settings = Settings(
        store=f"sqlite:///{folder / 'trackbridge.db'}", sources=(SourceSettings("shopify", "shopify", (SECRET,)),)
    )
    store = open_store(settings.store)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    started = threading.Event()
    running: list[asyncio.AbstractEventLoop] = []
    servers: list[uvicorn.Server] = []

    async def serve() -> None:
        http = SingleProcessApp(settings, load_mappings(None), store).http
        server = uvicorn.Server(
            uvicorn.Config(http, http=protocol, ws="none", log_config=None, access_log=False, lifespan="on")
        )
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        servers.append(server)
        running.append(asyncio.get_running_loop())
        serving = asyncio.create_task(server._serve(sockets=[listening]))  # noqa: SLF001  a thread has no signals
        while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)
        started.set()
        await serving

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(30)
    try:
        yield Wire(store, running[0], listening.getsockname()[1], folder / "trackbridge.db")
    finally:
        servers[0].should_exit = True
        thread.join(60)
