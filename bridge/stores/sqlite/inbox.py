"""A webhook comes in, and is claimed to be translated.

Not concerned with what it becomes: `making.py` writes that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bridge.model import Kept, Webhook
from bridge.stores.sqlite.clocks import seen
from bridge.stores.sqlite.columns import instant, joined, maybe_text, ms, pack, parted, span, text, unpack_object

COLUMNS = """
    w.number, w.source, w.id, w.topic, w.received_at, w.headers, w.query, w.item, w.identity,
    (SELECT bytes FROM bodies WHERE bodies.number = w.body)
"""


def keep(db: sqlite3.Connection, webhooks: Sequence[Webhook]) -> tuple[Kept, ...]:
    """Keep what is not known by any of its keys. The items of one request share one body."""
    bodies: dict[bytes, int] = {}
    return tuple(_known(db, webhook) or _new(db, webhook, bodies) for webhook in webhooks)


def _known(db: sqlite3.Connection, webhook: Webhook) -> Kept | None:
    for key in webhook.identity:
        found = db.execute("SELECT number FROM ledger WHERE key = ?", (key,)).fetchone()
        if found:
            return Kept(found[0], again=True)
    return None


def _new(db: sqlite3.Connection, webhook: Webhook, bodies: dict[bytes, int]) -> Kept:
    if webhook.body not in bodies:
        bodies[webhook.body] = _last(db.execute("INSERT INTO bodies (bytes) VALUES (?)", (webhook.body,)))
    at = ms(webhook.received_at)
    number = _last(
        db.execute(
            """
            INSERT INTO webhooks (source, id, topic, state, received_at, due, headers, query, item, identity, body)
            VALUES (?, ?, ?, 'received', ?, ?, ?, ?, ?, ?, ?)
            """,
            (
                text(webhook.source), text(webhook.id), maybe_text(webhook.topic), at, at, pack(webhook.headers),
                pack(webhook.query), maybe_text(webhook.item), joined(webhook.identity), bodies[webhook.body],
            ),
        )
    )  # fmt: skip
    for key in webhook.identity:
        db.execute("INSERT INTO ledger VALUES (?, ?, ?)", (key, number, at))
    return Kept(number, again=False)


def claim(db: sqlite3.Connection, *, now: datetime, limit: int, lease: timedelta) -> tuple[Webhook, ...]:
    """Received webhooks that are due, those due first first; due again when the lease is over."""
    seen(db, ms(now))
    rows = db.execute(
        f"""
        SELECT {COLUMNS} FROM webhooks AS w
        WHERE w.state = 'received' AND w.due <= ? ORDER BY w.due, w.number LIMIT ?
        """,  # noqa: S608  a list of columns that stands in this file
        (ms(now), limit),
    ).fetchall()
    until = ms(now) + span(lease)
    db.executemany("UPDATE webhooks SET due = ? WHERE number = ?", [(until, row[0]) for row in rows])
    return tuple(webhook(row) for row in rows)


def webhook(row: tuple[Any, ...]) -> Webhook:
    """The webhook in a row of COLUMNS. One whose body is gone has none."""
    number, source, name, topic, received_at, headers, query, item, identity, body = row
    return Webhook(
        source=source,
        id=name,
        topic=topic,
        received_at=instant(received_at),
        body=body or b"",
        identity=parted(identity),
        headers=unpack_object(headers),
        query=unpack_object(query),
        item=item,
        number=number,
    )


def _last(cursor: sqlite3.Cursor) -> int:
    number = cursor.lastrowid
    assert number is not None  # noqa: S101  an INSERT that did not raise has one
    return number
