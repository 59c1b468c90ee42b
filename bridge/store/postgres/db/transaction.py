"""One transaction: its time, the numbers that it gives, and the counts that it changes.

Waits are kept by the server's clock. A caller's instants are taken as differences from the caller's own now, so that
nodes whose clocks differ agree.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import cached_property
from typing import Any

import psycopg
from psycopg.abc import Params

from bridge.store.codec.columns import from_ms, ms_up, to_ms
from bridge.store.postgres.db.arrays import to_arrays

LAST = "last"
"""Under this name, the counts hold instants: the latest one stays."""
BLOCK = 1024
"""The numbers of one call of `draw_block`."""
DURABLY = "SELECT set_config('synchronous_commit', 'on', true)"
"""Makes a commit return when it is flushed, and a standby has it where the server waits for one.

A session's setting would be inherited by another client behind pgbouncer; one of a transaction is not."""
_BEGIN = f"{DURABLY}, clock_ms()"


class LedgerChangedError(Exception):
    """Another transaction has changed an entry of the ledger that this one has read: it must be tried again."""


def select(db: psycopg.Connection[Any], query: str, values: Params | None = None) -> list[tuple[Any, ...]]:
    """The rows of a query. The binary format spares both sides the text of bytes and numbers."""
    return db.execute(query, values, binary=True).fetchall()


class Transaction:
    """A transaction under way."""

    def __init__(self, db: psycopg.Connection[Any], *, now: datetime | None, by_caller: bool) -> None:
        self.db = db
        self._begun = db.execute(_BEGIN, binary=True)
        self._now = now
        self._asked: psycopg.Cursor[Any] | None = None
        self._left: list[range] = []
        self.by_caller = by_caller
        self.given_at = to_ms(now) if now is not None and by_caller else None
        """The time where it is the caller's: a statement takes the server's of its own moment where this is None."""
        self.counts: Counter[tuple[str, str, str]] = Counter()
        """By what is counted, name and state: how many more there are after this transaction."""
        self.dated_counts: Counter[tuple[str, int, str, str]] = Counter()
        """The same by the day or quarter hour, too, which comes second."""
        self.lasts: dict[str, int] = {}
        """When the last webhook of each source was received, of those that this transaction inserts."""

    @cached_property
    def at(self) -> int:
        """Its time in milliseconds: the server's, or the caller's `now` where `by_caller`, which made-up time needs."""
        if self.given_at is not None:
            return self.given_at
        [(_, clock)] = self._begun.fetchall()
        return int(clock)

    @property
    def _ahead(self) -> int:
        return 0 if self._now is None else self.at - to_ms(self._now)

    def execute(self, query: str, values: Params | None = None) -> psycopg.Cursor[Any]:
        """Run a statement."""
        return self.db.execute(query, values, binary=True)

    def at_least(self, instant: datetime) -> int:
        """A caller's instant by this transaction's clock, rounded up: nothing is due before its time."""
        return ms_up(instant) + self._ahead

    def for_caller(self, milliseconds: int) -> datetime:
        """An instant of this transaction's clock as the caller's clock shows it."""
        return from_ms(milliseconds - self._ahead)

    def ask_numbers(self, count: int) -> None:
        """Ask for as many new numbers as are missing then; their answer need not be waited for alone.

        This transaction has an id before it has a number: a walk knows by the id whether it is under way still.
        """
        missing = count - sum(map(len, self._left))
        if missing > 0:
            self._asked = self.execute(
                "SELECT pg_current_xact_id()::text, draw_block() FROM generate_series(1, %s)", (-(-missing // BLOCK),)
            )

    def draw_numbers(self, count: int) -> list[int]:
        """So many new numbers, ascending."""
        self._hear_numbers()
        self.ask_numbers(count)
        self._hear_numbers()
        numbers: list[int] = []
        while len(numbers) < count:
            block = self._left.pop(0)
            taken = min(count - len(numbers), len(block))
            numbers += block[:taken]
            if taken < len(block):
                self._left.insert(0, block[taken:])
        return numbers

    def _hear_numbers(self) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            self._left += [range(block, block + BLOCK) for _, block in asked.fetchall()]

    def write_marker(self) -> None:
        """Make the commit be flushed, and wait for the standbys, though this transaction changes nothing.

        An id of a transaction alone does not, nor does a number: only what is written to the log.
        """
        self.execute("SELECT pg_logical_emit_message(true, 'trackbridge', '')")

    def write_counts(self) -> None:
        """Append what this transaction changes in the counts."""
        changed = [
            *[(of, 0, name, state, n) for (of, name, state), n in self.counts.items() if n],
            *[(*key, n) for key, n in self.dated_counts.items() if n],
            *[(LAST, 0, source, "", at) for source, at in self.lasts.items()],
        ]
        if changed:
            number = self.draw_numbers(1)[0] if self._left else None
            self.execute(
                "INSERT INTO count_changes VALUES (coalesce(%s::bigint, draw_block()), %s, %s, %s, %s, %s)",
                (number, *to_arrays(changed, "text", "bigint", "text", "text", "bigint")),
            )
