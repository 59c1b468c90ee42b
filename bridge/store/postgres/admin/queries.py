"""What people ask for: lists, one thing in full, and counts. Each query reads one snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from bridge.core import dedupe_keys
from bridge.core.delivery import Attempt, Delivery, DeliveryState
from bridge.core.errors import NotFound
from bridge.core.model import Webhook, WebhookState
from bridge.store.codec.columns import from_ms, from_ms_length, maybe_instant, public_number, unpack_list
from bridge.store.postgres.admin.filters import DELIVERIES, EVENTS, WEBHOOKS, where_conditions, with_numbered_cursors
from bridge.store.postgres.admin.overdue import pending_destinations
from bridge.store.postgres.db.ledger_key import LedgerKey
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import select
from bridge.store.postgres.tables import counts, mapping_texts, parcels
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

_WEBHOOK = "w.number, w.source, w.topic, w.state, w.reason, w.received_at FROM webhooks AS w"
_EVENT = """
    e.id, e.origin, e.webhook, e.event_type, e.test, e.duplicate_of, original.id, e.created_at,
    e.order_id, e.value, e.currency,
    (SELECT min(array_position(ARRAY['dead', 'pending', 'delivered', 'skipped'], d.state))
     FROM all_deliveries AS d WHERE d.event = e.number)
    FROM events AS e LEFT JOIN events AS original ON original.number = e.duplicate_of
"""
_DELIVERY_STATES = {1: "dead", 2: "pending", 3: "delivered", 4: "skipped"}
"""States by their place in `_EVENT`, those that need most first."""
_DELIVERY = """
    d.number, e.id, d.destination, d.state, d.reason, d.attempts, d.due, a.status, a.answer,
    (SELECT max(c.until) FROM claims AS c WHERE c.destination = d.destination AND d.number = ANY(c.held))
    FROM all_deliveries AS d JOIN events AS e ON e.number = d.event LEFT JOIN attempts AS a ON a.number = d.last_attempt
