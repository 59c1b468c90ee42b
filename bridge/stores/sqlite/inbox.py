"""A webhook comes in, is sorted in, and is claimed to be translated.

What comes in is written down as it came, the requests of a moment in one row, and answered: that is all a provider
waits for. Sorted in, each webhook has a row and a number of its own, or is known as one that was there before. Not
concerned with what it becomes: `making.py` writes that.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Any

from bridge import log
from bridge.model import Kept, Webhook, WebhookState
from bridge.stores.sqlite import bulk, packing
from bridge.stores.sqlite.clocks import STEP_MS, seen
from bridge.stores.sqlite.columns import instant, joined, last, maybe_text, ms, pack, parted, span, text, unpack_object

HANDY = 16 * 1024 * 1024
"""About how many bytes are packed together at most, or one request's."""
_LETTER = 500
"""Bytes that a webhook takes beside its body and headers, generously."""
COLUMNS = """
    w.number, w.source, w.id, w.topic, w.received_at, w.headers, w.query, w.item, w.identity, b.bytes, b.form
    FROM webhooks AS w LEFT JOIN bodies AS b ON b.number = w.body
"""


def keep(db: sqlite3.Connection, requests: Sequence[Sequence[Webhook]]) -> list[Exception | None]:
    """Write down what came in, packed together as far as that stays handy; nothing to say to anybody."""
    for group in _handy(requests):
        count = sum(map(len, group))
        db.execute("INSERT INTO inbox (count, packed) VALUES (?, ?)", (count, packing.packed(group)))
    return [None] * len(requests)


def is_handy(requests: Sequence[Sequence[Webhook]]) -> bool:
    """Whether all of it is packed into one row."""
    return sum(map(_size, requests)) <= HANDY


def _handy(requests: Sequence[Sequence[Webhook]]) -> Iterator[Sequence[Sequence[Webhook]]]:
    if is_handy(requests):
        yield requests
        return
    first = size = 0
    for at, webhooks in enumerate(requests):
        more = _size(webhooks)
        if at > first and size + more > HANDY:
            yield requests[first:at]
            first, size = at, 0
        size += more
    yield requests[first:]


def _size(webhooks: Sequence[Webhook]) -> int:
    """About how many bytes a request's webhooks are before they are packed: one body, and the rest for each."""
    if not webhooks:
        return 0
    first = webhooks[0]
    each = _LETTER
    if len(webhooks) > 1:
        each += sum(len(name) + len(value) for name, value in first.headers.items())
    return len(first.body) + len(webhooks) * each


def is_sorted(db: sqlite3.Connection) -> bool:
    """Whether all that came in has its place."""
    return not db.execute("SELECT EXISTS (SELECT 1 FROM inbox)").fetchone()[0]


def newest(db: sqlite3.Connection) -> int:
    """The number of what came in last and has no place yet; 0 where all has."""
    found: int = db.execute("SELECT coalesce(max(number), 0) FROM inbox").fetchone()[0]
    return found


def oldest(db: sqlite3.Connection) -> float:
    """The number of what came in first and has no place yet; beyond all numbers where all has."""
    found: int | None = db.execute("SELECT min(number) FROM inbox").fetchone()[0]
    return inf if found is None else found


def sort_in(db: sqlite3.Connection, *, limit: int) -> tuple[Kept, ...]:
    """Give what came in its place, in its order: `limit` webhooks, or those of one row where it holds more."""
    waiting = list(_oldest(db, limit))
    webhooks = [one for number, packed in waiting for one in _unpacked(db, number, packed)]
    kept = _sorted(db, webhooks)
    db.executemany("DELETE FROM inbox WHERE number = ?", [(number,) for number, _ in waiting])
    return kept


def _unpacked(db: sqlite3.Connection, number: int, packed: bytes) -> list[Webhook]:
    """The webhooks of a row; none of one that is damaged, which is put by, as it is, and told."""
    try:
        return packing.unpacked(packed)
    except ValueError as error:
        db.execute(
            "INSERT OR REPLACE INTO unreadable SELECT number, count, packed FROM inbox WHERE number = ?", (number,)
        )
        log.trouble("store.unreadable", row=number, why=str(error), mend="see trackbridge status")
        return []


