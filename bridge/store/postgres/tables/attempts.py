"""Records an attempt: the request, what became of each delivery, and the destination's state.

A delivery whose end it is moves from `outbox` to `deliveries`. What the claim held and is not named stays as it is: it
is due as it was before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.store.codec.columns import to_ms_up
from bridge.store.postgres.db.number_array import to_numbers
from bridge.store.postgres.db.texts import maybe_server_text, server_text
from bridge.store.postgres.db.transaction import Transaction
from bridge.store.postgres.tables import coverage, mapping_texts
from bridge.store.postgres.tables.coverage import EndedDelivery
from bridge.store.postgres.tables.destinations import paused_in_all, read_state, write_state
from bridge.store.protocol import ClaimedDeliveries, DestinationState
from bridge.store.rules.kept_answers import LOST, first_bytes

MOST_REVISION = 2**31 - 1
"""Of a delivery of which the claim does not say what was sent."""


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
    before = read_state(transaction, attempt.destination)
    if before.version != destination_state.version:
        return False
    if _changes_state(claimed.destination_state, destination_state) and not write_state(transaction, destination_state):
        return False
    held = _end_claim(transaction, claimed.token)
    sent = {one.number: one.revision for one in claimed.deliveries}
    number = _insert_attempt(transaction, attempt, settled, claimed.token if held else None)
    paused = to_ms_up(paused_in_all(before, attempt.started_at))
    for end, numbers in _group_alike(settled).items():
        counted = int(attempt.counted and end.counted)
        mine = [one for one in numbers if one in held]
        if end.state is DeliveryState.PENDING:
            _postpone(transaction, mine, end, number, attempt, counted=counted, paused=paused)
        else:
            ended = _finish(transaction, mine, end, number, sent=sent, counted=counted)
            again = [one for one in mine if one not in ended]  # written over since it was claimed
            _postpone(transaction, again, _AT_ONCE, number, attempt, counted=counted, paused=paused)
        if end.state is DeliveryState.DELIVERED:
            others = [one for one in numbers if one not in held]
            _delivered_after_all(transaction, others, end, number, sent=sent, counted=int(attempt.counted))
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
    for one in settled:
        end = _AttemptEnd(one.state, one.reason, one.next_attempt_at, one.together, one.counted)
        ends.setdefault(end, []).append(one.number)
    return ends


def _end_claim(transaction: Transaction, token: int) -> frozenset[int]:
    """The deliveries that the claim still held; it is over now."""
    row = transaction.execute("DELETE FROM claims WHERE token = %s RETURNING held", (token,)).fetchone()
    return frozenset(row[0]) if row else frozenset()


def _insert_attempt(
    transaction: Transaction, attempt: Attempt, settled: Sequence[DeliveryUpdate], token: int | None
) -> int:
    number = transaction.draw_numbers(1)[0] if token is None else token
    made_by = mapping_texts.keep_texts(transaction, [attempt.made_by])[attempt.made_by]
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
    return number


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
) -> frozenset[int]:
    """Move deliveries that have ended; returns which. One that was written over since it was sent stays."""
    rows = transaction.execute(
        """
        WITH ended AS (
            DELETE FROM outbox USING unnest(%s::bigint[], %s::bigint[]) AS mine (number, sent)
            WHERE outbox.number = mine.number AND outbox.revision <= mine.sent RETURNING outbox.*
        )
        INSERT INTO deliveries (
            number, event, destination, state, reason, attempts, last_attempt, created_at, ended_at, revision,
            event_type
        )
        SELECT number, event, destination, %s, %s, attempts + %s, %s, created_at, %s, revision, event_type FROM ended
        RETURNING number, destination, event_type, state, reason, created_at, ended_at
        """,
        (
            to_numbers(numbers), to_numbers([sent.get(one, MOST_REVISION) for one in numbers]), end.state.value,
            maybe_server_text(end.reason), counted, attempt_number, transaction.at,
        ),
    ).fetchall()  # fmt: skip
    ended = [EndedDelivery(*row) for _, *row in rows]
    coverage.count_reached(transaction, ended)
    for one in ended:
        transaction.counts["deliveries", one.destination, "pending"] -= 1
    return frozenset(number for number, *_ in rows)


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
    _finish(transaction, numbers, end, attempt_number, sent=sent, counted=counted)
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
    over = transaction.execute(
        "DELETE FROM claims WHERE destination = %s AND until <= %s RETURNING token, started_at, until, held",
        (server_text(destination), transaction.at),
    ).fetchall()
    for token, started_at, until, held in sorted(over):
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
