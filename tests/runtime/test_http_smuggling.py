"""Whatever a stranger sends on a connection, the genuine request behind it gets its own answer, or none is read there.

A proxy reuses its connection to the bridge for everybody: where the two read a request's end differently, the bytes of
one caller become part of another's request. Each variant is sent before a genuine webhook, which follows once the
variant was answered, or at once behind it. The variants hold a second, validly signed webhook wherever bytes could be
taken for a request: it must never be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.h11_impl import H11Protocol
from wire_server import Line, Wire, chunks, signed, wired

HOST = b"Host: bridge.example"
INSIDE = b"INSIDE"
"""Stands for the validly signed webhook that must not be taken out of the bytes around it."""


@dataclass(frozen=True)
class Variant:
    """Hostile bytes; the statuses of their answers, and whether the connection goes on behind them."""

    name: str
    content: bytes
    statuses: tuple[int, ...]
    is_open: bool = True
    h11_takes_it: bool = True


def request(*lines: bytes, body: bytes = b"", path: bytes = b"/webhooks/shopify") -> bytes:
    """A request whose signature is wrong, so that its body is read before it is answered."""
    return b"\r\n".join([b"POST " + path + b" HTTP/1.1", HOST, b"X-Shopify-Hmac-Sha256: AAAA", *lines, b"", body])


def length(body: bytes) -> bytes:
    return b"Content-Length: %d" % len(body)


CHUNKED = b"Transfer-Encoding: chunked"
OFFER = b"Connection: Upgrade\r\nUpgrade: h2c"


def offers() -> Iterator[Variant]:
    """Offers of an upgrade, with a body or without: answered as any other request."""
    tokens = (b"h2c", b"websocket", b"foo/1", b"h2c, websocket", b"TLS/1.0")
    connections = (b"Upgrade", b"Upgrade, HTTP2-Settings", b"keep-alive, UPGRADE", b"upgrade,,close-not")
    for token in tokens:
        for connection in connections:
            lines = (b"Connection: " + connection, b"Upgrade: " + token, b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
            what = f"{token.decode()} by {connection.decode()}"
            yield Variant(f"{what}, no body", request(*lines), (401,))
            yield Variant(f"{what}, length", request(*lines, b"Content-Length: %d", body=INSIDE), (401,))
            yield Variant(f"{what}, chunked", request(*lines, CHUNKED, body=b"CHUNKS"), (401,))
    twice = (b"Connection: keep-alive", b"Connection: Upgrade", b"Upgrade: h2c", b"Upgrade: websocket")
    yield Variant("offer in two headers", request(*twice, b"Content-Length: %d", body=INSIDE), (401,))
    lines = (b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: %d")
    yield Variant("two offers in a row", request(*lines, body=INSIDE) * 2, (401, 401))
    yield Variant("offer to nowhere", request(*lines, body=INSIDE, path=b"/nowhere"), (404,))
    yield Variant("offer to the track API", request(*lines, body=INSIDE, path=b"/v1/track"), (401,))
    yield Variant("offer without Connection", request(b"Upgrade: h2c", lines[2], body=INSIDE), (401,))
    yield Variant("Connection without offer", request(b"Connection: Upgrade", lines[2], body=INSIDE), (401,))
    get = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    yield Variant("a real websocket handshake", get + key, (200,))


def taken() -> Iterator[Variant]:
    """Well-formed requests that look strange."""
    yield Variant("a body that is a request", request(b"Content-Length: %d", body=INSIDE), (401,))
    yield Variant("chunks that are a request", request(CHUNKED, body=b"CHUNKS"), (401,))
    yield Variant("chunked in capitals", request(b"TRANSFER-ENCODING: Chunked", body=b"CHUNKS"), (401,))
    yield Variant("chunked between blanks", request(b"Transfer-Encoding: \t chunked  ", body=b"CHUNKS"), (401,))
    smuggled = b"0\r\nHost: other.example\r\nX-Shopify-Topic: orders/paid\r\n\r\n"
    yield Variant("trailers that are headers", request(CHUNKED, body=smuggled), (401,))
    yield Variant("an unknown path", request(b"Content-Length: %d", body=INSIDE, path=b"/nowhere"), (404,))
    yield Variant("a GET with a body", request(b"Content-Length: %d", body=INSIDE).replace(b"POST", b"GET"), (405,))
    absolute = b"http://other.example/webhooks/shopify"
    yield Variant(
        "an absolute target", request(b"Content-Length: %d", body=INSIDE, path=absolute), (401,), h11_takes_it=False
    )
    absolute = b"http://other.example:80/healthz?x=/webhooks/shopify"
    yield Variant(
        "an absolute target elsewhere", request(path=absolute).replace(b"POST", b"GET"), (200,), h11_takes_it=False
    )
    absolute = b"http://other.example"
    for target in (absolute, absolute + b"?x=/webhooks/shopify", b"https://u:p@other.example/webhooks/none", b"*"):
        strange = request(b"Content-Length: %d", body=INSIDE, path=target)
        yield Variant(f"the target {target.decode()}", strange, (404,), h11_takes_it=target == b"*")
    absolute = request(b"Connection: Upgrade", b"Upgrade: h2c", length(b"abc"), body=b"abc", path=absolute)
    yield Variant("an absolute target with an offer", absolute, (404,))
    yield Variant("OPTIONS *", request(path=b"*").replace(b"POST", b"OPTIONS"), (404,))
    health = request(CHUNKED, body=b"CHUNKS", path=b"/healthz").replace(b"POST", b"GET")
    yield Variant("a GET with chunks that nobody reads", health, (200,))
    yield Variant("a trailer that offers", request(CHUNKED, body=b"3\r\nabc\r\n0\r\nUpgrade: h2c\r\n\r\n"), (401,))
    yield Variant("a trailer that expects", request(CHUNKED, body=b"0\r\nExpect: 100-continue\r\n\r\n"), (401,))
    yield Variant("Connection that names the length", request(b"Connection: content-length", length(b"")), (401,))
    yield Variant("a length under another name", request(b"Content_Length: 99", length(b"abc"), body=b"abc"), (401,))
    yield Variant("empty lines before", b"\r\n\r\n" + request(length(b"")), (401,), h11_takes_it=False)
    yield Variant("a length of many zeros", request(b"Content-Length: 000000000000000003", body=b"abc"), (401,))
    yield Variant("a query", request(b"Content-Length: %d", body=INSIDE, path=b"/webhooks/shopify?a=%0d%0a"), (401,))
    yield Variant("an expectation", request(b"Expect: 100-continued", b"Content-Length: %d", body=INSIDE), (401,))
    yield Variant("an expectation that is met", request(b"Expect: 100-continue", length(b"a"), body=b"a"), (100, 401))
    yield Variant("three in a row", request(b"Content-Length: %d", body=INSIDE) * 3, (401, 401, 401))
    yield Variant("a header a hundred times", request(*[b"X: y"] * 100, length(b"")), (401,))


def refused() -> Iterator[Variant]:
    """What two parsers could read in two ways, or is no HTTP/1.1: refused, and nothing behind it is read."""

    def no(name: str, content: bytes, status: int = 400) -> Variant:
        return Variant(name, content, (status,), is_open=False)

    both = request(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n" + INSIDE)
    yield no("a length and chunks", both)
    yield no("chunks and a length", request(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n" + INSIDE))
    yield no("two lengths", request(b"Content-Length: 0", b"Content-Length: %d", body=INSIDE))
    yield no("one length twice", request(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"))
    yield no("a list of lengths", request(b"Content-Length: 0, 3", body=b"abc"))
    for value in (b"+3", b"-1", b"0x3", b"3 3", b"3;3", b"", b" ", b"1e1", b"\xb3", b"99999999999999999999999"):
        yield no(f"a length of {value!r}", request(b"Content-Length: " + value, body=INSIDE))
    for value in (b"gzip, chunked", b"identity", b"xchunked", b"chunked;q=1", b'"chunked"', b"gzip"):
        yield no(f"the encoding {value!r}", request(b"Transfer-Encoding: " + value, body=b"0\r\n\r\n" + INSIDE), 501)
    for value in (b"\x0bchunked", b"\x00chunked", b"", b"chunked, identity", b"\r\n chunked", b"chunked\r\n ,identity"):
        yield no(f"the encoding {value!r}", request(b"Transfer-Encoding: " + value, body=b"0\r\n\r\n" + INSIDE))
    yield no("a length in a trailer", request(CHUNKED, body=b"0\r\nContent-Length: 5\r\n\r\n" + INSIDE))
    for field in (b"Connection", b"Proxy-Connection"):
        ending = request(CHUNKED, body=b"3\r\nabc\r\n0\r\n" + field + b": close\r\n\r\n" + INSIDE)
        yield no(f"a trailer that ends the connection by {field.decode()}", ending)
    yield no("an offer with a trailer that ends the connection", ending.replace(HOST, HOST + b"\r\n" + OFFER))
    offer = request(CHUNKED, body=b"3\r\nabc\r\n0\r\n" + OFFER + b"\r\n\r\n" + INSIDE)
    yield no("trailers that offer an upgrade", offer)
    yield no("a folded trailer", request(CHUNKED, body=b"0\r\nX: a\r\n b\r\n\r\n" + INSIDE))
    yield no("a trailer without a colon", request(CHUNKED, body=b"0\r\nX\r\n\r\n" + INSIDE))
    yield no("a bare return that ends the head", request(b"X: a\r\n\rX: b", length(b"")))
    yield no("a target that is a name", request(length(b""), path=b"other.example/webhooks/shopify"))
    yield no("chunked twice", request(CHUNKED, CHUNKED, body=b"0\r\n\r\n" + INSIDE))
    yield no("a blank before the colon", request(b"Content-Length : 3", body=b"abc" + INSIDE))
    yield no("a blank before the colon of chunks", request(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + INSIDE))
    yield no("a folded header", request(b"X: a\r\n b: c", length(b"")))
    yield no("a header that begins with a blank", request(b" X: a", length(b"")))
    yield no("a header without a colon", request(b"X", length(b"")))
    yield no("a header without a name", request(b": x", length(b"")))
    yield no("a zero in a header", request(b"X: a\x00b", length(b"")))
    yield no("a bare return in a header", request(b"X: a\rContent-Length: 3", body=b"abc"))
    yield no("a bare line feed in a header", request(b"X: a\nContent-Length: 3", body=b"abc"))
    yield no("line feeds alone", request(length(b"")).replace(b"\r\n", b"\n"))
    yield no("no Host", request(length(b"")).replace(HOST + b"\r\n", b""))
    yield no("two Hosts", request(b"Host: other.example", length(b"")))
    yield no("chunks in HTTP/1.0", request(CHUNKED, body=b"0\r\n\r\n" + INSIDE).replace(b"HTTP/1.1", b"HTTP/1.0"))
    yield no("HTTP/2.0", request(length(b"")).replace(b"HTTP/1.1", b"HTTP/2.0"), 505)
    yield no("HTTP/0.9", request(length(b"")).replace(b"HTTP/1.1", b"HTTP/0.9"), 505)
    yield no("HTTP/1.2", request(length(b"")).replace(b"HTTP/1.1", b"HTTP/1.2"))
    yield no("no version", request(length(b"")).replace(b" HTTP/1.1", b""), 505)
    yield no("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    yield no("CONNECT", request(length(b""), path=b"/").replace(b"POST", b"CONNECT"), 405)
    yield no("CONNECT to a name", request(length(b""), path=b"other.example:443").replace(b"POST", b"CONNECT"), 405)
    yield no("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    yield no("a header that is too large", request(b"X: " + b"x" * 70_000, length(b"")), 431)
    yield no("headers that are too many", request(*[b"X: y"] * 20_000, length(b"")), 431)
    yield no("a few headers more than are taken", request(*[b"X: y"] * 127, length(b"")), 431)
    yield no("an address that is too long", request(length(b""), path=b"/webhooks/shopify?" + b"a" * 9000), 414)
    yield no("a query of too many fields", request(length(b""), path=b"/webhooks/shopify?" + b"a&" * 200), 414)
    for name, body in {
        "a chunk with a line feed alone": b"5\nabcde\r\n0\r\n\r\n",
        "a chunk that is longer than it says": b"3\r\nabcde\r\n0\r\n\r\n",
        "a chunk's size that is none": b"x\r\nabc\r\n0\r\n\r\n",
        "a chunk's size with a sign": b"+3\r\nabc\r\n0\r\n\r\n",
        "a chunk's size in C": b"0x3\r\nabc\r\n0\r\n\r\n",
        "a chunk's size that overflows": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
        "a chunk's size behind a blank": b" 3\r\nabc\r\n0\r\n\r\n",
    }.items():
        yield no(name, request(CHUNKED, body=body + INSIDE))


def closed() -> Iterator[Variant]:
    """Requests whose caller ends the connection with them, or whose body is not read."""
    yield Variant(
        "a DELETE with chunks", request(CHUNKED, body=b"CHUNKS").replace(b"POST", b"DELETE"), (405,), is_open=False
    )
    yield Variant(
        "an end by the caller", request(b"Connection: close", b"Content-Length: %d", body=INSIDE), (401,), is_open=False
    )
    offer = request(b"Connection: close, Upgrade", b"Upgrade: h2c", b"Content-Length: %d", body=INSIDE)
    yield Variant("an offer and an end by the caller", offer, (401,), is_open=False)
    ending = request(b"Proxy-Connection: close", b"Content-Length: %d", body=INSIDE)
    yield Variant("an end by the caller, as for a proxy", ending, (401,), is_open=False)
    old = request(b"Content-Length: %d", body=INSIDE).replace(b"HTTP/1.1", b"HTTP/1.0")
    yield Variant("HTTP/1.0", old, (401,), is_open=False)
    old = request(b"Expect: 100-continue", b"Content-Length: %d", body=INSIDE).replace(b"HTTP/1.1", b"HTTP/1.0")
    yield Variant("HTTP/1.0 with an expectation", old, (401,), is_open=False)
    old = request(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d", body=INSIDE)
    yield Variant("HTTP/1.0 with an offer", old.replace(b"HTTP/1.1", b"HTTP/1.0"), (401,), is_open=False)


OPEN = [*offers(), *taken()]
VARIANTS = [*OPEN, *refused(), *closed()]
NUMBERS = count()


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wired(tmp_path_factory.mktemp("wire")) as running:
        yield running


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wired(tmp_path_factory.mktemp("oracle"), H11Protocol) as running:
        yield running


def filled(variant: Variant, name: str) -> bytes:
    """The variant's bytes with the webhook that must not be taken out of them."""
    inside = signed(f"{name}-inside")
    content = variant.content.replace(b"CHUNKS", chunks(inside))
    return content.replace(b"Content-Length: %d", length(inside)).replace(INSIDE, inside)


