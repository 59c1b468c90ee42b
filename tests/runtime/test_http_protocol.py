"""Limits of a connection that hold however its bytes arrive, and what of uvicorn's and httptools' insides they need."""

from __future__ import annotations

import asyncio
import inspect
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import httptools
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from wire_server import Wire, signed, wired

from bridge.core import log
from bridge.runtime import http_protocol
from bridge.runtime.http_protocol import LONG_HEAD, PIPELINED, SLICE, StrictHttpProtocol
from bridge.runtime.http_server import bind_socket
from bridge.runtime.request_head import HEAD_BYTES, without_offer

GET = b"GET /healthz HTTP/1.1\r\nHost: bridge.example\r\n"


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wired(tmp_path_factory.mktemp("wire")) as running:
        yield running


def padded(size: int) -> bytes:
    """A request whose head has so many bytes."""
    return GET + b"X: " + b"x" * (size - len(GET) - len(b"X: \r\n\r\n")) + b"\r\n\r\n"


def in_pieces(content: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


# ------------------------------------------------------------------------------------------------------- the head


@pytest.mark.parametrize("piece", [777, SLICE, 1 << 20])
def test_a_head_of_the_limits_size_is_taken_however_it_arrives(wire: Wire, piece: int) -> None:
    with wire.connect() as line:
        for part in in_pieces(padded(HEAD_BYTES), piece):
            line.send(part)
        answer = line.answer()
        assert answer is not None
        assert answer.status == 200


@pytest.mark.parametrize("piece", [777, SLICE, 1 << 20])
@pytest.mark.parametrize("before", [b"", GET + b"\r\n", signed("a") + GET + b"\r\n"])
def test_a_head_beyond_the_limit_is_refused_however_it_arrives_and_whatever_came_before(
    wire: Wire, piece: int, before: bytes
) -> None:
    with wire.connect() as line:
        for part in in_pieces(before + padded(HEAD_BYTES + 64), piece):
            line.send(part)
        statuses = []
        while answer := line.answer():
            statuses.append(answer.status)
        answered = before.count(b" HTTP/1.1\r\n")
        assert statuses[:answered] == [200] * answered
        assert statuses[answered:] in ([431], [] if answered else [431])


@pytest.mark.parametrize("endless", [b"X: " + b"x" * 100_000, b"X: y\r\n" * 30_000])
def test_trailers_without_an_end_are_cut_off(wire: Wire, endless: bytes) -> None:
    begun = signed("endless", chunked=True).partition(b"0\r\nX-Trailer")[0]
    with wire.connect() as line:
        line.send(begun + b"0\r\nX: y\r\n" + endless)
        answer = line.answer()
        assert answer is None or answer.status in {400, 431}
        assert line.answer() is None
    assert "endless" not in wire.kept()


def test_blank_lines_without_an_end_are_cut_off(wire: Wire) -> None:
    with wire.connect() as line:
        line.send(signed("before-blank-lines") + b"\r\n" * 100_000)
        answer = line.answer()
        assert answer is not None
        assert answer.status == 200
        assert line.answer() is None


def test_a_chunks_extension_without_an_end_is_cut_off(wire: Wire) -> None:
    begun = signed("extended", chunked=True).partition(b";a=b")[0]
    with wire.connect() as line:
        line.send(begun + b";a=" + b"b" * 100_000)
        answer = line.answer()
        assert answer is None or answer.status == 431
        assert line.answer() is None


def test_a_body_in_chunks_of_one_byte_is_read_whole(wire: Wire) -> None:
    head, _, body = signed("chunk-by-chunk").partition(b"\r\n\r\n")
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length"))
    small = b"".join(b"1;%b\r\n%c\r\n" % (b"x" * 1000, byte) for byte in body)
    with wire.connect() as line:
        line.send(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + small + b"0\r\n\r\n")
        answer = line.answer()
        assert answer is not None
        assert answer.status == 200
    assert "chunk-by-chunk" in wire.kept()


def test_headers_without_an_end_are_cut_off_before_they_fill_the_memory(wire: Wire) -> None:
    with wire.connect() as line:
        line.send(GET + b"a:b\r\n" * 4000)
        answer = line.answer()
        assert answer is not None
        assert answer.status == 431
        assert line.answer() is None


def test_more_long_heads_that_do_not_end_than_may_be_close_the_oldest_and_a_genuine_webhook_is_answered(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "LONG_HEADS", 5)
    torn = GET + b"X: " + b"x" * (LONG_HEAD + 1)
    with ExitStack() as stack:
        lines = [stack.enter_context(wire.connect()) for _ in range(12)]
        for line in lines:
            line.send(torn)
            with wire.connect() as other:  # the torn head is read before this is answered, or soon after
                other.send(GET + b"\r\n")
                assert other.answer()
        assert [line.answer() for line in lines[:6]] == [None] * 6
        with wire.connect() as genuine:
            genuine.send(signed("beside torn heads"))
            answer = genuine.answer()
            assert answer
            assert answer.status == 200
        lines[-1].send(b"\r\n\r\n")
        last = lines[-1].answer()
        assert last
        assert last.status == 200


def test_more_connections_than_may_be_close_one_that_waits_and_the_newest_is_answered(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "CONNECTIONS", 6)
    with ExitStack() as stack:
        for number in range(20):
            line = stack.enter_context(wire.connect())
            line.send(signed(f"many-{number}"))
            answer = line.answer()
            assert answer
            assert answer.status == 200
    assert len([name for name in wire.kept() if name.startswith("many-")]) == 20


# --------------------------------------------------------------------------------------------------- many at once


@pytest.mark.parametrize("count", [1, 3])
def test_a_sender_that_sends_no_more_gets_the_answers_to_what_came_whole(wire: Wire, count: int) -> None:
    names = [f"half-closed-{count}-{number}" for number in range(count)]
    with wire.connect() as line:
        line.send(b"".join(map(signed, names)))
        line.end()
        assert [answer.status if (answer := line.answer()) else None for _ in names] == [200] * count
        assert line.answer() is None
    assert [name for name in wire.kept() if name in names] == names


def test_more_requests_at_once_than_may_wait_are_answered_in_order_and_end_the_connection(wire: Wire) -> None:
    one = GET + b"\r\n"
    with wire.connect() as line:
        line.send(one * 20_000)
        statuses = []
        while answer := line.answer():
            statuses.append(answer.status)
    assert set(statuses) == {200}
    assert len(statuses) < 4 * PIPELINED


def test_genuine_webhooks_before_bytes_that_are_no_http_are_all_answered(wire: Wire) -> None:
    with wire.connect() as line:
        line.send(b"".join(signed(f"before-garbage-{number}") for number in range(5)) + b"\x00\x01\x02 no HTTP\r\n\r\n")
        statuses = []
        while answer := line.answer():
            statuses.append(answer.status)
    assert statuses == [200] * 5
    assert [f"before-garbage-{number}" for number in range(5)] == [
        name for name in wire.kept() if name.startswith("before-garbage")
    ]


@pytest.mark.parametrize(
    "cut",
    [
        b"POST /healthz HTTP/1.1\r\nHost: bridge.example\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: bridge.example\r\nContent-Length: 9\r\n\r\nab",
        GET,
    ],
)
def test_genuine_webhooks_before_one_that_is_cut_off_are_all_answered_where_the_sender_ends(
    wire: Wire, cut: bytes
) -> None:
    names = [f"before-cut-{hash(cut)}-{number}" for number in range(5)]
    with wire.connect() as line:
        line.send(b"".join(map(signed, names)) + cut)
        line.end()
        statuses = []
        while answer := line.answer():  # ends in time only where the connection is closed
            statuses.append(answer.status)
    assert statuses[:5] == [200] * 5
    assert [name for name in wire.kept() if name in names] == names


def test_a_request_that_is_answered_hears_that_its_connection_was_lost_though_another_waits_behind_it() -> None:
    heard: list[str] = []

    async def wait_for_the_end(scope: Scope, receive: Receive, _: Send) -> None:
        assert scope["type"] == "http"
        await receive()
        heard.append("request")
        heard.append((await receive())["type"])

    async def serve() -> None:
        config = uvicorn.Config(wait_for_the_end, lifespan="off", log_config=None)
        make = partial(StrictHttpProtocol, config, uvicorn.server.ServerState(), {})
        server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        async with server:
            _, writing = await asyncio.open_connection(*server.sockets[0].getsockname())
            writing.write((GET + b"\r\n") * 3)
            while not heard:  # noqa: ASYNC110  the application is no part of this loop's events
                await asyncio.sleep(0.01)
            lost = writing.get_extra_info("socket")
            lost.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
            writing.transport.abort()
            async with asyncio.timeout(20):
                while len(heard) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(serve())
    assert heard == ["request", "http.disconnect"]


def test_the_system_holds_only_so_much_of_an_answer_that_nobody_reads() -> None:
    with (
        bind_socket("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
    ):
        listening.settimeout(20)
        accepted, _ = listening.accept()
        with accepted:
            accepted.settimeout(0)
            held = 0
            with suppress(BlockingIOError):
                while True:
                    held += accepted.send(bytes(SLICE))
    assert held < 1_000_000


def test_what_is_refused_is_told_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StrictHttpProtocol, "_seldom", log.RateLimitedLog())
    with wired(tmp_path) as wire, caplog.at_level("WARNING"):
        for _ in range(50):
            with wire.connect() as line:
                line.send(b"no HTTP\r\n\r\n")
                answer = line.answer()
                assert answer is not None
                assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
                assert answer.body == b'{"success":false,"error":"this is no HTTP/1.1 request"}'
    [told] = [record.getMessage() for record in caplog.records if "http.refused" in record.getMessage()]
    assert told.startswith('http.refused reason="this is no HTTP/1.1 request" mend=')


# ------------------------------------------------------------------------------------------------- a head read again


def test_a_head_without_its_offer_keeps_everything_else() -> None:
    headers = [
        (b"host", b"a"),
        (b"connection", b"keep-alive, Upgrade,HTTP2-Settings"),
        (b"upgrade", b"h2c"),
        (b"x", b""),
    ]
    assert without_offer(b"POST", "1.1", b"/a?b=c", headers) == (
        b"POST /a?b=c HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\nx: \r\n\r\n"
    )


# -------------------------------------------------------------- the names of uvicorn and httptools that are relied on


@pytest.mark.parametrize(
    "name",
    [
        "connection_made", "connection_lost", "data_received", "on_message_begin", "on_headers_complete",
        "on_body", "on_message_complete", "on_response_complete", "pause_writing", "resume_writing", "_start_asgi_task",
    ],
)  # fmt: skip
def test_uvicorns_protocol_has_the_method(name: str) -> None:
    assert callable(getattr(HttpToolsProtocol, name))


@pytest.mark.parametrize(
    "name",
    [
        "parser",
        "cycle",
        "pipeline",
        "flow",
        "transport",
        "server_state",
        "url",
        "headers",
        "loop",
        "connections",
        "timeout_keep_alive",
        "expect_100_continue",
    ],
)
def test_uvicorns_protocol_keeps_the_attribute(name: str) -> None:
    assert f"self.{name}" in inspect.getsource(HttpToolsProtocol.__init__) + inspect.getsource(
        HttpToolsProtocol.on_message_begin
    )


@pytest.mark.parametrize(
    "name", ["keep_alive", "more_body", "response_started", "response_complete", "disconnected", "message_event"]
)
def test_uvicorns_cycle_keeps_the_attribute(name: str) -> None:
    assert f"self.{name} = " in inspect.getsource(RequestResponseCycle.__init__)


def test_uvicorn_queues_the_newest_request_on_the_left() -> None:
    assert "self.pipeline.appendleft((self.cycle, app))" in inspect.getsource(HttpToolsProtocol.on_headers_complete)
    assert "self.pipeline.pop()" in inspect.getsource(HttpToolsProtocol.on_response_complete)


def test_uvicorn_ends_a_connection_whose_request_may_not_be_followed() -> None:
    assert "if not self.keep_alive:\n                    self.transport.close()" in inspect.getsource(
        RequestResponseCycle
    )


def test_uvicorn_has_a_status_line_for_each_refusal() -> None:
    assert {400, 405, 431, 501, 503, 505} <= set(httptools_impl.STATUS_LINE)


def test_uvicorn_closes_its_servers_and_waits_for_them_and_makes_none_for_no_sockets() -> None:
    source = inspect.getsource(uvicorn.Server)
    assert "for server in self.servers:\n            server.close()" in source
    assert "for server in self.servers:\n            await server.wait_closed()" in source
    assert "for sock in sockets:" in inspect.getsource(uvicorn.Server.startup)
    assert "app_state=self.lifespan.state" in inspect.getsource(uvicorn.Server.startup)


def test_uvicorns_flow_resumes_reading() -> None:
    assert callable(FlowControl.resume_reading)


def test_httptools_names_where_an_offer_ends_and_goes_on_behind_close() -> None:
    parser = httptools.HttpRequestParser(type("Deaf", (), {"on_message_begin": lambda _: None})())
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    offer = GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n"
    with pytest.raises(httptools.HttpParserUpgrade) as caught:
        parser.feed_data(offer + b"abc")
    assert caught.value.args == (len(offer),)
    assert parser.should_upgrade()
    assert (parser.get_method(), parser.get_http_version()) == (b"GET", "1.1")


def test_httptools_skips_all_that_follows_a_trailer_that_ends_the_connection() -> None:
    begun: list[None] = []
    parser = httptools.HttpRequestParser(type("Counting", (), {"on_message_begin": lambda _: begun.append(None)})())
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    parser.feed_data(GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\nConnection: close\r\n\r\n")
    parser.feed_data(GET + b"\r\n")
    assert len(begun) == 1


def test_httptools_finds_the_parts_of_an_address() -> None:
    found = httptools.parse_url(b"http://user@bridge.example:80?x=y")
    assert not found.path
    assert found.query == b"x=y"
    assert httptools.parse_url(b"*").path == b"*"
