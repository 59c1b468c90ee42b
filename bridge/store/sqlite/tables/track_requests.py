"""Keeps the events of callers of the track API, and answers a request that came before as it was answered then."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from bridge.core.errors import IdempotencyConflict
from bridge.core.model import Accepted, Routed
from bridge.store.codec.columns import to_ms
from bridge.store.protocol import Idempotency
from bridge.store.rules.event_decisions import NewEvent
from bridge.store.sqlite.tables.events import insert_events


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """A caller's request: its events, when it arrived, and its Idempotency-Key, if any."""

    events: Sequence[Routed]
    now: datetime
    idempotency: Idempotency | None = None


def accept_requests(
    db: sqlite3.Connection, asked: Sequence[TrackRequest], *, since: datetime
) -> list[tuple[Accepted, ...] | Exception]:
    """Keep callers' events, or repeat the first answer; returns an answer or an error for each request."""
    answers: list[tuple[Accepted, ...] | Exception] = []
    fresh: list[TrackRequest] = []
    for one in asked:
        if one.idempotency is not None:
            answers += _insert_requests(db, fresh, since=since)  # one of them may have the same key
            fresh = []
            known = _known_answer(db, one.idempotency)
            if known is not None:
                answers.append(known)
                continue
        fresh.append(one)
    return answers + _insert_requests(db, fresh, since=since)


def _insert_requests(
    db: sqlite3.Connection, asked: Sequence[TrackRequest], *, since: datetime
) -> list[tuple[Accepted, ...] | Exception]:
    made = [NewEvent(routed, at) for one in asked for at in (to_ms(one.now),) for routed in one.events]
    accepted = iter(insert_events(db, made, since=since))
    answers: list[tuple[Accepted, ...] | Exception] = []
    for one in asked:
        answer = tuple(islice(accepted, len(one.events)))
        answers.append(answer)
        if one.idempotency is not None:
            packed = json.dumps([(each.event_id, each.duplicate_of, each.given_event_id) for each in answer])
            row = (one.idempotency.key, one.idempotency.body_hash, packed, to_ms(one.now))
            db.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?)", row)
    return answers


def _known_answer(
    db: sqlite3.Connection, idempotency: Idempotency
) -> tuple[Accepted, ...] | IdempotencyConflict | None:
    known = db.execute(
        "SELECT body_hash, answer FROM idempotency WHERE key IN (?, ?)", (idempotency.key, idempotency.former)
    ).fetchone()
    if known is None:
        return None
    if known[0] != idempotency.body_hash:
        return IdempotencyConflict("this Idempotency-Key came with another body before; use a fresh key")
    return tuple(Accepted(*one) for one in json.loads(known[1]))
