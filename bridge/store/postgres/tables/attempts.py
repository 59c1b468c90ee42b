"""Records an attempt: the request, what became of each delivery, and the destination's state.

A delivery whose end it is moves from `outbox` to `deliveries`. What the claim held and is not named stays as it is: it
is due as it was before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.store.codec.columns import to_ms_up
from bridge.store.postgres.db.arrays import to_numbers
from bridge.store.postgres.db.texts import maybe_server_text, server_text
from bridge.store.postgres.db.transaction import Transaction
from bridge.store.postgres.tables import coverage, mapping_texts
from bridge.store.postgres.tables.counts import DAY_MS
from bridge.store.postgres.tables.coverage import EndedDelivery
from bridge.store.postgres.tables.destinations import COLUMNS, paused_in_all, read_state, state_of_row, write_state
from bridge.store.protocol import ClaimedDeliveries, DestinationState
from bridge.store.rules.kept_answers import LOST, first_bytes
from bridge.store.rules.outcome_counts import LONG_WAIT_MS

MOST_REVISION = 2**31 - 1
"""Of a delivery of which the claim does not say what was sent."""
_END_CLAIM = f"""
    WITH state AS MATERIALIZED (SELECT {COLUMNS} FROM standings WHERE destination = %(destination)s), claim AS (
        DELETE FROM claims WHERE token = %(token)s AND coalesce((SELECT version FROM state), 0) = %(version)s
        RETURNING held
    )
    SELECT (SELECT held FROM claim), one.is_known, state.*
    FROM (SELECT EXISTS (SELECT 1 FROM state) AS is_known) AS one LEFT JOIN state ON true
"""  # noqa: S608  ours
"""One statement, since each statement sees what is committed when it begins."""


def record_attempt(
    transaction: Transaction,
    claimed: ClaimedDeliveries,
    attempt: Attempt,
    settled: Sequence[DeliveryUpdate],
    destination_state: DestinationState,
) -> bool:
    """Write an attempt and its outcome. What was sent with an older text than it has by now becomes due again.

    Returns False, and changes nothing, where the destination's state is of another version by now.
    """
    made_by = mapping_texts.AskedTexts(transaction, [attempt.made_by])
    ended = _end_claim(transaction, claimed, destination_state)
    if ended is None:
        return False
    before, held = ended
    sent = {one.number: one.revision for one in claimed.deliveries}
    number = claimed.token if held else transaction.draw_numbers(1)[0]
    _insert_attempt(transaction, attempt, settled, number, made_by=made_by.keep()[attempt.made_by])
    paused = to_ms_up(paused_in_all(before, attempt.started_at))
    finishing: list[tuple[list[int], int, psycopg.Cursor[Any]]] = []
    for end, numbers in _group_alike(settled).items():
        counted = int(attempt.counted and end.counted)
        mine = [one for one in numbers if one in held]
        if end.state is DeliveryState.PENDING:
            _postpone(transaction, mine, end, number, attempt, counted=counted, paused=paused)
        elif mine:
            finishing.append((mine, counted, _finish(transaction, mine, end, number, sent=sent, counted=counted)))
        if end.state is DeliveryState.DELIVERED:
            others = [one for one in numbers if one not in held]
            _delivered_after_all(transaction, others, end, number, sent=sent, counted=int(attempt.counted))
    for mine, counted, finished in finishing:
        moved = _count_finished(transaction, finished)
        again = [one for one in mine if one not in moved]  # written over since it was claimed
        _postpone(transaction, again, _AT_ONCE, number, attempt, counted=counted, paused=paused)
    return True


def _changes_state(at_claim: DestinationState, decided: DestinationState) -> bool:
    """Whether the row may be another one: else it is not locked, which is how most attempts end.

    A probe is over with its attempt. What was decided again may be as at the claim, and not as it is now.
    """
    return decided != at_claim or decided.version != at_claim.version or decided.paused is not None


class _AttemptEnd(NamedTuple):
    """An outcome shared by several deliveries."""

    state: DeliveryState
    reason: str | None
    next_attempt_at: datetime | None
    together: int | None
    counted: bool


_AT_ONCE = _AttemptEnd(DeliveryState.PENDING, None, None, None, counted=True)


def _group_alike(settled: Iterable[DeliveryUpdate]) -> dict[_AttemptEnd, list[int]]:
    ends: dict[_AttemptEnd, list[int]] = {}
    last: tuple[object, ...] = ()
    for one in settled:
        end = (one.state, one.reason, one.next_attempt_at, one.together, one.counted)
        if end != last:  # mostly all are alike
            numbers = ends.setdefault(_AttemptEnd(*end), [])
            last = end
        numbers.append(one.number)
    return ends


def _end_claim(
    transaction: Transaction, claimed: ClaimedDeliveries, decided: DestinationState
) -> tuple[DestinationState, frozenset[int]] | None:
    """End the claim, and write the destination's state where it changes; returns the state before, and what was held.

    None, and nothing has changed, where the state is of another version by now.
    """
    name = decided.destination
    if not _changes_state(claimed.destination_state, decided):
        values = {"destination": server_text(name), "token": claimed.token, "version": decided.version}
        [(held, is_known, *row)] = transaction.execute(_END_CLAIM, values).fetchall()
        state = state_of_row(transaction, name, tuple(row)) if is_known else DestinationState(name)
        return (state, frozenset(held or ())) if state.version == decided.version else None
    state = read_state(transaction, name)
    if state.version != decided.version or not write_state(transaction, decided):
        return None
    ended = transaction.execute("DELETE FROM claims WHERE token = %s RETURNING held", (claimed.token,)).fetchone()
    return state, frozenset(ended[0] if ended else ())


def _insert_attempt(
    transaction: Transaction, attempt: Attempt, settled: Sequence[DeliveryUpdate], number: int, *, made_by: int | None
) -> None:
    transaction.execute(
        """
        INSERT INTO attempts (
            number, destination, started_at, took, status, outcome, answer, counted, ambiguous, deliveries, made_by
        )
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            number, server_text(attempt.destination), transaction.at_least(attempt.started_at),
            to_ms_up(attempt.took), attempt.status, server_text(attempt.outcome), _kept_answer(attempt.answer),
            attempt.counted, attempt.ambiguous, to_numbers([one.number for one in settled]), made_by,
        ),
    )  # fmt: skip


