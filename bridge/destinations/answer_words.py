"""Words about an answer: its status, and as much of an upstream's own words as a reason repeats. Pure."""

from __future__ import annotations

from http import HTTPStatus

WORDS = 200
"""Characters of an upstream's own words that a reason repeats."""


def status_text(status: int) -> str:
    """`404 not found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase.lower()}"
    except ValueError:
        return f"{status}"


def cut_words(text: str) -> str:
    """The beginning of a text on one line, without what cannot be printed."""
    seen = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * WORDS])
    return " ".join(seen.split())[:WORDS]
