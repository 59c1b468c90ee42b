"""The known word that an unknown one probably means, for the end of a message. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_CLOSE = 0.6


def nearest_word(word: str, known: Iterable[str], *, cutoff: float = _CLOSE) -> str | None:
    """The known word nearest to `word`; None where none is as near as `cutoff`, of 1 for the same word."""
    return next(iter(get_close_matches(word, list(known), 1, cutoff)), None)


def suggest_nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'lower'?` for the nearest known word, or nothing where none is near."""
    near = nearest_word(word, known)
    return f"; did you mean '{near}'?" if near else ""


def suggest_or_list(word: str, known: Iterable[str]) -> str:
    """Did you mean the nearest known word, or which words are known where none is near."""
    names = list(known)
    near = nearest_word(word, names)
    return f"did you mean `{near}`?" if near else f"known are {', '.join(names) or 'none yet'}"