def _oldest(db: sqlite3.Connection, limit: int) -> Iterable[tuple[int, bytes]]:
    taken = 0
    for number, count, packed in db.execute("SELECT number, count, packed FROM inbox ORDER BY number"):
        yield number, packed
        taken += count
        if taken >= limit:
            return


def _sorted(db: sqlite3.Connection, webhooks: Sequence[Webhook]) -> tuple[Kept, ...]:
    """A row for each that is not known by any of its keys. The items of one request share one body."""
    keys = [key for webhook in webhooks for key in webhook.identity]
    known: dict[bytes, int] = dict(bulk.found(db, "SELECT key, number FROM ledger WHERE key", keys))
    number, body = last(db, "webhooks"), last(db, "bodies")
    latest = _latest_due(db)
    bodies: dict[int, tuple[int, bytes]] = {}  # by which of the requests it came with
    rows: list[tuple[Any, ...]] = []
    ledger: list[tuple[bytes, int, int]] = []
    kept: list[Kept] = []
    for webhook in webhooks:
        before = next((known[key] for key in webhook.identity if key in known), None)
        if before is None:
            number += 1
            mine, _ = bodies.setdefault(id(webhook.body), (body + len(bodies) + 1, webhook.body))
            rows.append(_row(number, webhook, mine, latest))
            for key in webhook.identity:
                known[key] = number
                ledger.append((key, number, ms(webhook.received_at)))
        kept.append(Kept(before or number, again=before is not None, source=webhook.source, topic=webhook.topic))
    bulk.insert(db, "bodies (number, bytes, form)", _at_rest(bodies.values()))
    bulk.insert(db, f"webhooks ({_ROW})", rows)
    bulk.insert(db, "ledger", ledger)
    return tuple(kept)


def _at_rest(bodies: Collection[tuple[int, bytes]]) -> list[tuple[int, bytes, int]]:
    kept = packing.at_rest([body for _, body in bodies])
    return [(number, *one) for (number, _), one in zip(bodies, kept, strict=True)]


_ROW = "number, source, id, topic, state, received_at, due, headers, query, item, identity, body"


def _latest_due(db: sqlite3.Connection) -> int | None:
    """What came before a clock was set back is due now, not when that clock has come so far again."""
    found = db.execute("SELECT at FROM probes").fetchone()
    return found[0] + STEP_MS if found else None


def _row(number: int, webhook: Webhook, body: int, latest: int | None) -> tuple[Any, ...]:
    at = ms(webhook.received_at)
    due = at if latest is None else min(at, latest)
    return (
        number, text(webhook.source), text(webhook.id), maybe_text(webhook.topic), WebhookState.RECEIVED.value, at, due,
        pack(webhook.headers), pack(webhook.query), maybe_text(webhook.item), joined(webhook.identity), body,
    )  # fmt: skip


def claim(db: sqlite3.Connection, *, now: datetime, limit: int, lease: timedelta) -> tuple[Webhook, ...]:
    """Received webhooks that are due, those due first first; due again when the lease is over.

    Where those do not suffice and something has no place yet, enough is sorted in.
    """
    seen(db, ms(now))
    rows = _due(db, now=now, limit=limit)
    if len(rows) < limit and not is_sorted(db):
        sort_in(db, limit=limit - len(rows))
        rows = _due(db, now=now, limit=limit)
    if rows:
        numbers = json.dumps([row[0] for row in rows])
        until = ms(now) + span(lease)
        db.execute("UPDATE webhooks SET due = ? WHERE number IN (SELECT value FROM json_each(?))", (until, numbers))
    return tuple(webhook(row) for row in rows)


def _due(db: sqlite3.Connection, *, now: datetime, limit: int) -> list[tuple[Any, ...]]:
    return db.execute(
        f"SELECT {COLUMNS} WHERE w.state = 'received' AND w.due <= ? ORDER BY w.due, w.number LIMIT ?",
        (ms(now), limit),
    ).fetchall()


def webhook(row: tuple[Any, ...]) -> Webhook:
    """The webhook in a row of COLUMNS. One whose body is gone has none."""
    number, source, name, topic, received_at, headers, query, item, identity, body, form = row
    return Webhook(
        source=source,
        id=name,
        topic=topic,
        received_at=instant(received_at),
        body=b"" if body is None else packing.restored(body, form),
        identity=parted(identity),
        headers=unpack_object(headers),
        query=unpack_object(query),
        item=item,
        number=number,
    )
