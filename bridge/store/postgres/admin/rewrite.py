"""Writes a webhook's events again at a person's request: the earlier text is overwritten, and delivered again.

A claim under way still carries the earlier text; the new text is delivered after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge import contract
from bridge.core.mapping_text import MappingText
from bridge.core.model import Event, Routed
from bridge.store.codec.columns import pack_json, to_ms
from bridge.store.postgres.db.texts import maybe_server_text, server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import coverage, event_names, mapping_texts, recall_waits
from bridge.store.postgres.tables.attempts import end_expired_claims
from bridge.store.postgres.tables.coverage import EndedDelivery
from bridge.store.postgres.tables.events import insert_deliveries, insert_events
from bridge.store.postgres.tables.followers import renew_followers
from bridge.store.postgres.tables.ledger import Ledger
from bridge.store.rules.event_decisions import NewEvent


def rewrite_events(
    transaction: Transaction, webhook: int, events: Sequence[Routed], *, since: int, mapping: MappingText | None = None
) -> int:
    """Overwrite a webhook's events, insert new ones, and make all due again; returns how many deliveries are due."""
    mapping_texts.set_text(transaction, webhook, mapping)
    ledger = Ledger(transaction)
    woken: list[tuple[bytes, int]] = []
    due = 0
    for routed in events:
        event = routed.event
        row = _find_event(transaction, event)
        if row is None:
            (accepted,), keys = insert_events(
                transaction, ledger, [NewEvent(routed, transaction.at, webhook)], since=since
            )
            woken += keys
            due += _new_deliveries(transaction, event.origin, accepted.event_id)
            continue
        number, called, duplicate_of = row
        overwrite_event(transaction, number, event, called=called)
        if duplicate_of is None:
            due += _deliver_again(transaction, number, routed)
    ledger.write_all()
    recall_waits.make_due(transaction, woken)
    return due


def _find_event(transaction: Transaction, event: Event) -> tuple[int, str, int | None] | None:
    """The newest event that was given this id by this origin, which nobody else changes meanwhile."""
    name = server_text(event.id)
    rows = select(
        transaction.db,
        """
        SELECT number, id, duplicate_of FROM events
        WHERE (id = %(name)s OR (given_id = %(name)s AND given_id <> ''))
            AND coalesce(nullif(given_id, ''), id) = %(name)s AND origin = %(origin)s
        ORDER BY number DESC LIMIT 1 FOR UPDATE
        """,
        {"name": name, "origin": server_text(event.origin)},
    )
    return None if not rows else (rows[0][0], rows[0][1], rows[0][2])


def overwrite_event(transaction: Transaction, number: int, event: Event, *, called: str) -> None:
    """Write what an event says over; it keeps the id that it goes by."""
    now = event if called == event.id else contract.rename_event(event, called)
    transaction.execute(
        """
        UPDATE events SET text = %s, occurred_at = %s, order_id = %s, value = %s, currency = %s, notes = %s,
            hashed = %s, revision = revision + 1
        WHERE number = %s
        """,
        (
            now.text, to_ms(now.occurred_at), maybe_server_text(now.order_id), maybe_server_text(now.value),
            maybe_server_text(now.currency), server_text(pack_json(now.notes)), server_text(pack_json(now.hashed)),
            number,
        ),
    )  # fmt: skip
    event_names.renew_event_names(transaction, number, now.text, order_id=maybe_server_text(now.order_id))


def _new_deliveries(transaction: Transaction, origin: str, event_id: str) -> int:
    """Returns how many deliveries a new event has: none if it is a duplicate, or is known and was purged."""
    [(found,)] = select(
        transaction.db,
        "SELECT count(*) FROM outbox AS o JOIN events AS e ON e.number = o.event WHERE e.origin = %s AND e.id = %s",
        (server_text(origin), server_text(event_id)),
    )
    return int(found)


def _deliver_again(transaction: Transaction, number: int, routed: Routed) -> int:
    """Make an event's deliveries due with the text of now; returns how many are."""
    names = sorted({server_text(route.destination) for route in routed.routes if route.skip is None})
    for name in names:
        end_expired_claims(transaction, name)
    values = {"event": number, "names": names, "at": transaction.at}
    transaction.execute(  # an attempt that is recorded meanwhile moves its delivery: look into `outbox` first
        f"""
        UPDATE outbox AS o SET revision = e.revision,
            due = CASE WHEN {_IS_HELD} THEN o.due ELSE %(at)s END,
            reason = CASE WHEN {_IS_HELD} THEN o.reason END,
            together = CASE WHEN {_IS_HELD} THEN o.together END,
            first_attempt_at = CASE WHEN {_IS_HELD} THEN o.first_attempt_at END
        FROM events AS e WHERE e.number = %(event)s AND o.event = %(event)s AND o.destination = ANY(%(names)s)
        """,  # noqa: S608  a condition that stands below
        values,
    )
    revived = transaction.execute(
        """
        WITH ended AS (DELETE FROM deliveries WHERE event = %(event)s AND destination = ANY(%(names)s) RETURNING *),
        again AS (
            INSERT INTO outbox (
                number, event, destination, due, attempts, last_attempt, created_at, revision, event_type
            )
            SELECT d.number, event, destination, %(at)s, attempts, last_attempt, d.created_at, e.revision, e.event_type
            FROM ended AS d JOIN events AS e ON e.number = d.event
        )
        SELECT destination, event_type, state, reason, created_at, ended_at FROM ended
        """,
        values,
    ).fetchall()
    coverage.count_left(transaction, [EndedDelivery(*row) for row in revived])
    for destination, *_ in revived:
        transaction.counts["deliveries", destination, "pending"] += 1
    there = {
        name for (name,) in select(transaction.db, "SELECT destination FROM all_deliveries WHERE event = %s", (number,))
    }
    renew_followers(transaction, number, routed.routes)
    insert_deliveries(
        transaction,
        [(number, one, transaction.at) for one in routed.routes if server_text(one.destination) not in there],
    )
    [(due,)] = select(
        transaction.db,
        "SELECT count(*) FROM outbox WHERE event = %(event)s AND destination = ANY(%(names)s)",
        values,
    )
    return int(due)


_IS_HELD = """
    EXISTS (
        SELECT 1 FROM claims AS c WHERE c.destination = o.destination AND c.until > %(at)s AND o.number = ANY(c.held)
    )
"""
