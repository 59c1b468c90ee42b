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
"""Buffered entries that are flushed when nothing waits; in memory they take less than a megabyte."""
MOST_ENTRIES = 32_000
"""The most buffered entries, four megabytes in memory: beyond, `add_entries` flushes."""
SEGMENT_ENTRIES = 500
"""Entries of a sorted segment, which is flushed in one step."""
_VALUE = struct.Struct(">qq")


def find_keys(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
    """Returns the number and the time of each key that the ledger knows, by its newest entry."""
    segment_of = _read_segments(db).segment_of
    recent: defaultdict[int, list[bytes]] = defaultdict(list)
    older: list[bytes] = []
    for key in keys:
        if key in segment_of:
            recent[segment_of[key]].append(key)
        else:
            older.append(key)
    older.sort()  # found sooner so
    entries = {
        key: (number, at)
        for key, number, at in bulk.select_keys(db, "SELECT key, number, at FROM ledger WHERE key", older)
    }
    for segment, mine in recent.items():
        entries |= _entries_of_segment(db, segment, mine)
    return entries


def add_entries(db: sqlite3.Connection, entries: Sequence[tuple[bytes, int, int]]) -> None:
    """Add keys with number and time; they replace earlier entries."""
    if not entries:
        return
    _append_segment(db, b"".join([ENTRY.pack(*one) for one in entries]))
    while _buffered_count(db) > MOST_ENTRIES:
        flush_step(db)


def remove_keys(db: sqlite3.Connection, keys: Sequence[bytes]) -> None:
    """Forget keys, buffered ones too: for repairs by hand, since it flushes the whole buffer."""
    if not keys:
        return
    while db.execute("SELECT EXISTS (SELECT 1 FROM recent)").fetchone()[0]:
        flush_step(db)
    db.executemany("DELETE FROM ledger WHERE key = ?", [(key,) for key in keys])


def should_flush(db: sqlite3.Connection) -> bool:
    """Whether the buffer has enough entries to be flushed, or a flush has begun."""
    begun = db.execute("SELECT sorted FROM recent ORDER BY number LIMIT 1").fetchone()
    return begun is not None and (bool(begun[0]) or _buffered_count(db) >= FLUSH_FROM)


def flush_step(db: sqlite3.Connection) -> bool:
    """One step of a flush: sort the buffer, or insert its first sorted segment into the ledger.

    Returns whether sorted segments remain.
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
    """Sort the buffer into segments in the order of the keys, each key once. Returns whether there are any."""
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
    """Returns how many entries are buffered, by the counts of the first and the last segment."""
    amount: int = db.execute(
        """
        SELECT coalesce((SELECT until FROM recent ORDER BY number DESC LIMIT 1)
                        - (SELECT until - length(entries) / ? FROM recent ORDER BY number LIMIT 1), 0)
        """,
        (ENTRY.size,),
    ).fetchone()[0]
    return amount


def _entries_of_segment(db: sqlite3.Connection, segment: int, keys: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
    (entries,) = db.execute("SELECT entries FROM recent WHERE number = ?", (segment,)).fetchone()
    return {key: _VALUE.unpack_from(entries, _last_place(entries, key) + KEY_SIZE) for key in keys}


def _last_place(entries: bytes, key: bytes) -> int:
    """Returns where the newest entry of a key begins, which is there: its bytes may also stand across two entries."""
    at = entries.rfind(key)
    while at % ENTRY.size:
        at = entries.rfind(key, 0, at + KEY_SIZE - 1)
    return at


# ------------------------------------------------------------------------------------------------------- in memory


def _cache_of(db: sqlite3.Connection) -> LedgerCache:
    if not isinstance(db, CachingConnection):
        return LedgerCache()
    if db.memory is None:
        db.memory = LedgerCache()
    return db.memory


def _read_segments(db: sqlite3.Connection) -> LedgerCache:
    """Returns the cache of the segments, after reading the new ones into it."""
    memory = _cache_of(db)
    first, nonce = db.execute(
        "SELECT (SELECT min(number) FROM recent), (SELECT nonce FROM recent WHERE number = ?)", (memory.last,)
    ).fetchone()
    if first is None or nonce != memory.nonce or first < memory.first:
        memory.clear_all()
    if first is not None:
        if memory.first != first:
            memory.begin_at(first)
        for segment in db.execute(
            "SELECT number, nonce, entries FROM recent WHERE number > ? ORDER BY number", (memory.last,)
        ):
            memory.add_segment(*segment)
    return memory
