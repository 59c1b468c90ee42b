"""What came over a connection behind an answer never answers another request, in whichever buffer it lies."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpcore
import httpx
import pytest
import uvloop
from anyio.streams.tls import TLSStream
from delivering import NOON, Seen, events, opened, rows, until
from wire import OK, Answering, Peer, Wire, keeps_alive, outgoing, peer, self_signed

from bridge.core.delivery import Response
from bridge.destinations.track import TrackDestination
from bridge.pipeline.connection_pool import CleanConnection, CleanPool
from bridge.pipeline.deliver import DeliveryLoops
from bridge.pipeline.http_client import Send, open_client

PATIENT = timedelta(seconds=30)
REFUSED = b'HTTP/1.1 400 Bad\r\nContent-Length: 14\r\n\r\n{"error":"no"}'
PADDED = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\nX: %s\r\n\r\n"
AS_MUCH_AS_IS_READ_AT_ONCE = PADDED % (b"x" * (65_536 - 60_000 - len(PADDED % b""))) + b" " * 60_000
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def first_then(*writes: bytes, after: asyncio.Event | None = None) -> Answering:
    """The first request is answered with all of `writes`, the last of them only `after`; every other is refused."""
    answered = 0

    async def answering(wire: Wire) -> None:
        nonlocal answered
        while True:
            await wire.request()
            answered += 1
            if answered > 1:
                await wire.say(REFUSED)
                continue
            for write in writes[:-1]:
                wire.writer.write(write)
            if after is not None:
                await after.wait()
            wire.writer.write(writes[-1])

    return answering


@asynccontextmanager
async def connected(answering: Answering, tls: ssl.SSLContext | None) -> AsyncIterator[tuple[Peer, Send]]:
    async with peer(answering, tls=tls) as upstream, open_client(PATIENT, trusting()) as send:
        yield upstream, send


def statuses(*responses: Response) -> list[int | None]:
    return [response.status for response in responses]


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> ssl.SSLContext | None:
    return self_signed(tmp_path) if request.param == "tls" else None


def run_on(loop: Callable[[], asyncio.AbstractEventLoop], test: Callable[[], object]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(test())  # type: ignore[arg-type]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    "writes",
    [
        (OK + OK,),
        (OK * 3,),
        (OK, OK),
        (OK + b"\r\n",),
        (OK, b"\0"),
        (AS_MUCH_AS_IS_READ_AT_ONCE + OK,),
        (AS_MUCH_AS_IS_READ_AT_ONCE, OK),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", OK),
        (b"HTTP/1.1 204 None\r\n\r\n", OK),
    ],
    ids=[
        "one write",
        "three answers",
        "two writes",
        "a blank line",
        "a byte",
        "64 KiB",
        "64 KiB and more",
        "chunked",
        "204",
    ],
)
def test_a_second_answer_at_once_answers_nothing(
    loop: Callable[[], asyncio.AbstractEventLoop], tls: ssl.SSLContext | None, writes: tuple[bytes, ...]
) -> None:
    async def test() -> None:
        async with connected(first_then(*writes), tls) as (upstream, send):
            first = await send(outgoing(upstream.url))
            assert first.status in {200, 204}
            assert statuses(await send(outgoing(upstream.url)), await send(outgoing(upstream.url))) == [400, 400]
            assert (len(upstream.got), upstream.connections) == (3, 2)

    run_on(loop, test)


def test_a_second_answer_behind_a_read_that_ended_with_the_first_answers_nothing(
    tls: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpcore.AsyncHTTP11Connection, "READ_NUM_BYTES", len(OK))

    async def test() -> None:
        async with connected(first_then(OK + OK), tls) as (upstream, send):
            assert (await send(outgoing(upstream.url))).status == 200
            assert (await send(outgoing(upstream.url))).status == 400
            assert (len(upstream.got), upstream.connections) == (2, 2)

    asyncio.run(test())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_second_answer_that_comes_later_answers_nothing(
    loop: Callable[[], asyncio.AbstractEventLoop], tls: ssl.SSLContext | None
) -> None:
    async def test() -> None:
        later = asyncio.Event()
        async with connected(first_then(OK, OK, after=later), tls) as (upstream, send):
            assert (await send(outgoing(upstream.url))).status == 200
            later.set()
            await asyncio.sleep(0.05)
            assert (await send(outgoing(upstream.url))).status == 400
            assert (len(upstream.got), upstream.connections) == (2, 2)

    run_on(loop, test)


def test_a_second_answer_that_comes_after_the_pool_chose_the_connection_answers_nothing(
    tls: ssl.SSLContext | None,
) -> None:
    async def test() -> None:
        later = asyncio.Event()
        answering = first_then(OK, OK, after=later)
        async with peer(answering, tls=tls) as upstream, CleanPool(trusting(), idle=30) as pool:
            assert (await post(pool, upstream)).status == 200
            [connection] = pool.connections
            later.set()
            await asyncio.sleep(0.05)
            with pytest.raises(httpcore.ConnectionNotAvailable):
                await connection.handle_async_request(httpcore.Request("POST", upstream.url))
            assert (await post(pool, upstream)).status == 400

    asyncio.run(test())


async def post(pool: httpcore.AsyncConnectionPool, upstream: Peer) -> httpcore.Response:
    return await pool.request("POST", upstream.url, headers={"Host": "x", "Content-Length": "2"}, content=b"{}")


@pytest.mark.parametrize("loop", LOOPS)
def test_an_honest_upstream_is_asked_over_one_connection(
    loop: Callable[[], asyncio.AbstractEventLoop], tls: ssl.SSLContext | None
) -> None:
    async def test() -> None:
        async with connected(keeps_alive, tls) as (upstream, send):
            for _ in range(5):
                assert (await send(outgoing(upstream.url))).status == 200
            assert (len(upstream.got), upstream.connections) == (5, 1)

    run_on(loop, test)


# ------------------------------------------------------------------------------- the names inside that are relied on


def test_httpx_sends_over_the_pool_that_it_is_given() -> None:
    assert isinstance(vars(httpx.AsyncHTTPTransport())["_pool"], httpcore.AsyncConnectionPool)


def test_a_connection_has_inside_what_is_looked_at(tls: ssl.SSLContext | None) -> None:
    async def test() -> None:
        async with peer(keeps_alive, tls=tls) as upstream, CleanPool(trusting(), idle=30) as pool:
            await post(pool, upstream)
            [connection] = pool.connections
            assert isinstance(connection, CleanConnection)
            inner = vars(connection)["_connection"]
            assert isinstance(inner, httpcore.AsyncHTTP11Connection)
            assert vars(inner)["_h11_state"].trailing_data == (b"", False)
            stream = vars(vars(inner)["_network_stream"])["_stream"]
            if tls is not None:
                assert isinstance(stream, TLSStream)
                assert vars(stream)["_read_bio"].pending == 0
                assert vars(inner)["_network_stream"].get_extra_info("ssl_object").pending() == 0
                stream = stream.transport_stream
            assert not vars(stream)["_protocol"].read_queue

    asyncio.run(test())


def test_a_connection_that_cannot_be_looked_into_is_not_used_again() -> None:
    async def test() -> None:
        async with peer(keeps_alive) as upstream, CleanPool(trusting(), idle=30) as pool:
            await post(pool, upstream)
            [connection] = pool.connections
            stream = vars(vars(vars(connection)["_connection"])["_network_stream"])["_stream"]
            del vars(stream)["_protocol"].read_queue
            await post(pool, upstream)
            assert upstream.connections == 2

    asyncio.run(test())


# ------------------------------------------------------------------------------------------------------- all together


async def deliver(folder: Path, upstream: Peer, orders: dict[str, list[int]]) -> set[tuple[str, str]]:
    """Deliver until all have ended, to one destination for each name; returns the states in which they ended."""
    async with opened(folder) as store:
        for name, numbers in orders.items():
            await store.accept_events(events(numbers, destination=name), now=NOON)
        loops = DeliveryLoops(
            store=store,
            destinations=[
                TrackDestination(name, f"{upstream.url}/{name}", "a-made-up-key", rate=0, batch=1) for name in orders
            ],
            clock=lambda: NOON,
            metrics=Seen(),
        )
        running = asyncio.create_task(loops.run())

        async def all_ended() -> bool:
            return all(row.state in {"delivered", "dead"} for row in await rows(store))

        await until(all_ended)
        await loops.stop(timedelta(seconds=10))
        await running
        return {(row.destination, row.state) for row in await rows(store)}


def test_an_answer_to_one_destination_delivers_nothing_to_another_of_its_host(tmp_path: Path) -> None:
    orders = {"doubles": list(range(100, 120)), "refuses": list(range(200, 220))}
    taken: list[int] = []

    async def answering(wire: Wire) -> None:
        while True:
            await wire.request()
            first, _, body = wire.got[-1]
            if "/refuses/" in first:
                await wire.say(REFUSED)
            else:
                taken.extend(event["order"] for event in json.loads(body)["events"])
                await wire.say(OK * 3)

    async def test() -> None:
        async with peer(answering) as upstream:
            ended = await deliver(tmp_path, upstream, orders)
            assert ended == {("doubles", "delivered"), ("refuses", "dead")}
            assert sorted(taken) == orders["doubles"]

    asyncio.run(test())


def test_no_two_destinations_of_a_host_share_a_connection(tmp_path: Path) -> None:
    over: list[set[str]] = []

    async def answering(wire: Wire) -> None:
        paths: set[str] = set()
        over.append(paths)
        while True:
            await wire.request()
            paths.add(wire.got[-1][0].split("/")[1])
            await wire.say(OK)

    async def test() -> None:
        async with peer(answering) as upstream:
            await deliver(tmp_path, upstream, {"one": list(range(100, 110)), "two": list(range(200, 210))})
            assert len(upstream.got) == 20
            assert all(len(paths) == 1 for paths in over)

    asyncio.run(test())
