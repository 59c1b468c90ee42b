"""Whether a document can be kept and sent as JSON that every parser reads: characters, numbers, depth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from bridge.contract.fast_validator import is_number
from bridge.contract.messages import format_path
from bridge.core.json_text import Json
from bridge.core.model import EventProblem

DEEPEST = 64
"""How many levels of objects and arrays an event may have."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def is_plain(text: bytes) -> bool:
    """Whether a JSON text surely holds no null, no U+0000 and nothing that is no number; wrong only by saying no."""
    return not (
        b"null" in text or has_zero(text) or (b"N" in text and b"NaN" in text) or (b"I" in text and b"Infinity" in text)
    )


def has_zero(text: bytes) -> bool:
    """Whether a JSON text may hold U+0000; wrong only by saying yes."""
    return b"\\" in text and b"\\u0000" in text  # one letter is found in a fraction of the time


def is_shallow(text: bytes) -> bool:
    """Whether a JSON text surely has no more levels than an event may have; wrong only by saying no."""
    return text.count(b"{") + text.count(b"[") <= DEEPEST


def find_unsafe_json(raw: Json) -> Iterator[EventProblem]:
    """What keeps a document from being JSON that every parser reads, in the document's order."""
    return _find_unsafe_value(raw, ())


def _find_unsafe_value(value: Json, path: tuple[str | int, ...]) -> Iterator[EventProblem]:
    match value:
        case None | bool() | int():
            return
        case str():
            yield from _bad_text(value, path, format_path(path))
        case float() | Decimal():
            if not is_number(value):
                yield EventProblem(path, f"{format_path(path)} must be a finite number")
        case dict() | list() if len(path) >= DEEPEST:
            yield EventProblem(path, f"{format_path(path)} is nested deeper than {DEEPEST} levels")
        case dict():
            for key, part in value.items():
                inner = (*path, key)
                yield from _bad_text(key, inner, f"the name of {format_path(inner)}")
                yield from _find_unsafe_value(part, inner)
        case list():
            for index, part in enumerate(value):
                yield from _find_unsafe_value(part, (*path, index))
        case _:
            yield EventProblem(path, f"{format_path(path)} is no JSON")


def _bad_text(text: Json, path: tuple[str | int, ...], what: str) -> Iterator[EventProblem]:
    if not isinstance(text, str):
        yield EventProblem(path[:-1], f"{format_path(path[:-1])} has a name that is no text")
    elif "\x00" in text:
        yield EventProblem(path, f"{what} holds the character U+0000; leave it out")
    elif _SURROGATE.search(text):
        yield EventProblem(path, f"{what} holds half a character (a lone surrogate); send whole ones")
