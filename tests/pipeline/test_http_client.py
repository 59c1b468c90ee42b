"""One POST over a real socket, to upstreams that answer byte by byte what a test writes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from delivering import Seen, Time, detail, events, opened, rows, run
from wire import OK, Answering, Wire, keeps_alive, outgoing, peer, self_signed

from bridge.core.delivery import Misconfigured, Rejected, Response, Retryable
from bridge.destinations.track import TrackDestination
from bridge.pipeline.deliver import DeliveryLoops
from bridge.pipeline.http_client import open_client

PATIENT, HASTY = timedelta(seconds=30), timedelta(milliseconds=300)


async def posted(answering: Answering, *, within: timedelta = PATIENT) -> Response:
    async with peer(answering) as upstream, open_client(within) as send:
        return await send(outgoing(upstream.url))


def says(answer: bytes) -> Answering:
    async def answering(wire: Wire) -> None:
        await wire.request()
        await wire.say(answer)

    return answering


def meaning(response: Response) -> object:
    return TrackDestination("mine", "https://example.com", "k").read_response(
        response, sent=1, now=datetime(2026, 3, 1, tzinfo=UTC)
    )


# ------------------------------------------------------------------------------------------------------- what is sent


def test_the_request_is_the_destinations_byte_for_byte_and_names_us() -> None:
    async def test() -> None:
        async with peer(keeps_alive) as upstream, open_client(PATIENT) as send:
            response = await send(outgoing(upstream.url, '{"city":"Łódź"}'.encode()))
            assert (response.status, response.text) == (200, '{"success": true}')
            [(first, headers, body)] = upstream.got
            assert first == "POST /v1/track/batch HTTP/1.1"
            assert body == '{"events":[{"city":"Łódź"}]}'.encode()
            assert headers["authorization"] == "Bearer a-made-up-key"
            assert headers["content-type"] == "application/json"
            assert headers["user-agent"].startswith("trackbridge/")
            assert headers["accept-encoding"] == "identity"
            assert int(headers["content-length"]) == len(body)
            assert "transfer-encoding" not in headers

    run(test)


def test_requests_share_a_connection_and_no_cookie_goes_back() -> None:
    async def answering(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.say(OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: who=you; Path=/\r\n\r\n", 1))

    async def test() -> None:
        async with peer(answering) as upstream, open_client(PATIENT) as send:
            for _ in range(3):
                assert (await send(outgoing(upstream.url))).status == 200
            assert upstream.connections == 1
            assert all("cookie" not in headers for _, headers, _ in upstream.got)

    run(test)


def test_neither_proxies_nor_credentials_are_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def test() -> None:
        async with peer(keeps_alive) as upstream, open_client(PATIENT) as send:
            assert (await send(outgoing(upstream.url))).status == 200
            assert upstream.got[0][1]["authorization"] == "Bearer a-made-up-key"

    run(test)


def test_a_whole_mebibyte_goes_through() -> None:
    async def test() -> None:
        text = b'"' + b"a" * 1_048_561 + b'"'
        async with peer(keeps_alive) as upstream, open_client(PATIENT) as send:
            assert (await send(outgoing(upstream.url, text))).status == 200
            assert len(upstream.got[0][2]) == 1_048_576

    run(test)


# ---------------------------------------------------------------------------------------------------- what is answered


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status: int) -> None:
    async def test() -> None:
        async with peer(keeps_alive) as elsewhere:
            moved = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}/\r\nContent-Length: 0\r\n\r\n"
            response = await posted(says(moved.encode()))
            assert response.status == status
            assert isinstance(meaning(response), Misconfigured)
            assert elsewhere.connections == 0

    run(test)


@pytest.mark.parametrize("where", ["https://[::1", "mailto:nobody", f"http://{'a' * 70_000}"])
def test_a_redirect_to_what_is_no_address_is_told_as_a_redirect(where: str) -> None:
    async def test() -> None:
        moved = f"HTTP/1.1 302 Moved\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n"
        response = await posted(says(moved.encode()))
        assert response.status == 302
        assert isinstance(meaning(response), Misconfigured)

    run(test)


def test_headers_come_in_lower_case() -> None:
    async def test() -> None:
        response = await posted(says(b"HTTP/1.1 429 Slow\r\nRETRY-AFTER: 7\r\nContent-Length: 0\r\n\r\n"))
        assert meaning(response) == Retryable("429 too many requests", timedelta(seconds=7))

    run(test)


def test_of_an_endless_answer_64_kib_are_read() -> None:
    async def endless(wire: Wire) -> None:
        await wire.request()
        await wire.say(b"HTTP/1.1 400 Bad\r\nContent-Length: 100000000000\r\n\r\n")
        while True:
            await wire.say(b"no! " * 4096)

    async def test() -> None:
        response = await posted(endless)
        assert (response.status, len(response.text)) == (400, 65_536)
        assert isinstance(meaning(response), Rejected)

    run(test)


def test_bytes_that_are_no_text_are_replaced() -> None:
    async def test() -> None:
        response = await posted(says(b"HTTP/1.1 400 Bad\r\nContent-Length: 4\r\n\r\n\xff\x00ok"))
        assert response.text == "\ufffd\ufffdok"

    run(test)


# --------------------------------------------------------------------------------------------------- no answer at all


def test_a_refused_connection_says_so_and_nothing_was_sent() -> None:
    async def test() -> None:
        async with peer(keeps_alive) as gone:
            pass
        async with open_client(PATIENT) as send:
            assert await send(outgoing(gone.url)) == Response(None, failure="no connection: refused", sent=False)

    run(test)


def test_an_upstream_that_takes_it_and_says_nothing_times_out_and_may_have_taken_it() -> None:
    async def silent(wire: Wire) -> None:
        await wire.request()
        await asyncio.Event().wait()

    async def test() -> None:
        assert await posted(silent, within=HASTY) == Response(None, failure="timeout", sent=True)

    run(test)


def test_an_answer_that_only_drips_times_out_as_a_whole() -> None:
    async def dripping(wire: Wire) -> None:
        await wire.request()
        await wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await wire.say(b" ")
            await asyncio.sleep(0.01)

    async def test() -> None:
        response = await posted(dripping, within=HASTY)
        assert response == Response(None, failure="timeout, after 200 and before its answer's end", sent=True)
        assert isinstance(meaning(response), Retryable)

    run(test)


@pytest.mark.parametrize(
    "cut",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"succ',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{"s',
    ],
)
def test_a_success_that_is_cut_in_the_middle_is_no_answer_and_may_have_been_taken(cut: bytes) -> None:
    async def test() -> None:
        response = await posted(says(cut))
        told = "connection lost, after 200 and before its answer's end"
        assert response == Response(None, failure=told, sent=True)
        assert meaning(response) == Retryable(told, breaks=True)

    run(test)


def test_a_refusal_that_is_cut_in_the_middle_is_still_a_refusal() -> None:
    async def test() -> None:
        response = await posted(says(b'HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\n{"error": "no val'))
        assert meaning(response) == Rejected('400 bad request: {"error": "no val')

    run(test)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 O", b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00\x01\x02\r\n\r\n"])
def test_a_connection_that_ends_without_an_answer_is_lost_and_may_have_taken_it(answer: bytes) -> None:
    async def test() -> None:
        assert await posted(says(answer)) == Response(None, failure="connection lost", sent=True)

    run(test)


def test_the_answer_of_an_upstream_that_refuses_before_it_has_read_everything_is_read() -> None:
    async def hasty(wire: Wire) -> None:
        await wire.reader.readuntil(b"\r\n\r\n")
        await wire.say(b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n")
        while await wire.reader.read(65_536):
            pass

    async def test() -> None:
        text = b'"' + b"a" * 8_000_000 + b'"'
        async with peer(hasty) as upstream, open_client(PATIENT) as send:
            assert (await send(outgoing(upstream.url, text))).status == 413

    run(test)


def test_a_connection_that_is_not_ready_in_time_is_none_and_nothing_was_sent() -> None:
    async def silent(wire: Wire) -> None:
        await asyncio.Event().wait()

    async def test() -> None:
        async with peer(silent) as upstream, open_client(HASTY) as send:
            response = await send(outgoing(upstream.url.replace("http:", "https:")))
            assert response == Response(None, failure="no connection: timeout", sent=False)

    run(test)


def test_a_host_that_does_not_speak_tls_is_told_so() -> None:
    async def plain(wire: Wire) -> None:
        await wire.reader.read(1)
        await wire.say(OK)

    async def test() -> None:
        async with peer(plain) as upstream, open_client(PATIENT) as send:
            response = await send(outgoing(upstream.url.replace("http:", "https:")))
            assert response.status is None
            assert response.failure is not None
            assert response.failure.startswith("no connection: TLS failed")
            assert not response.sent

    run(test)


def test_a_certificate_that_nobody_signed_is_not_trusted_and_nothing_is_sent(tmp_path: Path) -> None:
    async def test() -> None:
        async with peer(says(OK), tls=self_signed(tmp_path)) as upstream, open_client(PATIENT) as send:
            response = await send(outgoing(upstream.url))
            assert response.failure == "no connection: its certificate is not trusted (self-signed certificate)"
            assert not response.sent
            assert upstream.got == []

    run(test)


# ------------------------------------------------------------------------------------------------------- all together


def test_over_a_real_socket_it_stumbles_twice_and_is_delivered(tmp_path: Path) -> None:
    answers = [
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 401 Who\r\nContent-Length: 15\r\n\r\n{"error":"who"}',
    ]

    async def answering(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.say(answers.pop(0) if answers else OK)

    async def test() -> None:
        time = Time(lasts=timedelta(hours=1))
        async with opened(tmp_path) as store, peer(answering) as upstream:
            await store.accept_events(events([1, 2]), now=time.now)
            loops = DeliveryLoops(
                store=store,
                destinations=[TrackDestination("mine", upstream.url, "a-made-up-key", rate=0)],
                clock=time.clock,
                metrics=Seen(),
                sleep=time.sleep,
                jitter=lambda: 0.5,
            )
            running = asyncio.create_task(loops.run())
            await time.over.wait()
            await loops.stop(timedelta(seconds=10))
            await running
            assert {(row.state, row.last_status) for row in await rows(store, "delivered")} == {("delivered", 200)}
            tries = [(await detail(store, row.id)).attempts for row in await rows(store)]
            statuses = [[one.status for one in each] for each in tries]
            assert statuses[0][:3] == [500, 429, 401]
            assert statuses[0][-1] == statuses[1][-1] == 200

    run(test)
