"""The head of a request: what HTTP/1.1 allows and this server refuses, and a head without its upgrade offer.

The time that a head may take is not here: it is `http_protocol.HEAD_SECONDS`.

It refuses whatever two parsers could read in two ways: a proxy that sees the end of a request elsewhere than this
server would lead the bytes of the next request into it. llhttp itself refuses folded lines, bare line feeds, two
lengths, and a length beside an encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import httptools

HEAD_BYTES = 64 * 1024
"""The most bytes of a head's names and values, however they arrive."""
HEADERS = 128
"""The most headers of a request, and trailers: each costs some hundred bytes of memory.

Apache takes 100, HAProxy 101.
"""
TARGET_BYTES = 8 * 1024
"""The most that the address of a request may have, as RFC 9112 §3 recommends at least."""
FIELDS = 100
"""The most fields of its query: each takes a microsecond before anything is proven."""
_SEPARATORS = len(b":\r\n")
_OFFERED = (b"upgrade", b"http2-settings")

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, in their order."""


class HeadRefused(Exception):
    """A request is refused by its head; its text is for its sender, and the connection must end."""

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def check_head(method: bytes, version: str, url: bytes, headers: Headers, *, is_long: bool) -> None:
    """Raises HeadRefused for a head that this server does not take. Its size is checked only if it `is_long`."""
    if len(headers) > HEADERS or (is_long and _head_size(url, headers) > HEAD_BYTES):
        raise too_large()
    if len(url) > TARGET_BYTES or url.count(b"&") >= FIELDS:
        raise HeadRefused("the address of the request is too long; send a shorter one with fewer fields", status=414)
    if version not in {"1.1", "1.0"}:
        raise HeadRefused("the version of HTTP must be 1.1 or 1.0", status=505)
    if method == b"CONNECT":
        raise HeadRefused("this server is no proxy: CONNECT is not taken", status=405)
    names = [name for name, _ in headers]
    hosts = names.count(b"host")
    if hosts > 1 or (not hosts and version == "1.1"):
        raise HeadRefused(f"a request has exactly one Host header (RFC 9112 §3.2), this one has {hosts}")
    if b"transfer-encoding" in names:
        _check_encoding(version, names, headers)


def _check_encoding(version: str, names: Sequence[bytes], headers: Headers) -> None:
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if version == "1.0":
        raise HeadRefused("HTTP/1.0 has no Transfer-Encoding (RFC 9112 §6.1); send a Content-Length")
    if codings != [b"chunked"]:
        raise HeadRefused("the one Transfer-Encoding that is taken is chunked, once (RFC 9112 §6.1)", status=501)
    if b"content-length" in names:
        raise HeadRefused("a request has a Content-Length or a Transfer-Encoding, not both (RFC 9112 §6.3)")


def too_large() -> HeadRefused:
    """Returns the refusal of a head beyond the limit."""
    return HeadRefused("the head of the request is too large; send fewer and shorter headers", status=431)


def _head_size(url: bytes, headers: Headers) -> int:
    return len(url) + sum(len(name) + len(value) + _SEPARATORS for name, value in headers)


def origin_form(url: bytes) -> bytes:
    """Returns path and query of an absolute address, whose path may be missing (RFC 9112 §3.2.2); `*` as it is.

    Raises HttpParserInvalidURLError.
    """
    parsed = httptools.parse_url(url)
    return (parsed.path or b"/") + (b"" if parsed.query is None else b"?" + parsed.query)


def without_offer(method: bytes, version: str, url: bytes, headers: Headers) -> bytes:
    """The head again, as bytes, without its offer to upgrade: a server may ignore one (RFC 9110 §7.8).

    What was parsed holds no line breaks, so what is written here is read as the same head.
    """
    lines = [b"%b %b HTTP/%b" % (method, url, version.encode())]
    for name, value in headers:
        if name == b"connection":
            kept = [option for option in value.split(b",") if option.strip().lower() not in _OFFERED]
            lines.append(b"connection: " + b",".join(kept))
        elif name not in _OFFERED:
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])
