"""Whether a document can be kept and sent as JSON that every parser reads: characters, numbers, depth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import chain

from bridge.contract.fast_validator import is_number
from bridge.contract.messages import format_path
from bridge.core.json_text import Json
from bridge.core.model import EventProblem

DEEPEST = 64
"""How many levels of objects and arrays an event may have."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_ALWAYS_SAFE = frozenset({type(None), bool, int})
_CONTAINERS = frozenset({dict, list})
_NUMBERS = frozenset({float, Decimal})


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


def is_safe_json(raw: Json) -> bool:
    """Whether `find_unsafe_json` would find nothing; of another type than a JSON reader makes it may say no.

    It goes through a document level by level and not value by value: 85,000 objects in 1 MB take 25 ms, not 300.
    """
    level: list[Json] = [raw]
    for _ in range(DEEPEST):
        objects = [value for value in level if value.__class__ is dict]
        lists = [value for value in level if value.__class__ is list]
        if not _are_safe_texts([*chain.from_iterable(objects)]) or not _are_safe_values(level):
            return False
        level = [*chain.from_iterable(map(dict.values, objects)), *chain.from_iterable(lists)]
        if not level:
            return True
    return _CONTAINERS.isdisjoint(map(type, level)) and _are_safe_values(level)


def _are_safe_values(values: Sequence[Json]) -> bool:
    """Whether values are safe, whatever those of them hold that are objects and arrays."""
    types = set(map(type, values)) - _ALWAYS_SAFE - _CONTAINERS
    numbers = types - {str}
    if not numbers <= _NUMBERS:
        return False
    texts = [value for value in values if value.__class__ is str] if str in types else []
    return _are_safe_texts(texts) and (
        not numbers or all(is_number(value) for value in values if value.__class__ in numbers)
    )


def _are_safe_texts(texts: Sequence[Json]) -> bool:
    return set(map(type, texts)) <= {str} and _UNSAFE.search("".join(texts)) is None


def find_unsafe_json(raw: Json) -> Iterator[EventProblem]:
    """What keeps a document from being JSON that every parser reads, in the document's order."""
    return iter(()) if is_safe_json(raw) else _find_unsafe_value(raw, ())


def _find_unsafe_value(value: Json, path: tuple[str | int, ...]) -> Iterator[EventProblem]:
    match value:
        case None | bool() | int():
            return
        case str():
            yield from _bad_text(value, path)
        case float() | Decimal():
            if not is_number(value):
                yield EventProblem(path, f"{format_path(path)} must be a finite number")
        case dict() | list() if len(path) >= DEEPEST:
            yield EventProblem(path, f"{format_path(path)} is nested deeper than {DEEPEST} levels")
        case dict():
            for key, part in value.items():
                inner = (*path, key)
                yield from _bad_text(key, inner, of="the name of ")
                yield from _find_unsafe_value(part, inner)
        case list():
            for index, part in enumerate(value):
                yield from _find_unsafe_value(part, (*path, index))
        case _:
            yield EventProblem(path, f"{format_path(path)} is no JSON")


def _bad_text(text: Json, path: tuple[str | int, ...], *, of: str = "") -> Iterator[EventProblem]:
    if not isinstance(text, str):
        yield EventProblem(path[:-1], f"{format_path(path[:-1])} has a name that is no text")
    elif "\x00" in text:
        yield EventProblem(path, f"{of}{format_path(path)} holds the character U+0000; leave it out")
    elif _SURROGATE.search(text):
        yield EventProblem(path, f"{of}{format_path(path)} holds half a character (a lone surrogate); send whole ones")
