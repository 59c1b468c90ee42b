"""A real bridge in this process with its console, and a client that is or is not logged in. Not concerned with tests.

Each request is passed on over a socket, as a web process passes it on to the process of the console.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from bridge.app import SingleProcessApp
from bridge.http.body_budget import BodyBudget
from bridge.http.console_keys import ConsoleKey
from bridge.http.forwarding import RequestForwarder, answer_forwarded
from bridge.settings.load import load_configuration
from bridge.store.engines import open_store
from bridge.store.protocol import Store

OWNER, AUDITOR = "an-owners-made-up-key", "an-auditors-made-up-key"
KEYS = (
    ConsoleKey("ines", "change", hashlib.sha256(OWNER.encode()).digest()),
    ConsoleKey("auditor", "look", hashlib.sha256(AUDITOR.encode()).digest()),
)
HERE = "http://127.0.0.1:8000"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Console:
    """The bridge's application, its store, and a client of it."""

    app: Any
    store: Store
    client: httpx.AsyncClient
    root: str = "/ui"

    def browser(self, base: str = HERE, *, peer: str = "127.0.0.1") -> httpx.AsyncClient:
        """Another client, with cookies of its own."""
        transport = httpx.ASGITransport(app=self.app, client=(peer, 4711), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=base, follow_redirects=False)

    async def log_in(self, key: str = OWNER) -> httpx.Response:
        return await self.client.post(f"{self.root}/login", data={"key": key}, headers=SAME_ORIGIN)


def passing_on(app: ASGIApp) -> RequestForwarder:
    """An application that passes requests on to this one, each over a socket of its own."""
    answers = set()

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        answer = asyncio.create_task(answer_forwarded(app, *await asyncio.open_unix_connection(sock=theirs)))
        answers.add(answer)
        answer.add_done_callback(answers.discard)
        return await asyncio.open_unix_connection(sock=ours)

    return RequestForwarder(connect, BodyBudget())


def with_console(
    folder: Path,
    story: Callable[[Console], Awaitable[None]],
    *,
    settings: dict[str, str] | None = None,
    keys: tuple[ConsoleKey, ...] = KEYS,
    opened: Callable[[], Store] | None = None,
) -> None:
    """Tell a story of a bridge whose console these keys open; `opened` opens another store than a file."""

    async def whole() -> None:
        url = f"sqlite:///{folder / 'a.db'}"
        environment = {"BRIDGE_STORE": url} | (settings or {})
        configured, mappings = load_configuration(environment, None, tell=False)
        store = opened() if opened else open_store(url)
        single = SingleProcessApp(
            configured,
            mappings,
            store,
            console_keys=keys,
            reload=lambda: single.app_config.replace(
                *load_configuration(environment, None, tell=False, previous=single.app_config.mappings), tell=False
            ),
        )
        app = passing_on(single.http)
        console = Console(app, store, httpx.AsyncClient(), f"{configured.addresses.prefix}/ui")
        console.client = console.browser((configured.console.url or HERE).removesuffix(console.root))
        try:
            await story(console)
        finally:
            await store.close()

    asyncio.run(whole())
