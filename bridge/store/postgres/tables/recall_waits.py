"""Webhooks that wait for an earlier event, or whether a richer webhook tells their conversion. Each waits for keys.

One that waits for a richer webhook has a row of `deferred`, too, and no `due`: it is decided on when every webhook that
was received before its time has been looked at (`find_barrier`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from bridge.core.model import EventNeeded
from bridge.store.codec.columns import from_ms, ms_up
from bridge.store.postgres.db.arrays import to_arrays, to_numbers
from bridge.store.postgres.db.ledger_key import to_keys
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables.counts import count_webhooks
from bridge.store.postgres.tables.ledger import Ledger
from bridge.store.rules.waits import AFTER_RICHER_MS, waiting_reason
from bridge.store.status_views import WaitingWebhooks

WAITS = (
    "(EXISTS (SELECT 1 FROM waiting WHERE webhook = w.number) "
    "AND NOT EXISTS (SELECT 1 FROM deferred WHERE webhook = w.number))"
)
"""The SQL condition that a webhook `w` waits for an event."""


def has_aliases(db: psycopg.Connection[Any]) -> bool:
    """Whether any key belongs to another one."""
    return bool(select(db, "SELECT EXISTS (SELECT 1 FROM aliases)")[0][0])


def find_aliases(db: psycopg.Connection[Any], keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """The keys that each of these belongs to."""
    found: dict[bytes, list[bytes]] = {}
    for key, other in select(db, "SELECT key, belongs_to FROM aliases WHERE key = ANY(%s)", (to_keys(keys),)):
        found.setdefault(key, []).append(other)
    return found


def defer_webhooks(transaction: Transaction, ledger: Ledger, wanting: Sequence[tuple[int, EventNeeded]]) -> None:
    """Defer received webhooks, given by number; one for which something was kept since it was looked up is due now.

    If the clock was set back after receipt, the full wait starts again now.
    """
    if wanting:
        _WaitingBatch(transaction, ledger, wanting).defer_all()


class _WaitingBatch:
    """Defers webhooks of one batch: has what is known under their keys, and what is to be written."""

    def __init__(self, transaction: Transaction, ledger: Ledger, wanting: Sequence[tuple[int, EventNeeded]]) -> None:
        self._transaction = transaction
        self._keys = ledger
        self._at = transaction.at
        self._wanting = wanting
        asked = list(dict.fromkeys(key for _, one in wanting for key in one.keys))
        self._aliases = find_aliases(transaction.db, asked)
        every = dict.fromkeys([*asked, *(key for each in self._aliases.values() for key in each)])
        self._ledger = ledger.find_keys(list(every))
        self._existing = _existing_numbers(transaction, {number for number, _ in self._ledger.values()})
        self._received_at: dict[int, int] = dict(
            select(
                transaction.db,
                "SELECT number, received_at FROM webhooks WHERE state = 'received' AND number = ANY(%s)",
                (to_numbers(number for number, _ in wanting),),
            )
        )
        self._states: list[tuple[int, int | None, str, int | None]] = []
        self._decisions: list[tuple[int, int, int, bytes]] = []
        self._waits: dict[tuple[bytes, int], None] = {}
        self._numbers: list[int] = []

    def defer_all(self) -> None:
        """Decide on each in turn, then write all of it."""
        for number, wanting in self._wanting:
            received_at = self._received_at.pop(number, None)
            if received_at is not None:
                self._defer_one(number, wanting, received_at)
        self._write_all()

    def _defer_one(self, number: int, wanting: EventNeeded, received_at: int) -> None:
        keys = [*wanting.keys, *(key for one in wanting.keys for key in self._aliases.get(one, ()))]
        self._keys.await_keys(keys)
        held = {self._ledger[key][0] for key in keys if key in self._ledger} - set(wanting.seen)
        reason = waiting_reason(wanting, event_type=server_text(wanting.event_type))
        if any(one in self._existing for one in held if one > 0 or wanting.lends is None):
            self._states.append((number, self._at, reason, None))
            return
        wanted_until = self._transaction.at_least(wanting.until)
        until = min(wanted_until, self._at + max(0, ms_up(wanting.until) - received_at))
        if until <= self._at:
            self._write_all()  # what is richer may be of the same batch
            until = _after_richer(self._transaction, number, wanting, keys)
        self._numbers.append(number)
        self._waits |= dict.fromkeys((key, number) for key in keys)
        if wanting.lends is None:
            self._states.append((number, until, reason, until))
        else:
            self._states.append((number, None, reason, None))
            self._decisions.append((number, until, wanting.rank, wanting.lends))

    def _write_all(self) -> None:
        delete_waits(self._transaction, self._numbers)
        if self._states:
            self._transaction.execute(
                """
                UPDATE webhooks SET due = new.due, reason = new.reason, looked_at = true,
                    waits_until = coalesce(new.waits_until, webhooks.waits_until)
                FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[])
                    AS new (number, due, reason, waits_until)
                WHERE webhooks.number = new.number
                """,
                to_arrays(self._states, "bigint", "bigint", "text", "bigint"),
            )
        if self._decisions:
            self._transaction.execute(
                "INSERT INTO deferred SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::bytea[])",
                to_arrays(self._decisions, "bigint", "bigint", "int", "bytea"),
            )
        if self._waits:
            keys, webhooks = zip(*self._waits, strict=True)
            self._transaction.execute(
                "INSERT INTO waiting SELECT * FROM unnest(%s::uuid[], %s::bigint[])",
                (to_keys(keys), to_numbers(webhooks)),
            )
        self._numbers.clear()
        self._states.clear()
        self._decisions.clear()
        self._waits.clear()


def _existing_numbers(transaction: Transaction, numbers: set[int]) -> set[int]:
    """The numbers of the ledger under which there is something to be read."""
    rows = select(
        transaction.db,
        """
        SELECT number FROM events WHERE number = ANY(%(numbers)s)
        UNION ALL SELECT number FROM purged_events WHERE number = ANY(%(numbers)s)
        UNION ALL SELECT -number FROM remembered WHERE -number = ANY(%(numbers)s)
        """,
        {"numbers": to_numbers(numbers)},
    )
    return {number for (number,) in rows}


def _after_richer(transaction: Transaction, number: int, wanting: EventNeeded, keys: Sequence[bytes]) -> int:
    """Returns when the webhook is looked at again whose wait is over: after the one that is to be decided on first."""
    (latest,) = select(
        transaction.db,
        """
        SELECT max(d.at) FROM waiting AS w JOIN deferred AS d ON d.webhook = w.webhook
        WHERE w.key = ANY(%s) AND d.webhook <> %s AND d.rank >= %s
        """,
        (to_keys(keys), number, wanting.rank),
    )[0]
    return transaction.at if latest is None else max(transaction.at, latest) + AFTER_RICHER_MS


def make_due(transaction: Transaction, conversion_keys: Iterable[tuple[bytes, int]]) -> None:
    """Make webhooks due that wait for one of these conversion keys, each at the time its event is kept.

    Only after the ledger has these keys: a webhook that begins to wait later finds them there.
    """
    times: dict[bytes, int] = {}
    for key, at in conversion_keys:
        times[key] = min(at, times.get(key, at))
    if not times:
        return
    waiting = transaction.execute("SELECT key, webhook FROM waiting WHERE key = ANY(%s)", (to_keys(times),))
    revisits = _ask_revisits(transaction, times)
    woken = waiting.fetchall()
    due: dict[int, int] = {}
    for key, webhook in woken:
        due[webhook] = min(times[key], due.get(webhook, times[key]))
    if due:
        transaction.execute(
            """
            UPDATE webhooks SET due = least(coalesce(webhooks.due, new.due), new.due)
            FROM unnest(%s::bigint[], %s::bigint[]) AS new (number, due)
            WHERE webhooks.number = new.number AND state = 'received'
            """,
            (to_numbers(due), to_numbers(due.values())),
        )
        transaction.execute(
            "DELETE FROM waiting WHERE key = ANY(%s) AND webhook NOT IN (SELECT webhook FROM deferred)",
            (to_keys({key for key, _ in woken}),),
        )
    _revisit(transaction, times, revisits.fetchall())


def revisit_webhooks(transaction: Transaction, times: dict[bytes, int]) -> None:
    """Make ignored webhooks received again that are looked at again for one of these keys."""
    _revisit(transaction, times, _ask_revisits(transaction, times).fetchall())


def _ask_revisits(transaction: Transaction, times: dict[bytes, int]) -> psycopg.Cursor[Any]:
    return transaction.execute("SELECT key, webhook FROM revisits WHERE key = ANY(%s)", (to_keys(times),))


def _revisit(transaction: Transaction, times: dict[bytes, int], rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    for key, number in sorted(rows, key=lambda row: (row[1], times[row[0]])):
        changed = transaction.execute(
            """
            UPDATE webhooks SET state = 'received', reason = NULL, due = %s, looked_at = false
            WHERE number = %s AND state = 'ignored' RETURNING source, received_at
            """,
            (times[key], number),
        ).fetchone()
        if changed is not None:
            count_webhooks(transaction, changed[0], "ignored", changed[1], -1)
            count_webhooks(transaction, changed[0], "received", changed[1])
    transaction.execute("DELETE FROM revisits WHERE webhook = ANY(%s)", (to_numbers(number for _, number in rows),))


def read_waits(transaction: Transaction, numbers: Sequence[int]) -> list[bytes]:
    """The keys that these webhooks wait for."""
    rows = select(transaction.db, "SELECT DISTINCT key FROM waiting WHERE webhook = ANY(%s)", (to_numbers(numbers),))
    return [key for (key,) in rows]


def waiting_among(transaction: Transaction, numbers: Sequence[int], *, barrier: int) -> set[int]:
    """Returns which of these webhooks have waited as long as they may."""
    rows = select(
        transaction.db,
        """
        SELECT number FROM webhooks AS w LEFT JOIN deferred AS d ON d.webhook = w.number
        WHERE number = ANY(%s) AND EXISTS (SELECT 1 FROM waiting WHERE webhook = w.number)
        AND coalesce(d.at, w.waits_until, 0) <= %s
        """,
        (to_numbers(numbers), barrier),
    )
    return {number for (number,) in rows}


def find_barrier(transaction: Transaction) -> int:
    """The time before which every webhook that was received has been looked at."""
    unapplied, received = select(
        transaction.db,
        """
        SELECT (SELECT min(oldest) FROM unapplied),
            (SELECT min(received_at) FROM webhooks WHERE state = 'received' AND NOT looked_at)
        """,
    )[0]
    return min(one for one in (transaction.at, unapplied, received) if one is not None)


def delete_waits(transaction: Transaction, numbers: Sequence[int]) -> None:
    """These webhooks wait no more."""
    if numbers:
        transaction.execute("DELETE FROM waiting WHERE webhook = ANY(%s)", (to_numbers(numbers),))
        transaction.execute("DELETE FROM deferred WHERE webhook = ANY(%s)", (to_numbers(numbers),))


def read_waiting(db: psycopg.Connection[Any]) -> WaitingWebhooks:
    """How many webhooks wait, and when the next of these waits ends."""
    [(richer, richer_at, sale, sale_at)] = select(
        db,
        """
        SELECT d.*, s.* FROM (SELECT count(*), min(at) FROM deferred) AS d, (
            SELECT count(*), min(w.waits_until) FROM (SELECT DISTINCT webhook FROM waiting) AS one
            JOIN webhooks AS w ON w.number = one.webhook
            WHERE w.state = 'received' AND NOT EXISTS (SELECT 1 FROM deferred WHERE webhook = w.number)
        ) AS s
        """,
    )
    ends = [at for at in (richer_at, sale_at) if at is not None]
    return WaitingWebhooks(richer, sale, from_ms(min(ends)) if ends else None)
