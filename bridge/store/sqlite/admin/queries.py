"""What people ask for: lists, one thing in full, and counts. Each query reads one snapshot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from bridge.core.delivery import Attempt, Delivery, DeliveryState
from bridge.core.errors import NotFound
from bridge.core.model import Webhook, WebhookState
from bridge.store.codec.columns import (
    from_ms,
    from_ms_length,
    maybe_instant,
    ms_up,
    public_number,
    storable_text,
    unpack_list,
)
from bridge.store.protocol import (
    DeliveryDetail,
    DeliveryRow,
    EventDetail,
    EventRow,
    RowFilter,
    StateCounts,
    WebhookDetail,
    WebhookRow,
    WholeWebhook,
)
from bridge.store.rules.originals import purged_original_id
from bridge.store.sqlite.admin.filters import (
    DELIVERIES,
    EVENTS,
    WEBHOOKS,
    at_most,
    order_by_newest,
    where_conditions,
    with_numbered_cursors,
)
from bridge.store.sqlite.tables import mapping_texts, same_bytes
from bridge.store.sqlite.tables import webhooks as inbox

_WEBHOOK = "w.number, w.source, w.topic, w.state, w.reason, w.received_at FROM webhooks AS w"
_EVENT = """
    e.id, e.origin, e.webhook, e.event_type, e.test, e.duplicate_of, original.id, e.created_at,
    e.order_id, e.value, e.currency,
    (SELECT min(instr('dead pending delivered skipped', d.state)) FROM deliveries AS d WHERE d.event = e.number)
    FROM events AS e LEFT JOIN events AS original ON original.number = e.duplicate_of
"""
_DELIVERY = """
    d.number, e.id, d.destination, d.state, d.reason, d.attempts, d.due, a.status, a.answer
    FROM deliveries AS d JOIN events AS e ON e.number = d.event LEFT JOIN attempts AS a ON a.number = d.last_attempt
