"""How far a search by a text looks, and how a body is read for it: the same in every engine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.store.codec.columns import storable_text

NEWEST = 20_000
"""Webhooks and events whose columns are read: some 40 ms."""
NEWEST_BODIES = 2_000
"""Webhooks whose bodies are unpacked and read: some 30 ms."""
MOST_FOUND = 100


def whole_words(words: Sequence[str]) -> re.Pattern[bytes]:
    """What finds one of these texts in a body, as a whole word."""
    texts = b"|".join(re.escape(storable_text(word).encode()) for word in words)
    return re.compile(rb"(?<![\w.@+-])(?:%s)(?![\w@+-])" % texts)


def quoted_words(words: Sequence[str]) -> list[bytes]:
    """These texts as whole strings of JSON."""
    return [f'"{storable_text(word)}"'.encode() for word in words]
