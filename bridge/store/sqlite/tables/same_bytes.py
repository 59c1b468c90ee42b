"""Webhooks with the same bytes: which one was first, and how many came first at another source.

Where a signature covers the body alone, the bytes are genuine under every topic, and at every source that has the
secret. Under several topics of one source they are usual: Shopify sends an order so. At two sources each could make the
same conversion a second time, so they are counted.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Sequence

from bridge.core import dedupe_keys
from bridge.core.model import Kept, Webhook
from bridge.store.sqlite.tables import ledger as recent

_OF = "same_bytes"


def count_same_bytes(db: sqlite3.Connection, kept: Sequence[Kept]) -> None:
    """Count the webhooks among `kept` whose bytes were first received at another source."""
    again = [(one.source, one.same_bytes_as) for one in kept if one.same_bytes_as is not None]
    if not again:
        return
    numbers = json.dumps([number for _, number in again])
    first = dict(
        db.execute("SELECT number, source FROM webhooks WHERE number IN (SELECT value FROM json_each(?))", (numbers,))
    )
    pairs = Counter((source, first[number]) for source, number in again if first.get(number, source) != source)
    db.executemany(
        "INSERT INTO counts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        [(_OF, source, other, n) for (source, other), n in pairs.items()],
    )


def same_bytes_count(db: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many webhooks of a source had the bytes of one of another source, by (source, the other)."""
    rows = db.execute("SELECT name, state, n FROM counts WHERE of = ?", (_OF,))
    return {(source, other): n for source, other, n in rows}


def first_with_bytes(db: sqlite3.Connection, webhook: Webhook) -> int | None:
    """Returns the number of the first webhook with these bytes; None if it is this one, or is not known."""
    key = dedupe_keys.content_key(hashlib.sha256(webhook.body))
    number, _ = recent.find_keys(db, [key]).get(key, (webhook.number, 0))
    return number if number < webhook.number else None
