"""Webhooks that wait for an earlier event, or whether a richer webhook tells their conversion. Each waits for keys.

One that waits for a richer webhook has a row of `deferred`, too, and no `due`: it is decided on when every webhook that
was received before its time has been looked at (`find_barrier`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.core.model import EventNeeded
from bridge.store.codec.columns import from_ms, ms_up, storable_text, to_ms
from bridge.store.rules.waits import AFTER_RICHER_MS, waiting_reason
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables import ledger
from bridge.store.status_views import WaitingWebhooks

WAITS = (
    "(EXISTS (SELECT 1 FROM waiting WHERE webhook = w.number) "
    "AND NOT EXISTS (SELECT 1 FROM deferred WHERE webhook = w.number))"
)
"""The SQL condition that a webhook `w` waits for an event."""


def has_aliases(db: sqlite3.Connection) -> bool:
    """Whether any key belongs to another one."""
    return _has_rows(db, "aliases")


def find_aliases(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """The keys that each of these belongs to."""
    if not has_aliases(db):
        return {}
    found: dict[bytes, list[bytes]] = {}
    for key, other in bulk.select_keys(db, "SELECT key, belongs_to FROM aliases WHERE key", keys):
        found.setdefault(key, []).append(other)
    return found


def defer_webhooks(db: sqlite3.Connection, wanting: Sequence[tuple[int, EventNeeded]], *, now: datetime) -> None:
    """Defer received webhooks, given by number; one for which something was kept since it was looked up is due now.

    If the clock was set back after receipt, the full wait starts again now.
    """
    if wanting:
        _Deferral(db, wanting, to_ms(now)).defer_all()


class _Deferral:
    """Defers webhooks of one batch: has what is known under their keys, and what is to be written."""

    def __init__(self, db: sqlite3.Connection, wanting: Sequence[tuple[int, EventNeeded]], at: int) -> None:
        self._db = db
        self._at = at
        self._wanting = wanting
        asked = list(dict.fromkeys(key for _, one in wanting for key in one.keys))
        self._aliases = find_aliases(db, asked)
        every = dict.fromkeys([*asked, *(key for each in self._aliases.values() for key in each)])
        self._ledger = ledger.find_keys(db, list(every))
        self._received_at: dict[int, int] = dict(
            bulk.select_keys(
                db, "SELECT number, received_at FROM webhooks WHERE state = 'received' AND number",
                [number for number, _ in wanting],
            )
        )  # fmt: skip
        self._numbers: list[int] = []
        self._states: list[tuple[int | None, str, int | None, int]] = []
        self._decisions: list[tuple[int, int, int, bytes]] = []
        self._waits: list[tuple[bytes, int]] = []

    def defer_all(self) -> None:
        """Decide on each in turn, then write all of it."""
        for number, wanting in self._wanting:
            received_at = self._received_at.pop(number, None)
            if received_at is not None:
                self._defer_one(number, wanting, received_at)
        self._write_all()

    def _defer_one(self, number: int, wanting: EventNeeded, received_at: int) -> None:
        keys = [*wanting.keys, *(key for one in wanting.keys for key in self._aliases.get(one, ()))]
        held = {self._ledger[key][0] for key in keys if key in self._ledger} - set(wanting.seen)
        reason = waiting_reason(wanting, event_type=storable_text(wanting.event_type))
        if any(_is_known(self._db, one) for one in held if one > 0 or wanting.lends is None):
            self._states.append((self._at, reason, None, number))
            return
        until = min(ms_up(wanting.until), self._at + max(0, ms_up(wanting.until) - received_at))
        if until <= self._at:
            self._write_all()  # what is richer may be of the same batch
            until = _after_richer(self._db, number, wanting, keys, at=self._at)
        self._numbers.append(number)
        self._waits += [(key, number) for key in keys]
        if wanting.lends is None:
            self._states.append((until, reason, until, number))
        else:
            self._states.append((None, reason, None, number))
            self._decisions.append((number, until, wanting.rank, wanting.lends))

    def _write_all(self) -> None:
        delete_waits(self._db, self._numbers)
        self._db.executemany(
            "UPDATE webhooks SET due = ?, reason = ?, looked_at = 1, waits_until = coalesce(?, waits_until) "
            "WHERE number = ?",
            self._states,
        )
        bulk.insert_rows(self._db, "deferred (webhook, at, rank, lends)", self._decisions)
        bulk.insert_rows(self._db, "waiting", list(dict.fromkeys(self._waits)))
        for written in (self._numbers, self._states, self._decisions, self._waits):
            written.clear()


def _is_known(db: sqlite3.Connection, held: int) -> bool:
    """Whether there is something to be read under a number of the ledger: older versions purged without trace."""
    return bool(
        db.execute(
            """
            SELECT EXISTS (SELECT 1 FROM events WHERE number = ?1)
                OR EXISTS (SELECT 1 FROM purged_events WHERE number = ?1)
                OR EXISTS (SELECT 1 FROM remembered WHERE number = -?1)
            """,
            (held,),
        ).fetchone()[0]
    )


def _after_richer(db: sqlite3.Connection, number: int, wanting: EventNeeded, keys: Sequence[bytes], *, at: int) -> int:
    """Returns when the webhook is looked at again whose wait is over: after the one that is to be decided on first."""
    rows = bulk.select_keys(
        db,
        "SELECT d.at, d.webhook, d.rank FROM waiting AS w JOIN deferred AS d ON d.webhook = w.webhook WHERE w.key",
        keys,
    )
    richer = [when for when, other, rank in rows if other != number and rank >= wanting.rank]
    return max(at, *richer) + AFTER_RICHER_MS if richer else at


def make_due(db: sqlite3.Connection, conversion_keys: Sequence[tuple[bytes, int]]) -> None:
    """Make webhooks due that wait for one of these conversion keys, each at the time its event is kept."""
    if not conversion_keys:
        return
    times: dict[bytes, int] = {}
    for key, at in conversion_keys:
        times[key] = min(at, times.get(key, at))
    if _has_rows(db, "waiting"):
        woken = bulk.select_keys(db, "SELECT key, webhook FROM waiting WHERE key", list(times))
        db.executemany(
            "UPDATE webhooks SET due = min(coalesce(due, ?1), ?1) WHERE number = ?2 AND state = 'received'",
            [(times[key], number) for key, number in woken],
        )
        db.executemany(
            "DELETE FROM waiting WHERE key = ? AND webhook NOT IN (SELECT webhook FROM deferred)",
            [(key,) for key in {key for key, _ in woken}],
        )
    if _has_rows(db, "revisits"):
        for key, at in times.items():
            revisit_webhooks(db, [key], at=at)


def revisit_webhooks(db: sqlite3.Connection, keys: Sequence[bytes], *, at: int) -> None:
    """Make ignored webhooks received again that are looked at again for one of these keys."""
    numbers = {number for (number,) in bulk.select_keys(db, "SELECT webhook FROM revisits WHERE key", keys)}
    for number in sorted(numbers):
        db.execute(
            """
            UPDATE webhooks AS w SET state = 'received', reason = NULL, due = ?, looked_at = 0
            WHERE number = ? AND state = 'ignored' AND EXISTS (SELECT 1 FROM bodies WHERE bodies.number = w.body)
            """,
            (at, number),
        )
        db.execute("DELETE FROM revisits WHERE webhook = ?", (number,))


def read_waits(db: sqlite3.Connection, numbers: Sequence[int]) -> list[bytes]:
    """The keys that these webhooks wait for."""
    if not _has_rows(db, "waiting"):
        return []
    rows = bulk.select_keys(db, "SELECT DISTINCT key FROM waiting WHERE webhook", numbers)
    return [key for (key,) in rows]


def waiting_among(db: sqlite3.Connection, numbers: Sequence[int], *, barrier: int) -> set[int]:
    """Returns which of these webhooks have waited as long as they may."""
    if not _has_rows(db, "waiting"):
        return set()
    waiting = {number for (number,) in bulk.select_keys(db, "SELECT webhook FROM waiting WHERE webhook", numbers)}
    until = dict(bulk.select_keys(db, "SELECT number, waits_until FROM webhooks WHERE number", sorted(waiting)))
    until |= dict(bulk.select_keys(db, "SELECT webhook, at FROM deferred WHERE webhook", sorted(waiting)))
    return {number for number in waiting if (until.get(number) or 0) <= barrier}


def find_barrier(db: sqlite3.Connection, *, trusted_now: int, oldest_unapplied: int | None) -> int:
    """The time before which every webhook that was received has been looked at."""
    found = db.execute("SELECT min(received_at) FROM webhooks WHERE state = 'received' AND NOT looked_at").fetchone()[0]
    return min(one for one in (trusted_now, oldest_unapplied, found) if one is not None)


def delete_waits(db: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """These webhooks wait no more."""
    for table in ("waiting", "deferred"):
        if _has_rows(db, table):
            db.execute(
                f"DELETE FROM {table} WHERE webhook IN (SELECT value FROM json_each(?))",  # noqa: S608  tables of ours
                (json.dumps(numbers),),
            )


def highest_rank(db: sqlite3.Connection, *, below: int | None = None) -> int | None:
    """The rank of the richest webhooks that wait for richer ones; of those below a rank."""
    found: tuple[int | None] = (
        db.execute("SELECT max(rank) FROM deferred").fetchone()
        if below is None
        else db.execute("SELECT max(rank) FROM deferred WHERE rank < ?", (below,)).fetchone()
    )
    return found[0]


def has_waiting(db: sqlite3.Connection) -> bool:
    """Whether any webhook waits for a key."""
    return _has_rows(db, "waiting")


def has_deferred(db: sqlite3.Connection) -> bool:
    """Whether any webhook waits for a richer one."""
    return _has_rows(db, "deferred")


def read_waiting(db: sqlite3.Connection) -> WaitingWebhooks:
    """How many webhooks wait, and when the next of these waits ends."""
    if not _has_rows(db, "waiting"):
        return WaitingWebhooks(0, 0, None)
    richer, richer_at = db.execute("SELECT count(*), min(at) FROM deferred").fetchone()
    sale, sale_at = db.execute(
        """
        SELECT count(*), min(w.waits_until) FROM (SELECT DISTINCT webhook FROM waiting) AS one
        JOIN webhooks AS w ON w.number = one.webhook
        WHERE w.state = 'received' AND NOT EXISTS (SELECT 1 FROM deferred WHERE webhook = w.number)
        """
    ).fetchone()
    ends = [at for at in (richer_at, sale_at) if at is not None]
    return WaitingWebhooks(richer, sale, from_ms(min(ends)) if ends else None)


def _has_rows(db: sqlite3.Connection, table: str) -> bool:
    return bool(db.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0])  # noqa: S608  a table of ours
