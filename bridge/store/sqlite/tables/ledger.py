"""The ledger with its write buffer.

New entries are appended as they come, and sorted into the ledger when nothing waits.

A key is a hash, so each new one belongs on another page of the ledger: inserted at once, it would cost a page in the
write-ahead log and another in the file, more the larger the ledger is. So new entries are appended in segments and
applied many at once. Look-ups read both.
"""

from __future__ import annotations

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Sequence

from bridge.core.dedupe_keys import KEY_SIZE
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.db.ledger_cache import ENTRY, CachingConnection, LedgerCache

FLUSH_FROM = 8_000
"""Entries that are worth entering when nobody waits; known in memory they take less than a megabyte."""
MOST = 32_000
"""Entries that there may be, four megabytes in memory: beyond, whoever adds some enters as many."""
SEGMENT_ENTRIES = 500
"""Entries that are entered in one step."""
_VALUE = struct.Struct(">qq")


def find_keys(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
    """The number and the instant of each key that is known, by what was learned of it last."""
    lots = _read_segments(db).lots
    recent: defaultdict[int, list[bytes]] = defaultdict(list)
    older: list[bytes] = []
    for key in keys:
        if key in lots:
            recent[lots[key]].append(key)
        else:
            older.append(key)
    older.sort()  # found sooner so
    entries = {
        key: (number, at)
        for key, number, at in bulk.select_keys(db, "SELECT key, number, at FROM ledger WHERE key", older)
    }
    for lot, mine in recent.items():
        entries |= _entries_of_segment(db, lot, mine)
    return entries


def add_entries(db: sqlite3.Connection, entries: Sequence[tuple[bytes, int, int]]) -> None:
    """Keys, each with a number and an instant, are known from now on; whatever was known of them is no more."""
    if not entries:
        return
    _append_segment(db, b"".join([ENTRY.pack(*one) for one in entries]))
    while _buffered_count(db) > MOST:
        flush_step(db)


def should_flush(db: sqlite3.Connection) -> bool:
    """Whether there is enough to be entered, or entering has begun."""
    begun = db.execute("SELECT sorted FROM recent ORDER BY number LIMIT 1").fetchone()
    return begun is not None and (bool(begun[0]) or _buffered_count(db) >= FLUSH_FROM)


def flush_step(db: sqlite3.Connection) -> bool:
    """One step on the way into the ledger: all are put in order, or the first of those in order are entered.

    Whether more are in order.
    """
    first = db.execute("SELECT number, sorted, entries FROM recent ORDER BY number LIMIT 1").fetchone()
    if first is None:
        return False
    number, in_order, entries = first
    if not in_order:
        return sort_buffer(db)
    bulk.insert_rows(
        db, "ledger", list(ENTRY.iter_unpack(entries)),
        "ON CONFLICT DO UPDATE SET number = excluded.number, at = excluded.at",
    )  # fmt: skip
    db.execute("DELETE FROM recent WHERE number = ?", (number,))
    return bool(
        db.execute("SELECT EXISTS (SELECT 1 FROM recent WHERE number = ? AND sorted)", (number + 1,)).fetchone()[0]
    )


def sort_buffer(db: sqlite3.Connection) -> bool:
    """Put all of them into segments in the order of their keys, each key once. Whether there are any."""
    _cache_of(db).clear_all()  # all of it is about to change, and need not be in memory twice
    newest: dict[bytes, bytes] = {}
    for (entries,) in db.execute("SELECT entries FROM recent ORDER BY number"):
        for at in range(0, len(entries), ENTRY.size):
            newest[entries[at : at + KEY_SIZE]] = entries[at : at + ENTRY.size]
    ordered = sorted(newest.values())
    del newest
    db.execute("DELETE FROM recent")
    for start in range(0, len(ordered), SEGMENT_ENTRIES):
        _append_segment(db, b"".join(ordered[start : start + SEGMENT_ENTRIES]), in_order=True)
    return bool(ordered)


def _append_segment(db: sqlite3.Connection, entries: bytes, *, in_order: bool = False) -> None:
    db.execute(
        """
        INSERT INTO recent (nonce, until, sorted, entries) VALUES (
            random(), coalesce((SELECT until FROM recent ORDER BY number DESC LIMIT 1), 0) + ?, ?, ?
        )
        """,
        (len(entries) // ENTRY.size, in_order, entries),
    )


def _buffered_count(db: sqlite3.Connection) -> int:
    """How many entries there are, by what the first and the last lot count."""
    amount: int = db.execute(
        """
        SELECT coalesce((SELECT until FROM recent ORDER BY number DESC LIMIT 1)
                        - (SELECT until - length(entries) / ? FROM recent ORDER BY number LIMIT 1), 0)
        """,
        (ENTRY.size,),
    ).fetchone()[0]
    return amount


def _entries_of_segment(db: sqlite3.Connection, lot: int, keys: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
    (entries,) = db.execute("SELECT entries FROM recent WHERE number = ?", (lot,)).fetchone()
    places = {entries[at : at + KEY_SIZE]: at + KEY_SIZE for at in range(0, len(entries), ENTRY.size)}
    return {key: _VALUE.unpack_from(entries, places[key]) for key in keys}


# ------------------------------------------------------------------------------------------------------- in memory


def _cache_of(db: sqlite3.Connection) -> LedgerCache:
    if not isinstance(db, CachingConnection):
        return LedgerCache()
    if db.memory is None:
        db.memory = LedgerCache()
    return db.memory


def _read_segments(db: sqlite3.Connection) -> LedgerCache:
    """What is in the segments now, of which only what is new has to be read."""
    memory = _cache_of(db)
    first, nonce = db.execute(
        "SELECT (SELECT min(number) FROM recent), (SELECT nonce FROM recent WHERE number = ?)", (memory.last,)
    ).fetchone()
    if first is None or nonce != memory.nonce or first < memory.first:
        memory.clear_all()
    if first is not None:
        if memory.first != first:
            memory.begin_at(first)
        for lot in db.execute(
            "SELECT number, nonce, entries FROM recent WHERE number > ? ORDER BY number", (memory.last,)
        ):
            memory.add_segment(*lot)
    return memory
