"""Templates: text with `{placeholders}`, split into its parts once, when a recipe is read.

A `{` before a letter begins a placeholder; every other brace is itself, so that JSON can be written as it is.
"""

from __future__ import annotations

import re

from bridge.core.suggestions import nearest_word
from bridge.signature.locators import Locator, LocatorRoot, parse_locator
from bridge.signature.recipe import KeyedReply, Part, Placeholder

PLACES = ("header:", "json:", "query:", "form:")


def parse_signed_template(text: str) -> tuple[Part | None, ...]:
    """The parts of a `signed` template; None represents `{id}`. Raises ValueError with a sentence to remedy it by."""
    parts: list[Part | None] = []
    for placeholder, piece in _split_placeholders(text):
        if not placeholder:
            if "{" in piece or "}" in piece:
                raise ValueError("a brace that belongs to no placeholder; write {body}, {timestamp}, …")
            parts.append(piece.encode())
        elif piece == "id":
            parts.append(None)
        elif piece in _WORDS:
            parts.append(Placeholder(piece))
        elif (place := _parse_place(piece)) is not None:
            parts.append(place)
        else:
            raise ValueError(_unknown_placeholder(piece, ("id", *_WORDS, *PLACES)))
    return tuple(parts)


def parse_reply_template(text: str) -> tuple[str | Locator | KeyedReply, ...]:
    """The parts of a challenge's answer. Raises ValueError with a sentence to remedy it by."""
    parts: list[str | Locator | KeyedReply] = []
    for placeholder, piece in _split_placeholders(text):
        if not placeholder:
            parts.append(piece)
        elif piece.startswith(_KEYED) and (place := _parse_place(piece.removeprefix(_KEYED))) is not None:
            parts.append(KeyedReply(place))
        elif (place := _parse_place(piece)) is not None:
            parts.append(place)
        else:
            raise ValueError(_unknown_placeholder(piece, (*PLACES, _KEYED)))
    return tuple(parts)


_WORDS = tuple(str(word) for word in Placeholder)
_KEYED = "hmac:"
_PLACEHOLDER = re.compile(r"\{([A-Za-z][^{}]*)\}")
_OPEN = re.compile(r"\{[A-Za-z]")


def _split_placeholders(text: str) -> list[tuple[bool, str]]:
    """The text cut at its placeholders: whether each piece is one, and the piece."""
    pieces = [(number % 2 == 1, piece) for number, piece in enumerate(_PLACEHOLDER.split(text))]
    for placeholder, piece in pieces:
        if not placeholder and _OPEN.search(piece):
            raise ValueError("a placeholder that is not closed; end it with }")
    return [(placeholder, piece) for placeholder, piece in pieces if piece]


def _parse_place(piece: str) -> Locator | None:
    if not piece.startswith(PLACES):
        return None
    place = parse_locator(piece)
    return None if place.root is LocatorRoot.SIGNATURE else place


def _unknown_placeholder(piece: str, known: tuple[str, ...]) -> str:
    head, colon, rest = piece.partition(":")
    near = nearest_word(head + colon, known)
    if near:
        return f"unknown placeholder {{{piece}}}; did you mean {{{near}{rest}}}?"
    shown = ", ".join(f"{{{name}…}}" if name.endswith(":") else f"{{{name}}}" for name in known)
    return f"unknown placeholder {{{piece}}}; there are {shown}"
