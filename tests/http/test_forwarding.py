"""A request that is passed on to another process: it arrives as it was, once, and a 503 says where nobody answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.http import forwarding
from bridge.http.body_budget import BodyBudget
from bridge.http.forwarding import MOST_AT_ONCE, MOST_BODY, RequestForwarder, answer_forwarded
from bridge.runtime.handover import HandoverSocket


def forwarded(answer: Callable[..., Awaitable[None]], story: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Tell a story of a client whose requests are handed over; `answer` gets each connection."""

    async def whole() -> None:
        handover = HandoverSocket()
        tasks = set()

        async def take() -> None:
            while (one := handover.accept()) is not None:
                await answer(*await asyncio.open_unix_connection(sock=one))

        asyncio.get_running_loop().add_reader(handover.fileno(), lambda: tasks.add(asyncio.create_task(take())))
        app = RequestForwarder(handover.connect, BodyBudget())
        transport = httpx.ASGITransport(app=app, client=("192.0.2.7", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test:81") as client:
            await story(client)
        await asyncio.gather(*tasks)
        asyncio.get_running_loop().remove_reader(handover.fileno())
        handover.close()

    asyncio.run(whole())


def answering(app: ASGIApp) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    return lambda reader, writer: answer_forwarded(app, reader, writer)


async def tell_all(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what the request was."""
    request = HttpRequest(scope, receive)
    body = await request.body()
    said = {
        "url": str(request.url), "method": request.method, "peer": list(request.client or ()), "size": len(body),
        "raw": scope["raw_path"].decode(), "forwarded": request.headers.getlist("x-forwarded-for"),
    }  # fmt: skip
    await JSONResponse(said, 207, {"X-Mark": "ü"})(scope, receive, send)


def test_a_request_arrives_as_it_was_with_the_address_of_its_connection() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        headers = [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "198.51.100.2")]
        answer = await client.post("/ui/%C3%BC?a=%20b", content=b"x" * MOST_BODY, headers=headers)
        assert (answer.status_code, answer.headers["x-mark"]) == (207, "ü")
        assert answer.json() == {
            "url": "http://shop.test:81/ui/ü?a=%20b", "method": "POST", "peer": ["192.0.2.7", 4711],
            "size": MOST_BODY, "raw": "/ui/%C3%BC", "forwarded": ["198.51.100.1", "198.51.100.2"],
        }  # fmt: skip

    forwarded(answering(tell_all), story)


def test_an_answer_in_pieces_arrives_whole() -> None:
    async def pieces(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(b"%d," % number for number in range(500))(scope, receive, send)

    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/ui/")).content == b"".join(b"%d," % number for number in range(500))

    forwarded(answering(pieces), story)


def test_a_request_that_nobody_answers_is_sent_once_and_answered_by_503() -> None:
    taken = []

    async def end(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)
        writer.close()

    async def story(client: httpx.AsyncClient) -> None:
        page = await client.post("/ui/actions/retry", content=b"x" * MOST_BODY)
        assert page.status_code == 503
        assert "look at Actions first" in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        told = await client.get("/ui/home.json")
        assert (told.status_code, list(told.json())) == (503, ["error"])
        assert len(taken) == 2

    forwarded(end, story)


def test_a_fault_of_the_other_process_is_answered_by_503() -> None:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/ui/")).status_code == 503

    forwarded(answering(fail), story)


def test_an_answer_that_is_cut_off_is_not_ended_as_if_it_were_whole() -> None:
    async def cut(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async def story(client: httpx.AsyncClient) -> None:
        with pytest.raises(AssertionError):  # so the client says that the application has ended no answer
            await client.get("/ui/")

    forwarded(answering(cut), story)


def test_a_body_that_is_too_large_and_one_request_too_many_are_refused_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.post("/ui/find", content=b"x" * (MOST_BODY + 1))).status_code == 413
        held = [asyncio.create_task(client.get("/ui/")) for _ in range(3)]
        for _ in range(2):
            await begun.get()
        refused, _ = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
        assert [one.result().status_code for one in refused] == [503]
        let_go.set()
        assert sorted([(await one).status_code for one in held]) == [200, 200, 503]
        assert (await client.get("/ui/")).status_code == 200

    begun: asyncio.Queue[Scope] = asyncio.Queue()
    let_go = asyncio.Event()

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        begun.put_nowait(scope)
        await let_go.wait()
        await Response()(scope, receive, send)

    assert MOST_AT_ONCE > 2
    monkeypatch.setattr(forwarding, "MOST_AT_ONCE", 2)
    forwarded(answering(wait), story)
