"""Records an attempt: the request, what became of each delivery, and the destination's state."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.store.codec.columns import maybe_text, ms_up, storable_text, to_ms, to_ms_up
from bridge.store.protocol import ClaimedDeliveries, DestinationState
from bridge.store.rules.kept_answers import LOST, first_bytes
from bridge.store.sqlite.tables import mapping_texts, quarters
from bridge.store.sqlite.tables.destinations import paused_in_all, read_state, write_state

_ENDS = frozenset({DeliveryState.DELIVERED, DeliveryState.DEAD})
_MADE = "created_at / 86400000, (SELECT event_type FROM events WHERE number = deliveries.event)"
"""What deliveries are counted by: the day on which each was made, and the type of its event."""


def record_attempt(  # noqa: PLR0913  the promise's own arguments
    db: sqlite3.Connection,
    claimed: ClaimedDeliveries,
    attempt: Attempt,
    settled: Sequence[DeliveryUpdate],
    destination_state: DestinationState,
    *,
    now: datetime,
) -> bool:
    """Write an attempt and its outcome; unsent deliveries of the claim keep their earlier due time.

    Returns False, and changes nothing, where the destination's state is of another version by now.
    """
    before, token = read_state(db, attempt.destination), claimed.token
    if before.version != destination_state.version:
        return False
    number = _insert_attempt(db, attempt, settled, now=now)
    ending = _AttemptRecorder(db, token, attempt, number, to_ms_up(paused_in_all(before, attempt.started_at)), now)
    decided: Counter[tuple[str, str]] = Counter()
    for end, numbers in _group_alike(_as_of_now(db, claimed, settled, now=now)).items():
        changed = ending.update_deliveries(end, numbers)
        if changed < len(numbers) and end.state is DeliveryState.DELIVERED:
            ending.delivered_after_all(end, numbers)
        if end.state in _ENDS:
            decided[storable_text(attempt.destination), end.state.value] += len(numbers)
    quarters.count_decided(db, "delivery", decided, now=now)
    _give_back(db, token, sent={one.number for one in settled}, now=now)
    if destination_state != before:
        write_state(db, destination_state)
    return True


class _DeliveryEnd(NamedTuple):
    """An outcome shared by several deliveries."""

    state: DeliveryState
    reason: str | None
    next_attempt_at: datetime | None
    together: int | None
    counted: bool


def _group_alike(settled: Sequence[DeliveryUpdate]) -> dict[_DeliveryEnd, list[int]]:
    ends: dict[_DeliveryEnd, list[int]] = {}
    for one in settled:
        end = _DeliveryEnd(one.state, one.reason, one.next_attempt_at, one.together, one.counted)
        ends.setdefault(end, []).append(one.number)
    return ends


def record_lost_claim(  # noqa: PLR0913  the columns of an attempt
    db: sqlite3.Connection, destination: str, token: int, numbers: Sequence[int], *, started_at: int, took: int
) -> None:
    """Record an attempt that is `lost` for the deliveries that a claim still holds when its lease is over."""
    under = "number IN (SELECT value FROM json_each(?)) AND token = ? AND state = 'pending'"
    left = (json.dumps(numbers), token)
    if db.execute(f"SELECT 1 FROM deliveries WHERE {under}", left).fetchone() is None:  # noqa: S608  a condition that stands above
        return
    number = db.execute(
        """
        INSERT INTO attempts (destination, started_at, took, outcome, answer, counted, ambiguous)
        VALUES (?, ?, ?, 'lost', ?, 0, 1)
        """,
        (destination, started_at, took, LOST),
    ).lastrowid
    db.execute(f"INSERT INTO attempted SELECT number, ? FROM deliveries WHERE {under}", (number, *left))  # noqa: S608  the same
    db.execute(f"UPDATE deliveries SET last_attempt = ? WHERE {under}", (number, *left))  # noqa: S608  the same


def _as_of_now(
    db: sqlite3.Connection, claimed: ClaimedDeliveries, settled: Sequence[DeliveryUpdate], *, now: datetime
) -> Sequence[DeliveryUpdate]:
    """Returns the updates; a delivery that was sent with an older text than its event has now becomes due again."""
    numbers = json.dumps([one.number for one in settled])
    found = db.execute(
        "SELECT number, revision FROM deliveries WHERE number IN (SELECT value FROM json_each(?)) AND revision > 0",
        (numbers,),
    ).fetchall()
    sent = {one.number: one.revision for one in claimed.deliveries} if found else {}
    stale = {number for number, revision in found if revision > sent.get(number, revision)}
    if not stale:
        return settled
    return [
        DeliveryUpdate(one.number, DeliveryState.PENDING, next_attempt_at=now)
        if one.number in stale and one.state is not DeliveryState.PENDING
        else one
        for one in settled
    ]


def _insert_attempt(
    db: sqlite3.Connection, attempt: Attempt, settled: Sequence[DeliveryUpdate], *, now: datetime
) -> int:
    made_by = mapping_texts.keep_texts(db, [attempt.made_by], now=now)[attempt.made_by]
    number = db.execute(
        """
        INSERT INTO attempts (destination, started_at, took, status, outcome, answer, counted, ambiguous, made_by)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            attempt.destination, to_ms(attempt.started_at), to_ms_up(attempt.took), attempt.status,
            storable_text(attempt.outcome),
            first_bytes(storable_text(attempt.answer)), attempt.counted, attempt.ambiguous, made_by,
        ),
    ).lastrowid  # fmt: skip
    assert number is not None  # noqa: S101  an INSERT that did not raise has one
    db.execute(
        "INSERT INTO attempted SELECT number, ? FROM deliveries WHERE number IN (SELECT value FROM json_each(?))",
        (number, json.dumps([one.number for one in settled])),
    )
    return number