"""
Detail = WebhookDetail | EventDetail | DeliveryDetail


def list_webhooks(db: sqlite3.Connection, which: RowFilter) -> list[WebhookRow]:
    """Webhooks, newest first."""
    where, values = where_conditions(which, WEBHOOKS)
    return webhook_rows(db, f"{where} ORDER BY {order_by_newest(which, WEBHOOKS)}", values, limit=at_most(which))


def webhook_rows(db: sqlite3.Connection, where: str, values: Sequence[object], *, limit: int) -> list[WebhookRow]:
    """The webhooks that meet a condition on `w`, in the order that is there, too."""
    rows = db.execute(f"SELECT {_WEBHOOK} WHERE {where} LIMIT ?", (*values, limit))
    return [_webhook_row(row) for row in rows]


def list_events(db: sqlite3.Connection, which: RowFilter) -> list[EventRow]:
    """Events, newest first."""
    which = with_numbered_cursors(db, which)
    where, values = where_conditions(which, EVENTS)
    rows = db.execute(
        f"SELECT {_EVENT} WHERE {where} ORDER BY {order_by_newest(which, EVENTS)} LIMIT ?", (*values, at_most(which))
    )
    return [_event_row(row) for row in rows]


def list_deliveries(db: sqlite3.Connection, which: RowFilter) -> list[DeliveryRow]:
    """Deliveries, newest first."""
    where, values = where_conditions(which, DELIVERIES)
    return delivery_rows(db, f"{where} ORDER BY {order_by_newest(which, DELIVERIES)}", values, limit=at_most(which))


def delivery_rows(db: sqlite3.Connection, where: str, values: Sequence[object], *, limit: int) -> list[DeliveryRow]:
    """The deliveries that meet a condition on `d`, in the order that is there, too."""
    rows = db.execute(f"SELECT {_DELIVERY} WHERE {where} LIMIT ?", (*values, limit))
    return [_delivery_row(row) for row in rows]


def show_detail(db: sqlite3.Connection, public_id: str) -> list[Detail]:
    """Returns all that has that id, or was given it: a webhook, a delivery, events of several origins."""
    found: list[Detail] = [
        *_webhook_detail(db, public_id),
        *_delivery_detail(db, public_id),
        *_event_details(db, public_id),
    ]
    if not found:
        raise NotFound(f"nothing has the id {public_id[:140]!r}; `trackbridge list` shows the ids")
    return found


def read_whole(db: sqlite3.Connection, ids: Sequence[str], *, most: int) -> tuple[WholeWebhook, ...]:
    """Webhooks with their bodies, in this order."""
    numbers = [number for one in ids if (number := public_number("wh", one)) is not None]
    given = "w.number IN (SELECT value FROM json_each(?))"
    rows = {row.id: row for row in webhook_rows(db, given, (json.dumps(numbers),), limit=len(numbers))}
    found: list[WholeWebhook] = []
    left = most
    for number in numbers:
        kept = db.execute(f"SELECT {inbox.COLUMNS} WHERE w.number = ? AND b.number IS NOT NULL", (number,)).fetchone()
        if kept is not None:
            webhook = inbox.webhook_of(kept)
            left -= len(webhook.body)
            if left < 0:
                break
            found.append(WholeWebhook(rows[f"wh_{number}"], webhook))
    return tuple(found)


def next_webhooks(
    db: sqlite3.Connection, sources: Sequence[str], *, since: datetime | None, after: int, limit: int
) -> tuple[Webhook, ...]:
    """The next webhooks that still have their body, in the order of their numbers."""
    rows = db.execute(
        f"""
        SELECT {inbox.COLUMNS}
        WHERE w.number > ? AND w.source IN (SELECT value FROM json_each(?)) AND w.received_at >= ?
        AND b.number IS NOT NULL
        ORDER BY w.number LIMIT ?
        """,  # noqa: S608  a list of columns that stands in inbox.py
        (after, json.dumps([storable_text(source) for source in sources]), ms_up(since) if since else 0, limit),
    )
    return tuple(map(inbox.webhook_of, rows))


def count_states(db: sqlite3.Connection) -> StateCounts:
    """Returns the counts that triggers keep, and the oldest received webhook and pending deliveries, by indexes."""
    counts: dict[str, dict[tuple[str, str], int]] = {"webhooks": {}, "events": {}, "deliveries": {}}
    for of, name, state, n in db.execute("SELECT of, name, state, n FROM counts WHERE n > 0"):
        if of in counts:
            counts[of][name, state] = n
    oldest = db.execute(  # a webhook that waits for an earlier event has a reason, and is not late
        "SELECT min(received_at) FROM webhooks WHERE state = 'received' AND reason IS NULL"
    ).fetchone()[0]
    return StateCounts(
        webhooks=counts["webhooks"],
        events=counts["events"],
        deliveries=counts["deliveries"],
        oldest_received=maybe_instant(oldest),
        oldest_pending={
            destination: from_ms(_oldest_pending(db, destination))
            for destination, state in counts["deliveries"]
            if state == DeliveryState.PENDING
        },
    )


def _oldest_pending(db: sqlite3.Connection, destination: str) -> int:
    at: int = db.execute(
        "SELECT min(created_at) FROM deliveries WHERE destination = ? AND state = 'pending'", (destination,)
    ).fetchone()[0]
    return at


# ----------------------------------------------------------------------------------------------- one thing in full


def _webhook_detail(db: sqlite3.Connection, public_id: str) -> Iterable[WebhookDetail]:
    numbered = public_number("wh", public_id)
    if numbered is None:
        return
    for row in db.execute(f"SELECT {_WEBHOOK} WHERE w.number = ?", (numbered,)):
        kept = db.execute(f"SELECT {inbox.COLUMNS} WHERE w.number = ?", (numbered,))
        made = db.execute(f"SELECT {_EVENT} WHERE e.webhook = ? ORDER BY e.number", (numbered,))
        found = kept.fetchone()
        webhook, body_gone = inbox.webhook_of(found), found[-1] is None
        yield WebhookDetail(
            row=_webhook_row(row),
            webhook=webhook,
            events=tuple(map(_event_row, made)),
            body_gone=body_gone,
            same_bytes_as=None if body_gone else _same_bytes(db, webhook),
            mapping=mapping_texts.read_text(db, numbered),
        )


def _same_bytes(db: sqlite3.Connection, webhook: Webhook) -> WebhookRow | None:
    first = same_bytes.first_with_bytes(db, webhook)
    rows = [] if first is None else webhook_rows(db, "w.number = ?", (first,), limit=1)
    return next(iter(rows), None)


def _delivery_detail(db: sqlite3.Connection, public_id: str) -> Iterable[DeliveryDetail]:
    numbered = public_number("dlv", public_id)
    if numbered is None:
        return
    for row in db.execute(f"SELECT {_DELIVERY} WHERE d.number = ?", (numbered,)):
        created_at, delivered_at, revision, of_order, text = db.execute(
            """
            SELECT d.created_at, d.delivered_at, coalesce(d.revision, 0), coalesce(e.of_order, 1), e.text
            FROM deliveries AS d JOIN events AS e ON e.number = d.event WHERE d.number = ?
            """,
            (numbered,),
        ).fetchone()
        shown = _delivery_row(row)
        yield DeliveryDetail(
            row=shown,
            claimed=Delivery(
                numbered, shown.destination, shown.event, text, shown.attempts, revision=revision, of_order=of_order
            ),
            created_at=from_ms(created_at),
            delivered_at=maybe_instant(delivered_at),
            attempts=_attempts_of(db, numbered),
        )


def _attempts_of(db: sqlite3.Connection, delivery: int) -> tuple[Attempt, ...]:
    rows = db.execute(
        """
        SELECT destination, started_at, took, status, outcome, answer, counted, ambiguous, made_by
        FROM attempted JOIN attempts ON attempts.number = attempted.attempt
        WHERE attempted.delivery = ? ORDER BY attempts.number
        """,
        (delivery,),
    ).fetchall()
    texts = mapping_texts.read_texts(db, (row[-1] for row in rows))
    return tuple(
        Attempt(
            destination=destination,
            started_at=from_ms(started_at),
            took=from_ms_length(took),
            status=status,
            outcome=outcome,
            answer=answer,
            counted=bool(counted),
            ambiguous=bool(ambiguous),
            made_by=texts.get(made_by),
        )
        for destination, started_at, took, status, outcome, answer, counted, ambiguous, made_by in rows
    )


def _event_details(db: sqlite3.Connection, public_id: str) -> Iterable[EventDetail]:
    rows = db.execute(
        f"SELECT e.number, {_EVENT} WHERE e.id = ?1 OR (e.given_id = ?1 AND e.given_id <> '') ORDER BY e.number",
        (storable_text(public_id),),
    )
    for numbered, *row in rows.fetchall():
        origin, sent, notes, hashed, given = db.execute(
            "SELECT origin, text, notes, hashed, given_id FROM events WHERE number = ?", (numbered,)
        ).fetchone()
        made = db.execute(f"SELECT {_DELIVERY} WHERE d.event = ? ORDER BY d.number", (numbered,))
        yield EventDetail(
            row=_event_row(tuple(row)),
            origin=origin,
            text=sent,
            notes=unpack_list(notes),
            hashed=unpack_list(hashed),
            deliveries=tuple(map(_delivery_row, made)),
            given_id=given or None,
        )


# ----------------------------------------------------------------------------------------------------------- rows


def _webhook_row(row: tuple[Any, ...]) -> WebhookRow:
    numbered, source, topic, state, reason, received_at = row
    return WebhookRow(f"wh_{numbered}", source, topic, WebhookState(state), reason, from_ms(received_at))


def event_rows(db: sqlite3.Connection, numbers: Sequence[int]) -> list[EventRow]:
    """Returns the events with these numbers, as lists show them; those that were purged are left out."""
    rows = db.execute(
        f"SELECT {_EVENT} WHERE e.number IN (SELECT value FROM json_each(?)) ORDER BY e.number",  # noqa: S608  columns that stand above
        (json.dumps(numbers),),
    )
    return [_event_row(row) for row in rows]


def _event_row(row: tuple[Any, ...]) -> EventRow:
    name, origin, webhook, event_type, test, duplicate_of, original, created_at, order_id, value, currency, state = row
    return EventRow(
        id=name,
        origin=origin,
        webhook=None if webhook is None else f"wh_{webhook}",
        event_type=event_type,
        test=bool(test),
        duplicate_of=None if duplicate_of is None else original or purged_original_id(duplicate_of),
        created_at=from_ms(created_at),
        order_id=order_id,
        value=value,
        currency=currency,
        delivery="duplicate" if duplicate_of is not None else _DELIVERY_STATES.get(state, "none"),
    )


_DELIVERY_STATES = {1: "dead", 6: "pending", 14: "delivered", 24: "skipped"}
"""States by where each begins in the text of `_EVENT`, those that need most first."""


def _delivery_row(row: tuple[Any, ...]) -> DeliveryRow:
    numbered, event, destination, state, reason, attempts, due, status, answer = row
    return DeliveryRow(
        id=f"dlv_{numbered}",
        event=event,
        destination=destination,
        state=DeliveryState(state),
        reason=reason,
        attempts=attempts,
        next_attempt_at=from_ms(due) if state == DeliveryState.PENDING else None,
        last_status=status,
        last_answer=answer,
    )
