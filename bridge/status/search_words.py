"""What a text that somebody looks for may be written as, and what a search says of how far it looked. Pure."""

from __future__ import annotations

import hashlib

from bridge.store.status_views import MOST_UNREAD

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


def describe_unread(unread: int) -> str:
    """What is found at any age, but for so many older events."""
    found = "event ids, orders and e-mails of events at any age"
    if not unread:
        return found
    count = f"{unread:,}" if unread < MOST_UNREAD else f"{MOST_UNREAD:,} or more"
    return f"{found}, but for {count} older events that are not indexed yet"
