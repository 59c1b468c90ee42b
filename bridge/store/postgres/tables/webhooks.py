"""Rows of webhooks: each is written once, when its parcel is applied, mostly in its final state.

A redelivery is recognised then, and gets no row. What was received and has no outcome yet is claimed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from msgspec import structs

from bridge.core.model import Kept, Webhook, WebhookState
from bridge.store.codec.columns import to_ms, to_ms_up
from bridge.store.postgres.db.arrays import to_arrays, to_numbers
from bridge.store.postgres.db.texts import maybe_server_text, server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import parcels, recall_waits
from bridge.store.postgres.tables.counts import count_webhooks
from bridge.store.postgres.tables.ledger import Ledger

_DUE = f"w.state = 'received' AND w.due <= %(at)s AND (w.due <= %(barrier)s OR NOT {recall_waits.WAITS})"
"""One that waits for an event is due when all that was received before has been looked at, any other by the clock."""
_DECIDED = "d.at <= %(barrier)s AND w.state = 'received' AND w.due IS NULL"
"""A webhook that deferred to richer ones is decided on when all that was received before has been looked at."""


_TYPES = ("bigint", "text", "text", "text", "text", "text", "bigint", "bigint", "bigint", "int", "bigint")
"""Those of the columns that are inserted."""


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook to be inserted: where its bytes lie, and its state."""

    webhook: Webhook
    parcel: int
    place: int
    state: WebhookState
    reason: str | None = None
    due: int | None = None
    mapping: int | None = None


def insert_webhooks(transaction: Transaction, ledger: Ledger, new: Sequence[NewWebhook]) -> tuple[Kept, ...]:
    """Insert a row for each webhook that is no redelivery; one whose identity keys are known has that number."""
    known = {key: before for key, (before, _) in ledger.find_keys(identity_keys(one.webhook for one in new)).items()}
    numbers = iter(transaction.draw_numbers(len(new)))
    rows: list[tuple[Any, ...]] = []
    kept: list[Kept] = []
    for one in new:
        webhook = one.webhook
        before = next((known[key] for key in webhook.identity if key in known), None)
        same, number = None, before
        if number is None:
            number = next(numbers)
            same = known.get(webhook.same_bytes)
            rows.append(_webhook_row(number, one))
            source, received_at = server_text(webhook.source), to_ms(webhook.received_at)
            count_webhooks(transaction, source, one.state.value, received_at)
            transaction.lasts[source] = max(received_at, transaction.lasts.get(source, 0))
            for key in webhook.identity if same or not webhook.same_bytes else (*webhook.identity, webhook.same_bytes):
                known[key] = number
                ledger.add_entries([(key, number, to_ms(webhook.received_at))])
        kept.append(Kept(number, before is not None, webhook.source, webhook.topic, same))
    _insert_rows(transaction, rows)
    _count_same_bytes(transaction, kept)
    return tuple(kept)


def identity_keys(webhooks: Iterable[Webhook]) -> list[bytes]:
    """The keys by which the ledger knows webhooks, and their bytes."""
    return [key for one in webhooks for key in (*one.identity, one.same_bytes) if key]


def _webhook_row(number: int, new: NewWebhook) -> tuple[Any, ...]:
    webhook = new.webhook
    return (
        number, server_text(webhook.source), server_text(webhook.id), maybe_server_text(webhook.topic), new.state.value,
        maybe_server_text(new.reason), to_ms(webhook.received_at), new.due, new.parcel, new.place, new.mapping,
    )  # fmt: skip