def answers(line: Line, number: int) -> tuple[int, ...]:
    return tuple(answer.status for _ in range(number) if (answer := line.answer()))


def test_there_are_a_hundred_variants_and_no_two_are_the_same() -> None:
    assert len({variant.content for variant in VARIANTS}) == len(VARIANTS) >= 100
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
@pytest.mark.parametrize("is_pipelined", [False, True], ids=["behind its answer", "at once"])
def test_the_genuine_webhook_behind_it_gets_its_own_answer_or_none_is_read(
    wire: Wire, variant: Variant, *, is_pipelined: bool
) -> None:
    name = f"follower-{next(NUMBERS)}"
    hostile, genuine = filled(variant, name), signed(name)
    with wire.connect() as line:
        line.send(hostile + genuine if is_pipelined else hostile)
        assert answers(line, len(variant.statuses)) == variant.statuses
        if not is_pipelined:
            line.send(genuine)
        follower = line.answer()
    if variant.is_open:
        assert follower is not None
        assert (follower.status, follower.body) == (200, b'{"success":true}')
    else:
        assert follower is None
    assert [one for one in wire.kept() if one.startswith(f"{name}")] == [name] * variant.is_open


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_genuine_webhook_before_it_is_answered_and_kept(wire: Wire, variant: Variant) -> None:
    name = f"before-{next(NUMBERS)}"
    with wire.connect() as line:
        line.send(signed(name) + filled(variant, name))
        assert answers(line, 1) == (200,)
    assert [one for one in wire.kept() if one.startswith(name)] == [name]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(variant=st.sampled_from(VARIANTS), cuts=st.lists(st.integers(0, 4000), max_size=12))
