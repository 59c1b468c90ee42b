"""The ledger within one transaction: what it has read of it, and what it writes, all of it at once.

Nothing is locked while the transaction decides. When it writes, each entry must still be as it was read: else another
transaction was faster, and this one begins anew. Keys are written in their order, so that no two transactions wait for
each other in a circle.

A webhook that waits for a key makes sure that the ledger has an entry of it, if only an empty one, and locks it: a
transaction that makes what is waited for writes that entry, so that either it finds who waits, or the other finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from bridge.store.postgres.db.arrays import to_numbers
from bridge.store.postgres.db.ledger_key import to_keys
from bridge.store.postgres.db.transaction import LedgerChangedError, Transaction, select

_Entry = tuple[int | None, int]
"""Number and time; no number where nothing is known, and a webhook waits for it."""

_ENTRIES = """
    SELECT entry.key, entry.number, entry.at FROM unnest(%s) AS wanted (key),
        LATERAL (SELECT * FROM ledger WHERE ledger.key = wanted.key LIMIT 1) AS entry
"""
"""Each key is looked for in its own partition alone: LIMIT keeps the planner from a join of them all, and `= ANY` looks
for all keys in all 16. 300 keys among 270,000 entries: 600 pages, where `= ANY` reads 3,224 in twice the time, and
more as the ledger grows."""
_BY_INDEX = "SELECT set_config('enable_seqscan', 'off', true)"
"""Keeps the planner, in this transaction, from walking through tables. It does where it last counted a partition's rows
when they were few, as it may in the first minute of a store, and keeps that plan while they grow: 250 webhooks took
130 ms of the server instead of 20."""


def read_entries(db: psycopg.Connection[Any], keys: Iterable[bytes]) -> list[tuple[bytes, int | None, int]]:
    """The entries that there are of these keys, each with its number and time."""
    db.execute(_BY_INDEX)
    return select(db, _ENTRIES, (to_keys(keys),))


class Ledger:
    """What one transaction knows of the ledger."""

    def __init__(self, transaction: Transaction) -> None:
        transaction.execute(_BY_INDEX)
        self._transaction = transaction
        self._read: dict[bytes, _Entry | None] = {}
        self._asked: list[psycopg.Cursor[Any]] = []
        self._new: dict[bytes, _Entry] = {}
        self._awaited: set[bytes] = set()

    def ask_keys(self, keys: Iterable[bytes]) -> None:
        """Ask for keys that are looked for later; their answer need not be waited for alone."""
        unread = [key for key in dict.fromkeys(keys) if key not in self._read]
        if unread:
            self._read.update(dict.fromkeys(unread))
            self._asked.append(self._transaction.execute(_ENTRIES, (to_keys(unread),)))

    def find_keys(self, keys: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
        """Returns the number and the time of each key that is known, with what this transaction has added."""
        self._read_keys(keys)
        found: dict[bytes, tuple[int, int]] = {}
        for key in keys:
            entry = self._new.get(key) or self._read[key]
            if entry is not None and entry[0] is not None:
                found[key] = entry[0], entry[1]
        return found

    def add_entries(self, entries: Iterable[tuple[bytes, int, int]]) -> None:
        """Add keys with number and time; they replace earlier entries."""
        for key, number, at in entries:
            self._new[key] = number, at

    def remove_keys(self, keys: Iterable[bytes]) -> None:
        """Forget keys; each keeps an empty entry, which whoever has read it finds changed."""
        for key in keys:
            self._new[key] = None, self._transaction.at

    def await_keys(self, keys: Iterable[bytes]) -> None:
        """Note that a webhook waits for these keys."""
        self._awaited.update(keys)

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._new or self._awaited)

    def write_all(self) -> None:
        """Write what was added. Raises LedgerChangedError where an entry is not as it was read any more."""
        keys = sorted(self._new.keys() | self._awaited)
        self._read_keys(keys)
        self._insert_entries([key for key in keys if self._read[key] is None])
        self._update_entries([key for key in keys if self._read[key] is not None])
        for key in keys:
            self._read[key] = self._new.get(key) or self._read[key] or (None, self._transaction.at)
        self._new.clear()
        self._awaited.clear()

    def _read_keys(self, keys: Sequence[bytes]) -> None:
        self.ask_keys(keys)
        for asked in self._asked:
            self._read.update({key: (number, at) for key, number, at in asked.fetchall()})
        self._asked.clear()

    def _insert_entries(self, keys: Sequence[bytes]) -> None:
        if not keys:
            return
        entries = [self._new.get(key, (None, self._transaction.at)) for key in keys]
        inserted = self._transaction.execute(
            """
            WITH inserted AS (
                INSERT INTO ledger (key, number, at)
                SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[]) AS new (key, number, at) ORDER BY key
                ON CONFLICT DO NOTHING RETURNING 1
            )
            SELECT count(*) FROM inserted
            """,
            (to_keys(keys), to_numbers(number for number, _ in entries), to_numbers(at for _, at in entries)),
        )
        if inserted.fetchall() != [(len(keys),)]:
            raise LedgerChangedError

    def _update_entries(self, keys: Sequence[bytes]) -> None:
        if not keys:
            return
        locked = self._transaction.execute(
            "SELECT key, number, at FROM ledger WHERE key = ANY(%s) ORDER BY key FOR UPDATE", (to_keys(keys),)
        )
        if {key: (number, at) for key, number, at in locked} != {key: self._read[key] for key in keys}:
            raise LedgerChangedError
        changed = [(key, *self._new[key]) for key in keys if key in self._new]
        if changed:
            names, numbers, times = zip(*changed, strict=True)
            self._transaction.execute(
                """
                UPDATE ledger SET number = new.number, at = new.at
                FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[]) AS new (key, number, at) WHERE ledger.key = new.key
                """,
                (to_keys(names), to_numbers(numbers), to_numbers(times)),
            )