def _kept_answer(answer: str) -> str:
    return first_bytes(server_text(answer).replace("\0", "\\x00"))


def _postpone(  # noqa: PLR0913  the columns that change
    transaction: Transaction,
    numbers: Sequence[int],
    end: _AttemptEnd,
    attempt_number: int,
    attempt: Attempt,
    *,
    counted: int,
    paused: int,
) -> None:
    if not numbers:
        return
    due = transaction.at if end.next_attempt_at is None else transaction.at_least(end.next_attempt_at)
    transaction.execute(
        """
        UPDATE outbox SET reason = %s, due = %s, together = %s, attempts = attempts + %s, last_attempt = %s,
            paused_for = CASE WHEN first_attempt_at IS NULL THEN %s ELSE paused_for END,
            first_attempt_at = coalesce(first_attempt_at, %s)
        WHERE number = ANY(%s)
        """,
        (
            maybe_server_text(end.reason), due, end.together, counted, attempt_number, paused,
            transaction.at_least(attempt.started_at) if attempt.had_request else None, to_numbers(numbers),
        ),
    )  # fmt: skip


def _finish(  # noqa: PLR0913  the columns that change
    transaction: Transaction,
    numbers: Sequence[int],
    end: _AttemptEnd,
    attempt_number: int,
    *,
    sent: Mapping[int, int],
    counted: int,
) -> psycopg.Cursor[Any]:
    """Move deliveries that have ended; asks which, those together that are counted alike.

    One that was written over since it was sent stays.
    """
    return transaction.execute(
        """
        WITH ended AS (
            DELETE FROM outbox USING unnest(%s::bigint[], %s::bigint[]) AS mine (number, sent)
            WHERE outbox.number = mine.number AND outbox.revision <= mine.sent RETURNING outbox.*
        ), moved AS (
            INSERT INTO deliveries (
                number, event, destination, state, reason, attempts, last_attempt, created_at, ended_at, revision,
                event_type
            )
            SELECT number, event, destination, %s, %s, attempts + %s, %s, created_at, %s, revision, event_type
            FROM ended RETURNING *
        )
        SELECT array_agg(number), destination, event_type, state, reason, min(created_at), ended_at FROM moved
        GROUP BY destination, event_type, state, reason, ended_at, created_at / %s, ended_at - created_at > %s
        """,
        (
            to_numbers(numbers), to_numbers([sent.get(one, MOST_REVISION) for one in numbers]), end.state.value,
            maybe_server_text(end.reason), counted, attempt_number, transaction.at, DAY_MS, LONG_WAIT_MS,
        ),
    )  # fmt: skip