"""
Detail = WebhookDetail | EventDetail | DeliveryDetail
_AT_ONCE = 25
"""Webhooks whose bodies are read by one statement."""


def list_webhooks(db: psycopg.Connection[Any], which: RowFilter) -> list[WebhookRow]:
    """Webhooks, newest first."""
    where, values = where_conditions(which, WEBHOOKS)
    return webhook_rows(db, where, values, limit=which.limit)


def webhook_rows(
    db: psycopg.Connection[Any], where: str, values: Sequence[object], *, limit: int | None
) -> list[WebhookRow]:
    """The webhooks that meet a condition on `w`, newest first."""
    rows = select(db, f"SELECT {_WEBHOOK} WHERE {where} ORDER BY w.number DESC LIMIT %s", (*values, limit))
    return list(map(_webhook_row, rows))


def list_events(db: psycopg.Connection[Any], which: RowFilter) -> list[EventRow]:
    """Events, newest first."""
    where, values = where_conditions(with_numbered_cursors(db, which), EVENTS)
    rows = select(db, f"SELECT {_EVENT} WHERE {where} ORDER BY e.number DESC LIMIT %s", (*values, which.limit))
    return list(map(_event_row, rows))


def event_rows(db: psycopg.Connection[Any], numbers: Sequence[int]) -> list[EventRow]:
    """The events with these numbers, as lists show them; those that were purged are left out."""
    rows = select(db, f"SELECT {_EVENT} WHERE e.number = ANY(%s) ORDER BY e.number", (list(numbers),))
    return list(map(_event_row, rows))


def list_deliveries(db: psycopg.Connection[Any], which: RowFilter) -> list[DeliveryRow]:
    """Deliveries, newest first."""
    where, values = where_conditions(which, DELIVERIES)
    return delivery_rows(db, where, values, limit=which.limit)


def delivery_rows(
    db: psycopg.Connection[Any], where: str, values: Sequence[object], *, limit: int | None
) -> list[DeliveryRow]:
    """The deliveries that meet a condition on `d` and their events `e`, newest first."""
    rows = select(db, f"SELECT {_DELIVERY} WHERE {where} ORDER BY d.number DESC LIMIT %s", (*values, limit))
    return list(map(_delivery_row, rows))


def show_detail(db: psycopg.Connection[Any], public_id: str) -> list[Detail]:
    """Returns all that has that id, or was given it: a webhook, a delivery, events of several origins."""
    found: list[Detail] = [
        *_webhook_detail(db, public_id),
        *_delivery_detail(db, public_id),
        *_event_details(db, public_id),
    ]
    if not found:
        raise NotFound(f"nothing has the id {public_id[:140]!r}; `trackbridge list` shows the ids")
    return found


def read_whole(db: psycopg.Connection[Any], ids: Sequence[str], *, most: int) -> tuple[WholeWebhook, ...]:
    """Webhooks with their bodies, in this order; a few at a time, whose bodies may be large."""
    numbers = [number for one in ids if (number := public_number("wh", one)) is not None]
    found: list[WholeWebhook] = []
    left = most
    for first in range(0, len(numbers), _AT_ONCE):
        some = numbers[first : first + _AT_ONCE]
        rows = {row.id: row for row in webhook_rows(db, "w.number = ANY(%s)", (some,), limit=None)}
        places = select(db, "SELECT number, parcel, place FROM webhooks WHERE number = ANY(%s)", (some,))
        kept = parcels.read_webhooks(db, [(number, parcel, place) for number, parcel, place in places])
        for webhook in (kept[number] for number in some if number in kept):
            left -= len(webhook.body)
            if left < 0:
                return tuple(found)
            found.append(WholeWebhook(rows[f"wh_{webhook.number}"], webhook))
    return tuple(found)


def count_states(db: psycopg.Connection[Any]) -> StateCounts:
    """Returns the counts, and the oldest received webhook and pending deliveries, by indexes."""
    found: dict[str, dict[tuple[str, str], int]] = {"webhooks": {}, "events": {}, "deliveries": {}}
    for (of, _, name, state), n in counts.read_counts(db, *found).items():
        if n > 0:
            found[of][name, state] = n
    [(received, unapplied, unapplied_since)] = select(
        db,  # a webhook that waits for an earlier event has a reason, and is not late
        """
        SELECT (SELECT min(received_at) FROM webhooks WHERE state = 'received' AND reason IS NULL),
            coalesce(sum(count), 0)::bigint, min(oldest) FROM unapplied
        """,
    )
    pending = [
        row
        for name in pending_destinations(db)
        for row in select(
            db, "SELECT destination, min(created_at) FROM outbox WHERE destination = %s GROUP BY 1", (name,)
        )
    ]
    return StateCounts(
        webhooks=found["webhooks"],
        events=found["events"],
        deliveries=found["deliveries"],
        oldest_received=maybe_instant(min((at for at in (received, unapplied_since) if at is not None), default=None)),
        oldest_pending={destination: from_ms(at) for destination, at in pending},
        unapplied=unapplied,
    )


# ----------------------------------------------------------------------------------------------- one thing in full


def _webhook_detail(db: psycopg.Connection[Any], public_id: str) -> Iterable[WebhookDetail]:
    number = public_number("wh", public_id)
    if number is None:
        return
    for row in select(db, f"SELECT {_WEBHOOK} WHERE w.number = %s", (number,)):
        shown = _webhook_row(row)
        [(name, parcel, place)] = select(db, "SELECT id, parcel, place FROM webhooks WHERE number = %s", (number,))
        kept = parcels.read_webhooks(db, [(number, parcel, place)]).get(number)
        webhook = kept or Webhook(  # headers and query go with the body
            shown.source, name, shown.topic, shown.received_at, b"", (), number=number
        )
        made = select(db, f"SELECT {_EVENT} WHERE e.webhook = %s ORDER BY e.number", (number,))
        yield WebhookDetail(
            row=shown,
            webhook=webhook,
            events=tuple(map(_event_row, made)),
            body_gone=kept is None,
            same_bytes_as=None if kept is None else _same_bytes(db, webhook),
            mapping=mapping_texts.read_text(db, number),
        )


def _same_bytes(db: psycopg.Connection[Any], webhook: Webhook) -> WebhookRow | None:
    key = dedupe_keys.content_key(hashlib.sha256(webhook.body))
    rows = select(
        db,
        f"SELECT {_WEBHOOK} JOIN ledger ON ledger.number = w.number WHERE ledger.key = %s AND w.number < %s",
        (LedgerKey(key), webhook.number),
    )
    return _webhook_row(rows[0]) if rows else None


def _delivery_detail(db: psycopg.Connection[Any], public_id: str) -> Iterable[DeliveryDetail]:
    number = public_number("dlv", public_id)
    if number is None:
        return
    for row in select(db, f"SELECT {_DELIVERY} WHERE d.number = %s", (number,)):
        [(created_at, ended_at, revision, of_order, text)] = select(
            db,
            """
            SELECT d.created_at, d.ended_at, e.revision, coalesce(e.of_order, 1), e.text
            FROM all_deliveries AS d JOIN events AS e ON e.number = d.event WHERE d.number = %s
            """,
            (number,),
        )
        shown = _delivery_row(row)
        yield DeliveryDetail(
            row=shown,
            claimed=Delivery(
                number, shown.destination, shown.event, text, shown.attempts, revision=revision, of_order=of_order
            ),
            created_at=from_ms(created_at),
            delivered_at=maybe_instant(ended_at) if shown.state is DeliveryState.DELIVERED else None,
            attempts=_attempts_of(db, number, shown.destination),
        )


def _attempts_of(db: psycopg.Connection[Any], delivery: int, destination: str) -> tuple[Attempt, ...]:
    """The attempts of a delivery: of its destination, with larger numbers than it has itself."""
    rows = select(
        db,
        """
        SELECT destination, started_at, took, status, outcome, answer, counted, ambiguous, made_by FROM attempts
        WHERE number > %s AND destination = %s AND deliveries @> ARRAY[%s]::bigint[] ORDER BY number
        """,
        (delivery, server_text(destination), delivery),
    )
    texts = mapping_texts.read_texts(db, (row[-1] for row in rows))
    return tuple(
        Attempt(
            name,
            from_ms(started_at),
            from_ms_length(took),
            status,
            outcome,
            answer,
            counted,
            ambiguous,
            made_by=texts.get(made_by),
        )
        for name, started_at, took, status, outcome, answer, counted, ambiguous, made_by in rows
    )


def _event_details(db: psycopg.Connection[Any], public_id: str) -> Iterable[EventDetail]:
    name = server_text(public_id)
    rows = select(
        db,
        f"""
        SELECT e.number, e.origin, e.text, e.notes, e.hashed, e.given_id, {_EVENT}
        WHERE e.id = %s OR (e.given_id = %s AND e.given_id <> '') ORDER BY e.number
        """,
        (name, name),
    )
    for number, origin, text, notes, hashed, given, *row in rows:
        made = select(db, f"SELECT {_DELIVERY} WHERE d.event = %s ORDER BY d.number", (number,))
        yield EventDetail(
            row=_event_row(row),
            origin=origin,
            text=text,
            notes=unpack_list(notes),
            hashed=unpack_list(hashed),
            deliveries=tuple(map(_delivery_row, made)),
            given_id=given or None,
        )


# ----------------------------------------------------------------------------------------------------------- rows


def _webhook_row(row: Sequence[Any]) -> WebhookRow:
    number, source, topic, state, reason, received_at = row
    return WebhookRow(f"wh_{number}", source, topic, WebhookState(state), reason, from_ms(received_at))


def _event_row(row: Sequence[Any]) -> EventRow:
    name, origin, webhook, event_type, test, duplicate_of, original, created_at, order_id, value, currency, state = row
    return EventRow(
        id=name,
        origin=origin,
        webhook=None if webhook is None else f"wh_{webhook}",
        event_type=event_type,
        test=test,
        duplicate_of=None if duplicate_of is None else original or purged_original_id(duplicate_of),
        created_at=from_ms(created_at),
        order_id=order_id,
        value=value,
        currency=currency,
        delivery="duplicate" if duplicate_of is not None else _DELIVERY_STATES.get(state, "none"),
    )


def _delivery_row(row: Sequence[Any]) -> DeliveryRow:
    number, event, destination, state, reason, attempts, due, status, answer, claimed_until = row
    return DeliveryRow(
        id=f"dlv_{number}",
        event=event,
        destination=destination,
        state=DeliveryState(state),
        reason=reason,
        attempts=attempts,
        next_attempt_at=from_ms(max(due, claimed_until or due)) if state == DeliveryState.PENDING else None,
        last_status=status,
        last_answer=answer,
    )
