"""Events are made: from webhooks (settle) and from callers (accept), by the same rules.

An event known by door and id is not made again; one with a taken claim is kept as a duplicate and goes nowhere; any
other takes its claims and gets its deliveries. Not concerned with how those are made through.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from bridge import ledger
from bridge.errors import IdempotencyConflict
from bridge.model import Accepted, Event, Ignored, Route, Routed, SetAside, WebhookState
from bridge.store import Idempotency, Outcome
from bridge.stores.sqlite import waiting
from bridge.stores.sqlite.columns import joined, maybe_text, ms, pack, span, text

AHEAD_MS = 60_000
"""How far the newest delivery's due may be ahead of now and still hold the order: beyond, the clock was set back."""


@dataclass(frozen=True, slots=True)
class _Original:
    number: int
    id: str
    value: str | None
    currency: str | None


def settle(
    db: sqlite3.Connection, outcomes: Sequence[Outcome], *, now: datetime, window: timedelta
) -> tuple[tuple[Accepted, ...], ...]:
    """Write what webhooks came to. Of one that is no longer received, only say what its events are known as."""
    return tuple(_settled(db, outcome, now=now, window=window) for outcome in outcomes)


def accept(
    db: sqlite3.Connection,
    events: Sequence[Routed],
    *,
    now: datetime,
    window: timedelta,
    idempotency: Idempotency | None,
) -> tuple[Accepted, ...]:
    """Keep a caller's events, or give the first answer again."""
    if idempotency is None:
        return tuple(take(db, routed, now=now, window=window) for routed in events)
    known = db.execute("SELECT body_hash, answer FROM idempotency WHERE key = ?", (idempotency.key,)).fetchone()
    if known is None:
        answer = tuple(take(db, routed, now=now, window=window) for routed in events)
        packed = json.dumps([(one.event_id, one.duplicate_of) for one in answer])
        row = (idempotency.key, idempotency.body_hash, packed, ms(now))
        db.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?)", row)
        return answer
    if known[0] != idempotency.body_hash:
        raise IdempotencyConflict("this Idempotency-Key came with another body before; use a fresh key")
    return tuple(Accepted(event_id, duplicate_of) for event_id, duplicate_of in json.loads(known[1]))


def _settled(db: sqlite3.Connection, outcome: Outcome, *, now: datetime, window: timedelta) -> tuple[Accepted, ...]:
    number = outcome.webhook.number
    found = db.execute("SELECT state FROM webhooks WHERE number = ?", (number,)).fetchone()
    if found is None or found[0] != WebhookState.RECEIVED:
        routed = outcome.result if isinstance(outcome.result, tuple) else ()
        return tuple(_known(db, one.event) or Accepted(one.event.id) for one in routed)
    match outcome.result:
        case Ignored(reason):
            _leave(db, number, WebhookState.IGNORED, reason)
            return ()
        case SetAside(reason):
            _leave(db, number, WebhookState.SET_ASIDE, reason)
            return ()
        case routed:
            _leave(db, number, WebhookState.TRANSLATED, None)
            return tuple(take(db, one, now=now, window=window, webhook=number) for one in routed)


def _leave(db: sqlite3.Connection, number: int, state: WebhookState, reason: str | None) -> None:
    db.execute(
        "UPDATE webhooks SET state = ?, reason = ?, due = NULL WHERE number = ?", (state, maybe_text(reason), number)
    )
    waiting.over(db, number)


def take(
    db: sqlite3.Connection, routed: Routed, *, now: datetime, window: timedelta, webhook: int | None = None
) -> Accepted:
    """Make an event by the rules, unless it is known."""
    event = routed.event
    known = _known(db, event)
    if known:
        return known
    original = _original(db, event, since=ms(now) - span(window))
    number = _made(db, event, original, now=now, webhook=webhook)
    db.execute("INSERT INTO ledger VALUES (?, ?, ?)", (ledger.event(event.door, event.id), number, ms(now)))
    waiting.wake(db, event.claims, now=now)
    _claimed(db, event.claims, original.number if original else number, now=now, window=window)
    if original:
        return Accepted(event.id, original.id)
    for route in routed.routes:
        deliver(db, number, route, now=now)
    return Accepted(event.id)


