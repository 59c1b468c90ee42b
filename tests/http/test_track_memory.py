"""A body that is too large: refused while it comes, and nothing of it is held on to."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from track_server import KEY, NOW, Key, Seen

from bridge.contract import REQUEST_BYTES
from bridge.http.body_budget import BodyBudget
from bridge.http.track import EXCEPTION_HANDLERS, ApiKeys, track_routes
from bridge.store.protocol import Store

CHUNK = 64 * 1024
Message = MutableMapping[str, Any]


class Chunk(bytes):
    """Bytes that count how many of their kind somebody holds."""

    held = 0

    def __del__(self) -> None:
        Chunk.held -= 1


class Sender:
    """A caller who goes on sending for a while after the answer, as the server sees one."""

    def __init__(self, chunks: int) -> None:
        self.left = chunks
        self.most = 0
        self.most_after_the_answer = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        self.most = max(self.most, Chunk.held)
        if self.sent:
            self.most_after_the_answer = max(self.most_after_the_answer, Chunk.held)
        self.left -= 1
        chunk = Chunk(CHUNK)
        Chunk.held += 1
        return {"type": "http.request", "body": chunk, "more_body": self.left > 0}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


def asked(sender: Sender, *headers: tuple[bytes, bytes], budget: BodyBudget | None = None) -> None:
    track = track_routes(
        store=cast("Store", None),
        api_keys=ApiKeys([Key("a", KEY)]),
        route=lambda _event, _caller: (),
        clock=lambda: NOW,
        nonce=lambda: "000000000000",
        notify=lambda: None,
        metrics=Seen(),
        budget=budget,
    )
    http = Starlette(routes=track, exception_handlers=EXCEPTION_HANDLERS)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/track",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {KEY}".encode()), *headers],
    }
    asyncio.run(http(scope, sender.receive, sender.send))


@pytest.mark.parametrize("declared", [True, False])
def test_of_a_body_that_is_too_large_nothing_is_held_once_it_is_refused(declared: bool) -> None:  # noqa: FBT001
    sender = Sender(chunks=40)
    length = str(40 * CHUNK).encode()
    asked(sender, (b"content-length", length) if declared else (b"transfer-encoding", b"chunked"))
    assert sender.sent[0]["status"] == 413
    assert Chunk.held == 0
    assert sender.left == 0  # all of it was read
    assert sender.most <= (1 if declared else REQUEST_BYTES // CHUNK + 1)
    assert sender.most_after_the_answer <= 1


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_for_which_the_budget_has_no_room_gets_503_and_nothing_of_it_is_held(declared: bool) -> None:  # noqa: FBT001
    sender, budget = Sender(chunks=16), BodyBudget(16 * CHUNK)
    length = str(16 * CHUNK).encode()
    asked(sender, (b"content-length", length) if declared else (b"transfer-encoding", b"chunked"), budget=budget)
    assert sender.sent[0]["status"] == 503
    assert int(dict(sender.sent[0]["headers"])[b"retry-after"]) >= 1
    assert sender.most_after_the_answer <= 1
    assert (Chunk.held, budget.held) == (0, 0)


def test_a_caller_with_a_key_has_no_share_of_its_own() -> None:
    sender, budget = Sender(chunks=8), BodyBudget(16 * CHUNK, peer=lambda _scope: "somebody")
    asked(sender, (b"transfer-encoding", b"chunked"), budget=budget)
    assert sender.sent[0]["status"] == 400  # read whole, and no event
    assert budget.held == 0