def test_the_answers_do_not_depend_on_how_the_bytes_arrive(wire: Wire, variant: Variant, cuts: list[int]) -> None:
    name = f"cut-{next(NUMBERS)}"
    content = filled(variant, name) + signed(name)
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    with wire.connect() as line:
        for start, end in pairwise(edges):
            line.send(content[start:end])
        assert answers(line, len(variant.statuses)) == variant.statuses
        follower = line.answer()
    assert (follower.status if follower else None) == (200 if variant.is_open else None)
    assert [one for one in wire.kept() if one.startswith(name)] == [name] * variant.is_open


@pytest.mark.parametrize("variant", [one for one in OPEN if one.h11_takes_it], ids=lambda variant: variant.name)
@pytest.mark.parametrize("is_pipelined", [False, True], ids=["behind its answer", "at once"])
def test_another_parser_of_http_gives_the_same_answers_to_what_is_taken(
    oracle: Wire, variant: Variant, *, is_pipelined: bool
) -> None:
    name = f"follower-{next(NUMBERS)}"
    hostile, genuine = filled(variant, name), signed(name)
    with oracle.connect() as line:
        line.send(hostile + genuine if is_pipelined else hostile)
        assert answers(line, len(variant.statuses)) == variant.statuses
        if not is_pipelined:
            line.send(genuine)
        assert answers(line, 1) == (200,)
    assert [one for one in oracle.kept() if one.startswith(name)] == [name]
