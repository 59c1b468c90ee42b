"""Keeps the events of callers of the track API, and answers a request that came before as it was answered then."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from bridge.core.errors import IdempotencyConflict
from bridge.core.model import Accepted, Routed
from bridge.store.postgres.db.ledger_key import LedgerKey, to_keys
from bridge.store.postgres.db.transaction import LedgerChangedError, Transaction, select
from bridge.store.postgres.tables.events import insert_events
from bridge.store.postgres.tables.ledger import Ledger
from bridge.store.postgres.tables.recall_waits import make_due
from bridge.store.protocol import Idempotency
from bridge.store.rules.event_decisions import NewEvent

Answer = tuple[Accepted, ...] | Exception


@dataclass(frozen=True, slots=True)
class CallerRequest:
    """A caller's request: its events, when it arrived, and its Idempotency-Key, if any."""

    events: Sequence[Routed]
    now: datetime
    idempotency: Idempotency | None = None


def accept_requests(transaction: Transaction, asked: Sequence[CallerRequest], *, since: int) -> list[Answer]:
    """Keep callers' events, or repeat the first answer; returns an answer or an error for each request."""
    ledger = Ledger(transaction)
    answers: list[Answer] = []
    woken: list[tuple[bytes, int]] = []
    fresh: list[CallerRequest] = []
    for one in asked:
        if one.idempotency is not None:
            answers += _insert_requests(transaction, ledger, fresh, woken, since=since)  # one may have the same key
            fresh = []
            known = _known_answer(transaction, one.idempotency)
            if known is not None:
                answers.append(known)
                continue
        fresh.append(one)
    answers += _insert_requests(transaction, ledger, fresh, woken, since=since)
    if not ledger.is_changed:  # all came before, and perhaps no standby has it: its own commit may not have waited
        transaction.write_marker()
    ledger.write_all()
    make_due(transaction, woken)
    return answers


def _insert_requests(
    transaction: Transaction,
    ledger: Ledger,
    asked: Sequence[CallerRequest],
    woken: list[tuple[bytes, int]],
    *,
    since: int,
) -> list[Answer]:
    made = [NewEvent(routed, transaction.at) for one in asked for routed in one.events]
    found, keys = insert_events(transaction, ledger, made, since=since)
    woken += keys
    accepted = iter(found)
    answers: list[Answer] = []
    for one in asked:
        answer = tuple(islice(accepted, len(one.events)))
        answers.append(answer)
        if one.idempotency is not None:
            _keep_answer(transaction, one.idempotency, answer)
    return answers


def _keep_answer(transaction: Transaction, idempotency: Idempotency, answer: tuple[Accepted, ...]) -> None:
    packed = json.dumps([(each.event_id, each.duplicate_of, each.given_event_id) for each in answer])
    inserted = transaction.execute(
        "INSERT INTO idempotency VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (LedgerKey(idempotency.key), idempotency.body_hash, packed, transaction.at),
    )
    if not inserted.rowcount:  # the same request came to another node a moment ago
        raise LedgerChangedError


def _known_answer(transaction: Transaction, idempotency: Idempotency) -> Answer | None:
    keys = [key for key in (idempotency.key, idempotency.former) if key is not None]
    rows = select(transaction.db, "SELECT body_hash, answer FROM idempotency WHERE key = ANY(%s)", (to_keys(keys),))
    if not rows:
        return None
    if rows[0][0] != idempotency.body_hash:
        return IdempotencyConflict("this Idempotency-Key came with another body before; use a fresh key")
    return tuple(Accepted(*one) for one in json.loads(rows[0][1]))