def _insert_rows(transaction: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        transaction.execute(
            """
            INSERT INTO webhooks (
                number, source, id, topic, state, reason, received_at, due, parcel, place, mapping
            )
            SELECT * FROM unnest(
                %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[],
                %s::bigint[], %s::int[], %s::bigint[]
            )
            """,
            to_arrays(rows, *_TYPES),
        )


def _count_same_bytes(transaction: Transaction, kept: Sequence[Kept]) -> None:
    """Count the webhooks whose bytes were first received at another source."""
    again = [(one.source, one.same_bytes_as) for one in kept if one.same_bytes_as is not None]
    if not again:
        return
    rows = select(
        transaction.db,
        "SELECT number, source FROM webhooks WHERE number = ANY(%s)",
        (to_numbers(number for _, number in again),),
    )
    first: dict[int, str] = dict(rows)
    pairs = Counter((source, first[number]) for source, number in again if first.get(number, source) != source)
    for (source, other), n in pairs.items():
        transaction.counts["same_bytes", server_text(source), other] += n


# ---------------------------------------------------------------------------------------------------------- claims


def claim_webhooks(
    transaction: Transaction, *, limit: int, lease: timedelta
) -> tuple[tuple[Webhook, ...], datetime | None]:
    """Claim received webhooks that are due, earliest due first; they are due again when the lease is over.

    Returns them, and the time before which all that was received has been looked at. After them those that deferred to
    richer webhooks, if all that was received before their time has been looked at: the richest, and only those of one
    rank, since what they become decides about the others. They have half of a claim: what is due may wait for what they
    become, and is due again each second until then.
    """
    barrier = recall_waits.find_barrier(transaction)
    values = {"at": transaction.at, "barrier": barrier, "limit": limit, "until": transaction.at + to_ms_up(lease)}
    decided = _claim_richest(transaction, values | {"limit": max(limit - _count_due(transaction, values), limit // 2)})
    rows = _claim_rows(
        transaction,
        f"SELECT w.number, w.due AS place FROM webhooks AS w WHERE {_DUE} "  # noqa: S608  conditions that stand above
        "ORDER BY w.due, w.number LIMIT %(limit)s FOR UPDATE OF w SKIP LOCKED",
        values | {"limit": limit - len(decided)},
    )
    rows += decided
    if not rows:
        return (), None
    numbers = [number for number, _, _ in rows]
    waited = recall_waits.waiting_among(transaction, numbers, barrier=barrier)
    found = parcels.read_webhooks(transaction.db, rows)
    claimed = [structs.replace(found[one], waited=one in waited) for one in numbers if one in found]
    return tuple(claimed), transaction.for_caller(barrier)


def _count_due(transaction: Transaction, values: dict[str, int]) -> int:
    """How many webhooks are due, as far as a claim takes them."""
    (count,) = transaction.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM webhooks AS w WHERE {_DUE} LIMIT %(limit)s) AS due",  # noqa: S608  as above
        values,
    ).fetchone() or (0,)
    return int(count)


def _claim_richest(transaction: Transaction, values: dict[str, int]) -> list[tuple[int, int, int]]:
    """The webhooks of one rank that deferred to richer ones and are decided on now, the highest rank that has any."""
    (highest,) = transaction.execute(
        f"""
        SELECT max(d.rank) FROM deferred AS d JOIN webhooks AS w ON w.number = d.webhook WHERE {_DECIDED}
        """,  # noqa: S608  a condition that stands above
        {"barrier": values["barrier"]},
    ).fetchone() or (None,)
    if highest is None:
        return []
    return _claim_rows(
        transaction,
        "SELECT w.number, d.at AS place FROM deferred AS d JOIN webhooks AS w ON w.number = d.webhook "  # noqa: S608  as above
        f"WHERE d.rank = %(rank)s AND {_DECIDED} ORDER BY d.at, w.number LIMIT %(limit)s FOR UPDATE OF w SKIP LOCKED",
        values | {"rank": highest},
    )


def _claim_rows(transaction: Transaction, which: str, values: dict[str, int]) -> list[tuple[int, int, int]]:
    """Claim the webhooks that a query names, in its order; number, parcel and place of each."""
    rows = transaction.execute(
        f"""
        WITH mine AS MATERIALIZED ({which}), claimed AS (
            UPDATE webhooks AS w SET due = %(until)s FROM mine WHERE w.number = mine.number
            RETURNING w.number, mine.place AS turn, w.parcel, w.place
        )
        SELECT number, parcel, place FROM claimed ORDER BY turn, number
        """,  # noqa: S608  queries that stand above
        values,
    )
    return [(number, parcel, place) for number, parcel, place in rows]


def may_have_work(db: psycopg.Connection[Any], *, at: int | None) -> bool:
    """Whether a claim may find something: one statement that locks nothing, for nodes that are idle.

    `at` is the time; the server's where it is None.
    """
    [(found,)] = select(
        db,
        """
        SELECT EXISTS (SELECT 1 FROM unapplied)
            OR EXISTS (SELECT 1 FROM webhooks WHERE state = 'received' AND due <= coalesce(%(at)s, clock_ms()))
            OR EXISTS (SELECT 1 FROM deferred WHERE at <= coalesce(%(at)s, clock_ms()))
        """,
        {"at": at},
    )
    return bool(found)


def has_work(transaction: Transaction) -> bool:
    """Whether there is a webhook to claim."""
    barrier = recall_waits.find_barrier(transaction)  # first: the time comes with its answer
    values = {"at": transaction.at, "barrier": barrier}
    row = transaction.execute(
        f"""
        SELECT EXISTS (SELECT 1 FROM webhooks AS w WHERE {_DUE})
            OR EXISTS (SELECT 1 FROM deferred AS d JOIN webhooks AS w ON w.number = d.webhook WHERE {_DECIDED})
        """,  # noqa: S608  conditions that stand above
        values,
    ).fetchone()
    return bool(row and row[0])


def release_claims(transaction: Transaction, numbers: Sequence[int]) -> None:
    """Make claimed webhooks due now."""
    transaction.execute(
        "UPDATE webhooks SET due = %s WHERE state = 'received' AND number = ANY(%s)",
        (transaction.at, to_numbers(numbers)),
    )
