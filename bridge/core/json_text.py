"""JSON as trackbridge reads and writes it: digits are kept, duplicate keys and non-numbers are refused.

Reading keeps integers whole and turns fractions into `Decimal`, so that `19.90` stays `19.90`; writing is the reverse.
"""

from __future__ import annotations

import codecs
import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

Json = Any
"""A parsed document: dict, list, str, int, Decimal, float, bool or None."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_MOST_DIGITS = 400
"""Far beyond any id or amount, far below the cost of a long division."""


def parse_json(data: bytes | str, *, strict: bool = True) -> Json:
    """The document in `data`, which must be UTF-8 without a byte order mark.

    Raises ValueError with a sentence that says a caller what to change: compressed, UTF-16, not UTF-8, not JSON (with
    line and column), a key twice in one object, `NaN` or `Infinity`, nesting too deep, a number too long to read. Not
    `strict`, the last of a key's values wins and a byte order mark is ignored, as RFC 8259, section 8.1 allows: what a
    provider signed is taken as its own parser would.
    """
    if isinstance(data, bytes) and not _may_hold_a_long_number(data):
        try:
            document = _FAST.decode(data)
            if not strict or _holds_all_of(data, document):
                return document
        except (ValueError, RecursionError):
            pass  # the slower parser decides, and names the problem
    text = decode_utf8(data) if isinstance(data, bytes) else data
    if text.startswith("\ufeff") and strict:
        raise ValueError("starts with a byte order mark; send it without")
    try:
        return (_STRICT if strict else _LENIENT).decode(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        if "\0" in text[:4]:
            raise ValueError("not UTF-8 but UTF-16 or UTF-32; send it in UTF-8") from None
        raise ValueError(f"not JSON: {error.msg.lower()} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deep") from None


def decode_utf8(data: bytes) -> str:
    """The text of UTF-8 bytes. Raises ValueError that names what they are instead, where that shows, and the remedy."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        for start, kind in _COMPRESSED.items():
            if data.startswith(start):
                raise ValueError(f"compressed with {kind}; send it uncompressed") from None
        if b"\0" in data[:4] or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ValueError("not UTF-8 but UTF-16 or UTF-32; send it in UTF-8") from None
        raise ValueError(f"not UTF-8: the byte at offset {error.start} fits no character; send it in UTF-8") from None


def write_json(document: Json) -> bytes:
    """The shortest JSON text of a document, UTF-8. Raises ValueError for what JSON cannot hold."""
    try:
        return _ENCODER.encode(document)
    except (TypeError, UnicodeEncodeError, RecursionError, ValueError) as error:
        raise ValueError(f"cannot be written as JSON: {type(error).__name__}") from None


def write_escaped_json(document: Json) -> bytes:
    """The same for documents that may hold a lone surrogate, which UTF-8 cannot: it is written as its escape."""
    try:
        return write_json(document)
    except ValueError:
        match document:
            case str():
                return json.dumps(document).encode()
            case list():
                return b"[%b]" % b",".join(write_escaped_json(item) for item in document)
            case dict():
                members = (b"%b:%b" % (json.dumps(key).encode(), write_escaped_json(document[key])) for key in document)
                return b"{%b}" % b",".join(members)
            case _:
                raise


def indent_json(text: bytes) -> str:
    """A JSON text indented for people, with its digits; what is no JSON, or nested too deep, is returned unchanged."""
    try:
        return msgspec.json.format(text.removeprefix(codecs.BOM_UTF8), indent=2).decode()
    except (ValueError, RecursionError):
        return text.decode("utf-8", "replace")


def _holds_all_of(data: bytes, document: Json) -> bool:
    """Whether no key of `data` is twice in an object: the parsed document would lack the first of them.

    What it lacks had a colon: written again, the document has fewer. Only an escaped one could make up for it.
    """
    return _ESCAPED_COLON not in data and write_json(document).count(b":") == data.count(b":")


def _object_of_unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:64]!r} is twice in one object")
            seen.add(key)
    return document


def _parse_integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError("holds a number of over 400 digits")
    return int(digits)


def _parse_fraction(digits: str) -> Decimal:
    if len(digits) > _MOST_DIGITS:
        raise ValueError("holds a number of over 400 digits")
    try:
        number = Decimal(digits)
    except InvalidOperation:  # its exponent has nineteen digits or more
        raise ValueError("holds a number beyond 1e400") from None
    if abs(number.adjusted()) > _MOST_DIGITS:  # 1e400 would be 400 digits once it is added to anything
        raise ValueError("holds a number beyond 1e400")
    return number


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _may_hold_a_long_number(data: bytes) -> bool:
    """Whether there could be 400 digits in a row: then every fiftieth byte is a digit, eight times in a row."""
    return _EIGHT_DIGITS in data[::_STEP].translate(_DIGITS)


_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x78\x01": "zlib (deflate)",
    b"\x78\x5e": "zlib (deflate)",
    b"\x78\x9c": "zlib (deflate)",
    b"\x78\xda": "zlib (deflate)",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "ZIP",
}
"""How a compressed text begins (RFC 1952, RFC 1950, RFC 8878); Brotli has no sign of its own."""
_ESCAPED_COLON = b"\\u003"
"""The beginning of one, and of five other characters."""
_STEP = _MOST_DIGITS // 8
_EIGHT_DIGITS = b"0" * 8
_DIGITS = bytes(ord("0") if chr(byte) in "0123456789" else ord(" ") for byte in range(256))

_STRICT = json.JSONDecoder(
    parse_float=_parse_fraction,
    parse_int=_parse_integer,
    parse_constant=_no_constant,
    object_pairs_hook=_object_of_unique_keys,
)
_LENIENT = json.JSONDecoder(parse_float=_parse_fraction, parse_int=_parse_integer, parse_constant=_no_constant)
_FAST = msgspec.json.Decoder(float_hook=_parse_fraction)
"""Reads what `_LENIENT` reads in a third of the time, but for the length of whole numbers and lone surrogates."""
