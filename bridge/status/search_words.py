"""What a text that somebody looks for may be written as in webhooks and events. Pure."""

from __future__ import annotations

import hashlib

SHORTEST = 2
"""Characters; a shorter text would fit everything."""


def search_words(what: str) -> tuple[str, ...]:
    """What was typed, and what else it may be: an e-mail in lower case and hashed, an order with its `#`.

    None where it is too short.
    """
    text = what.strip()
    if len(text) < SHORTEST:
        return ()
    words = [text]
    if "@" in text:
        address = text.lower()
        words += [address, hashlib.sha256(address.encode()).hexdigest()]
    elif text.startswith("#"):
        words.append(text[1:])
    elif text.isdigit():
        words.append(f"#{text}")
    return tuple(dict.fromkeys(words))