def _count_finished(transaction: Transaction, finished: psycopg.Cursor[Any]) -> frozenset[int]:
    """Count the deliveries that were moved; returns which."""
    moved: set[int] = set()
    for numbers, *row in finished.fetchall():
        one = EndedDelivery(*row)
        coverage.count_reached(transaction, [one], n=len(numbers))
        transaction.counts["deliveries", one.destination, "pending"] -= len(numbers)
        moved.update(numbers)
    return frozenset(moved)


def _delivered_after_all(  # noqa: PLR0913  the same
    transaction: Transaction,
    numbers: Sequence[int],
    end: _AttemptEnd,
    attempt_number: int,
    *,
    sent: Mapping[int, int],
    counted: int,
) -> None:
    """Mark deliveries as delivered whose lease was lost, though the destination has taken them as they are now."""
    if not numbers:
        return
    finished = _finish(transaction, numbers, end, attempt_number, sent=sent, counted=counted)
    _count_finished(transaction, finished)
    rows = transaction.execute(
        """
        UPDATE deliveries AS d SET state = 'delivered', reason = %(reason)s, attempts = d.attempts + %(counted)s,
            last_attempt = %(attempt)s, ended_at = %(at)s
        FROM (SELECT * FROM deliveries WHERE number = ANY(%(numbers)s) ORDER BY number FOR UPDATE) AS before
        WHERE d.number = before.number AND before.state = 'dead'
            AND before.revision <= (%(sent)s)[array_position(%(numbers)s, d.number)]
        RETURNING d.destination, d.event_type, before.state, before.reason, d.created_at, before.ended_at
        """,
        {
            "reason": maybe_server_text(end.reason), "counted": counted, "attempt": attempt_number,
            "at": transaction.at, "numbers": to_numbers(numbers),
            "sent": to_numbers([sent.get(one, MOST_REVISION) for one in numbers]),
        },
    ).fetchall()  # fmt: skip
    before = [EndedDelivery(*row) for row in rows]
    coverage.count_left(transaction, before)
    coverage.count_reached(
        transaction, [one._replace(state="delivered", reason=end.reason, ended_at=transaction.at) for one in before]
    )


def end_expired_claims(transaction: Transaction, destination: str) -> None:
    """End the claims whose lease is over, with an attempt that says that their request may have been made."""
    end_claims(transaction, destination, send_expired_claims(transaction, destination))


def send_expired_claims(transaction: Transaction, destination: str) -> psycopg.Cursor[Any]:
    """Delete the claims whose lease is over, and ask what they held."""
    return transaction.execute(
        """
        DELETE FROM claims WHERE destination = %s AND until <= (SELECT coalesce(%s::bigint, clock_ms()))
        RETURNING token, started_at, until, held
        """,
        (server_text(destination), transaction.given_at),
    )


def end_claims(transaction: Transaction, destination: str, over: psycopg.Cursor[Any]) -> bool:
    """Write what becomes of those claims, as `end_expired_claims` does; whether there were any."""
    rows = sorted(over.fetchall())
    for token, started_at, until, held in rows:
        left = transaction.execute(
            "UPDATE outbox SET last_attempt = %s, due = greatest(due, %s) WHERE number = ANY(%s) RETURNING number",
            (token, until, held),
        ).fetchall()
        if left:
            transaction.execute(
                """
                INSERT INTO attempts (
                    number, destination, started_at, took, outcome, answer, counted, ambiguous, deliveries
                )
                VALUES (%s, %s, %s, %s, 'lost', %s, false, true, %s)
                """,
                (
                    token, server_text(destination), started_at, until - started_at, LOST,
                    [number for (number,) in left],
                ),
            )  # fmt: skip
    return bool(rows)
