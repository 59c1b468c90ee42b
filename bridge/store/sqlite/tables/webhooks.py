"""Inserts and claims webhooks.

Webhooks are answered once they are in the ingest log. When they are applied, each gets a row and a number, or is
recognised as one that is there already. `events.py` writes what they become.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from bridge.core.model import Kept, Webhook, WebhookState
from bridge.store.codec import compress
from bridge.store.codec.columns import (
    from_ms,
    join_keys,
    maybe_text,
    pack_json,
    split_keys,
    storable_text,
    to_ms,
    to_ms_up,
    unpack_object,
)
from bridge.store.sqlite.db import bulk, clock_skew
from bridge.store.sqlite.tables import ledger, recall_waits, same_bytes

COLUMNS = """
    w.number, w.source, w.id, w.topic, w.received_at, w.headers, w.query, w.item, w.identity, b.bytes, b.form
    FROM webhooks AS w LEFT JOIN bodies AS b ON b.number = w.body
"""
_BODY = -2
"""The place of the body in a row of COLUMNS."""
MOST_BYTES = 16 * 1024 * 1024
"""The most bytes of bodies that are claimed at once, but for the last one."""


@dataclass(frozen=True, slots=True)
class RowState:
    """The state of a webhook when it is inserted."""

    state: WebhookState
    reason: str | None = None
    due: int | None = None
    mapping: int | None = None


def insert_webhooks(db: sqlite3.Connection, webhooks: Sequence[tuple[Webhook, RowState]]) -> tuple[Kept, ...]:
    """Insert a row for each webhook; redeliveries are recognised here, and get none.

    A webhook is a redelivery if the ledger knows one of its identity keys: it gets the number of the known webhook. The
    items of one request share one body. Bytes that were received before, say under another topic, are only noted.
    """
    keys = [key for webhook, _ in webhooks for key in (*webhook.identity, webhook.same_bytes) if key]
    known = {key: before for key, (before, _) in ledger.find_keys(db, keys).items()}
    number, body = bulk.last_number(db, "webhooks"), bulk.last_number(db, "bodies")
    bodies: dict[int, tuple[int, bytes]] = {}  # by which of the requests it came with
    rows: list[tuple[Any, ...]] = []
    learned: list[tuple[bytes, int, int]] = []
    kept: list[Kept] = []
    for webhook, row_state in webhooks:
        before = next((known[key] for key in webhook.identity if key in known), None)
        same = None
        if before is None:
            number += 1
            mine, _ = bodies.setdefault(id(webhook.body), (body + len(bodies) + 1, webhook.body))
            at = to_ms(webhook.received_at)
            rows.append(_webhook_row(number, webhook, row_state, mine, at))
            same = known.get(webhook.same_bytes)
            for key in webhook.identity if same or not webhook.same_bytes else (*webhook.identity, webhook.same_bytes):
                known[key] = number
                learned.append((key, number, at))
        kept.append(Kept(before or number, before is not None, webhook.source, webhook.topic, same))
    bulk.insert_rows(db, "bodies (number, bytes, form)", _at_rest(bodies.values()))
    bulk.insert_rows(db, f"webhooks ({_ROW})", rows)
    ledger.add_entries(db, learned)
    same_bytes.count_same_bytes(db, kept)
    return tuple(kept)


def _at_rest(bodies: Collection[tuple[int, bytes]]) -> list[tuple[int, bytes, int]]:
    kept = compress.compress_bodies([body for _, body in bodies])
    return [(number, *one) for (number, _), one in zip(bodies, kept, strict=True)]


_ROW = "number, source, id, topic, state, reason, received_at, due, headers, query, item, identity, body, mapping"


def _webhook_row(number: int, webhook: Webhook, row_state: RowState, body: int, at: int) -> tuple[Any, ...]:
    return (
        number, storable_text(webhook.source), storable_text(webhook.id), maybe_text(webhook.topic),
        row_state.state.value, row_state.reason, at,
        row_state.due, pack_json(webhook.headers), pack_json(webhook.query), maybe_text(webhook.item),
        join_keys(webhook.identity), body, row_state.mapping,
    )  # fmt: skip


_DUE = f"w.state = 'received' AND w.due <= :now AND (w.due <= :barrier OR NOT {recall_waits.WAITS})"
"""One that waits for an event is due when all that was received before has been looked at, any other by the clock."""
_DECIDED = "d.at <= :barrier AND w.state = 'received' AND w.due IS NULL"
"""A webhook that deferred to richer ones is decided on when all that was received before has been looked at."""


def claim_webhooks(  # noqa: PLR0913  when and how many, by name
    db: sqlite3.Connection,
    *,
    now: datetime,
    trusted_now: datetime,
    limit: int,
    lease: timedelta,
    oldest_unapplied: datetime | None = None,
) -> tuple[tuple[Webhook, ...], datetime | None]:
    """Claim received webhooks that are due, earliest due first; they are due again when the lease is over.

    Returns them, and the time before which all that was received has been looked at.

    After them those that deferred to richer webhooks, if all that was received before their time has been
    looked at: the richest, and only those of one rank, since what they become decides about the others. They have half
    of a claim: what is due may wait for what they become, and is due again each second until then.
    `oldest_unapplied` is when the first webhook of the ingest log was received that has no row yet. At most about
    `limit`, and MOST_BYTES of bodies as they are kept.
    """
    barrier = _barrier(db, trusted_now, oldest_unapplied)
    rows = _fetch_rows(
        db.execute(
            f"SELECT {COLUMNS} WHERE {_DUE} ORDER BY w.due, w.number LIMIT :limit",
            {"now": to_ms(now), "barrier": barrier, "limit": limit},
        )
    )
    decided = _richest_decided(db, barrier=barrier, limit=max(limit - len(rows), limit // 2))
    rows = rows[: limit - len(decided)] + decided
    if not rows:
        return (), None
    numbers = [row[0] for row in rows]
    db.execute(
        "UPDATE webhooks SET due = ? WHERE number IN (SELECT value FROM json_each(?))",
        (to_ms(now) + to_ms_up(lease), json.dumps(numbers)),
    )
    waited = recall_waits.waiting_among(db, numbers, barrier=barrier)
    claimed = [structs.replace(one, waited=True) if one.number in waited else one for one in map(webhook_of, rows)]
    return tuple(claimed), from_ms(barrier)


def _richest_decided(db: sqlite3.Connection, *, barrier: int, limit: int) -> list[tuple[Any, ...]]:
    """The webhooks of one rank that deferred to richer ones and are decided on now, the highest rank that has any."""
    rows: list[tuple[Any, ...]] = []
    rank = recall_waits.highest_rank(db)
    while rank is not None and not rows:
        rows = _fetch_rows(
            db.execute(
                f"SELECT {COLUMNS} JOIN deferred AS d ON d.webhook = w.number WHERE d.rank = :rank AND {_DECIDED} "
                "ORDER BY d.at, w.number LIMIT :limit",
                {"rank": rank, "barrier": barrier, "limit": limit},
            )
        )
        rank = recall_waits.highest_rank(db, below=rank)
    return rows


def _fetch_rows(found: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """The rows of COLUMNS until their bodies have MOST_BYTES."""
    rows, size = [], 0
    for row in found:
        rows.append(row)
        size += len(row[_BODY] or b"")
        if size >= MOST_BYTES:
            break
    found.close()
    return rows


def release_claims(db: sqlite3.Connection, numbers: Sequence[int], *, now: datetime) -> None:
    """Make claimed webhooks due now."""
    db.execute(
        "UPDATE webhooks SET due = ? WHERE state = 'received' AND number IN (SELECT value FROM json_each(?))",
        (to_ms(now), json.dumps(list(numbers))),
    )


def is_due(
    db: sqlite3.Connection, *, now: datetime, trusted_now: datetime, oldest_unapplied: datetime | None = None
) -> bool:
    """Whether there is a webhook to claim, or a reading of the clock to record."""
    barrier = _barrier(db, trusted_now, oldest_unapplied)
    when = {"now": to_ms(now), "barrier": barrier}
    due = db.execute(f"SELECT EXISTS (SELECT 1 FROM webhooks AS w WHERE {_DUE})", when)  # noqa: S608  the same
    if due.fetchone()[0] or clock_skew.is_worth_noting(db, now):
        return True
    return _is_any_decided(db, barrier)


def is_wait_over(db: sqlite3.Connection, *, now: datetime, trusted_now: datetime, oldest_unapplied: datetime) -> bool:
    """Whether a webhook that waits is to be claimed, if nothing in the ingest log was received before that.

    It may be, too, where a reading of the clock is to be recorded first, which may move its wait.
    """
    if not recall_waits.has_waiting(db):
        return False
    if clock_skew.is_worth_noting(db, now):
        return True
    barrier = _barrier(db, trusted_now, oldest_unapplied)
    due = f"SELECT EXISTS (SELECT 1 FROM webhooks AS w WHERE {_DUE} AND {recall_waits.WAITS})"  # noqa: S608  texts of ours
    found = db.execute(due, {"now": to_ms(now), "barrier": barrier})
    return bool(found.fetchone()[0]) or _is_any_decided(db, barrier)


def _is_any_decided(db: sqlite3.Connection, barrier: int) -> bool:
    decided = f"SELECT EXISTS (SELECT 1 FROM deferred AS d JOIN webhooks AS w ON w.number = d.webhook WHERE {_DECIDED})"  # noqa: S608  the same
    return recall_waits.has_deferred(db) and bool(db.execute(decided, {"barrier": barrier}).fetchone()[0])


def _barrier(db: sqlite3.Connection, trusted_now: datetime, oldest_unapplied: datetime | None) -> int:
    oldest = None if oldest_unapplied is None else to_ms(oldest_unapplied)
    return recall_waits.find_barrier(db, trusted_now=to_ms(trusted_now), oldest_unapplied=oldest)


def webhook_of(row: tuple[Any, ...]) -> Webhook:
    """Returns the webhook in a row of COLUMNS. Its body is empty if it was purged."""
    number, source, name, topic, received_at, headers, query, item, identity, body, form = row
    return Webhook(
        source=source,
        id=name,
        topic=topic,
        received_at=from_ms(received_at),
        body=b"" if body is None else compress.decompress_body(body, form),
        identity=split_keys(identity),
        headers=unpack_object(headers),
        query=unpack_object(query),
        item=item,
        number=number,
    )