def _known(db: sqlite3.Connection, event: Event) -> Accepted | None:
    row = db.execute(
        """
        SELECT first.duplicate_of, original.id FROM ledger
        LEFT JOIN events AS first ON first.number = ledger.number
        LEFT JOIN events AS original ON original.number = first.duplicate_of
        WHERE key = ?
        """,
        (ledger.event(event.door, event.id),),
    ).fetchone()
    if row is None:
        return None
    duplicate_of, original = row
    return Accepted(event.id, None if duplicate_of is None else original or gone(duplicate_of))


def _original(db: sqlite3.Connection, event: Event, *, since: int) -> _Original | None:
    """The oldest event that holds one of the event's claims, if any was taken within the window."""
    numbers = [
        row[0]
        for key in event.claims
        for row in db.execute("SELECT number FROM ledger WHERE key = ? AND at > ?", (key, since))
    ]
    if not numbers:
        return None
    number = min(numbers)
    row = db.execute("SELECT id, value, currency FROM events WHERE number = ?", (number,)).fetchone()
    return _Original(number, *row) if row else _Original(number, gone(number), event.value, event.currency)


def gone(number: int) -> str:
    """How an original is called whose own row was purged: only the ledger knows of it."""
    return f"gone:{number}"


def _claimed(db: sqlite3.Connection, claims: Sequence[bytes], number: int, *, now: datetime, window: timedelta) -> None:
    """Take what is free of the claims; a duplicate's go to the original, so that the next of kin meets it too."""
    for key in claims:
        db.execute(
            """
            INSERT INTO ledger VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET number = excluded.number, at = excluded.at WHERE at <= ?
            """,
            (key, number, ms(now), ms(now) - span(window)),
        )


def _made(
    db: sqlite3.Connection, event: Event, original: _Original | None, *, now: datetime, webhook: int | None
) -> int:
    cursor = db.execute(
        """
        INSERT INTO events (
            id, door, event_type, test, text, occurred_at, created_at, order_id, value, currency, notes, hashed,
            claims, webhook, duplicate_of, differs
        ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            event.id, event.door, text(event.event_type), event.test, event.text, ms(event.occurred_at), ms(now),
            maybe_text(event.order_id), event.value, event.currency, pack(event.notes), pack(event.hashed),
            joined(event.claims), webhook, original and original.number, bool(original and _differs(event, original)),
        ),
    )  # fmt: skip
    number = cursor.lastrowid
    assert number is not None  # noqa: S101  an INSERT that did not raise has one
    return number


def _differs(event: Event, original: _Original) -> bool:
    return event.currency != original.currency or _amount(event.value) != _amount(original.value)


def _amount(value: str | None) -> Decimal | str | None:
    try:
        return None if value is None else Decimal(value)
    except InvalidOperation:
        return value


def deliver(db: sqlite3.Connection, event: int, route: Route, *, now: datetime) -> None:
    """Make the delivery of an event to a destination, due after every one that was made before it."""
    at = ms(now)
    if route.skip is not None:
        _insert(db, event, route, state="skipped", due=at, at=at)
        return
    found = db.execute("SELECT last_due FROM standings WHERE destination = ?", (route.destination,)).fetchone()
    last = found[0] if found else None
    due = last if last is not None and at < last <= at + AHEAD_MS else at
    _insert(db, event, route, state="pending", due=due, at=at)
    if due != last:
        db.execute(
            """
            INSERT INTO standings (destination, last_due) VALUES (?, ?)
            ON CONFLICT DO UPDATE SET last_due = excluded.last_due
            """,
            (route.destination, due),
        )


def _insert(  # noqa: PLR0913  a row's columns
    db: sqlite3.Connection, event: int, route: Route, *, state: str, due: int, at: int
) -> None:
    db.execute(
        """
        INSERT INTO deliveries (event, destination, state, reason, due, created_at)
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (event, destination) DO NOTHING
        """,
        (event, route.destination, state, maybe_text(route.skip), due, at),
    )