@dataclass(frozen=True, slots=True)
class _AttemptRecorder:
    """Records what became of the deliveries of one attempt. `paused` is how long its destination was paused in all."""

    db: sqlite3.Connection
    token: int
    attempt: Attempt
    number: int
    paused: int
    now: datetime

    def update_deliveries(self, end: _DeliveryEnd, numbers: Sequence[int]) -> int:
        """Change those deliveries that this claim still holds; returns how many."""
        due = to_ms(self.now) if end.next_attempt_at is None else ms_up(end.next_attempt_at)
        changed = self.db.execute(
            f"""
            UPDATE deliveries SET
                state = ?, reason = ?, due = ?, together = ?, attempts = attempts + ?, last_attempt = ?, token = NULL,
                paused_for = CASE WHEN first_attempt_at IS NULL THEN ? ELSE paused_for END,
                first_attempt_at = coalesce(first_attempt_at, ?),
                delivered_at = ?
            WHERE number IN (SELECT value FROM json_each(?)) AND token = ? AND state = 'pending'
            RETURNING {_MADE}
            """,  # noqa: S608  columns that stand above
            (
                end.state, maybe_text(end.reason), due, end.together, self.attempt.counted and end.counted,
                self.number, self.paused,
                to_ms(self.attempt.started_at) if self.attempt.had_request else None,
                to_ms(self.now) if end.state is DeliveryState.DELIVERED else None,
                json.dumps(numbers), self.token,
            ),
        ).fetchall()  # fmt: skip
        if end.state is DeliveryState.DELIVERED:
            _count_delivered(self.db, storable_text(self.attempt.destination), Counter(changed))
        return len(changed)

    def delivered_after_all(self, end: _DeliveryEnd, numbers: Sequence[int]) -> None:
        """Mark deliveries as delivered whose lease was lost, though the destination has taken them."""
        listed = json.dumps(numbers)
        for state in (DeliveryState.PENDING, DeliveryState.DEAD):
            changed = self.db.execute(
                f"""
                UPDATE deliveries SET
                    state = 'delivered', reason = ?, attempts = attempts + ?, last_attempt = ?, token = NULL,
                    together = NULL, delivered_at = ?
                WHERE number IN (SELECT value FROM json_each(?)) AND state = ?
                RETURNING {_MADE}
                """,  # noqa: S608  columns that stand above
                (maybe_text(end.reason), self.attempt.counted, self.number, to_ms(self.now), listed, state),
            ).fetchall()
            if state is DeliveryState.PENDING:
                _count_delivered(self.db, storable_text(self.attempt.destination), Counter(changed))


def _count_delivered(db: sqlite3.Connection, destination: str, made: Mapping[tuple[int, str], int]) -> None:
    """Count deliveries that went from pending to delivered, by the day of their making and the type of their event.

    Triggers count every other change of a delivery's state.
    """
    if not made:
        return
    of_all, pending, delivered = sum(made.values()), DeliveryState.PENDING, DeliveryState.DELIVERED
    db.execute(
        "UPDATE counts SET n = n - ? WHERE of = 'deliveries' AND name = ? AND state = ?", (of_all, destination, pending)
    )
    db.execute(
        "INSERT INTO counts VALUES ('deliveries', ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        (destination, delivered, of_all),
    )
    for (day, event_type), count in made.items():
        known = db.execute(
            """
            UPDATE delivery_reasons SET n = n + ?, ever = ever + ?
            WHERE day = ? AND destination = ? AND event_type = ? AND state = ? AND reason = ''
            """,
            (count, count, day, destination, event_type, delivered),
        ).rowcount
        if not known:  # the first of its type on that day, or one of the types that are counted as 'other'
            db.executemany(
                "INSERT INTO outcome_reached VALUES (?, ?, ?, ?, NULL, 0)",
                [(day, destination, event_type, delivered)] * count,
            )


def _give_back(db: sqlite3.Connection, token: int, *, sent: set[int], now: datetime) -> None:
    """End the claim. Deliveries that it still holds get their earlier due time, and so their order; at most now."""
    found = db.execute("DELETE FROM claims WHERE token = ? RETURNING held", (token,)).fetchone()
    held: list[tuple[int, int]] = [one for one in json.loads(found[0]) if one[0] not in sent] if found else []
    db.executemany(
        "UPDATE deliveries SET due = min(?, ?), token = NULL WHERE number = ? AND token = ? AND state = 'pending'",
        [(due, to_ms(now), number, token) for number, due in held],
    )
