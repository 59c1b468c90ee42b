"""A connection's copy of the ledger's write buffer, in memory."""

from __future__ import annotations

import sqlite3
import struct
from dataclasses import dataclass, field

from bridge.core.dedupe_keys import KEY_SIZE

ENTRY = struct.Struct(f">{KEY_SIZE}sqq")


@dataclass(slots=True)
class LedgerCache:
    """The segments that a connection has read, from number `first` to `last`, and the newest segment of each key.

    A segment never changes, and the first ones are deleted first. A number may be given again after a rollback, but a
    nonce is not: if the last segment still has its `nonce`, all segments before it are as they were read.
    """

    first: int = 0
    last: int = 0
    nonce: int = 0
    keys: dict[int, list[bytes]] = field(default_factory=dict)
    segment_of: dict[bytes, int] = field(default_factory=dict)

    def clear_all(self) -> None:
        """Forget all segments."""
        self.first = self.last = self.nonce = 0
        self.keys, self.segment_of = {}, {}

    def begin_at(self, first: int) -> None:
        """Forget the segments before this number, which were deleted."""
        for number in [number for number in self.keys if number < first]:
            for key in self.keys.pop(number):
                if self.segment_of[key] == number:
                    del self.segment_of[key]
        self.first = first

    def add_segment(self, number: int, nonce: int, entries: bytes) -> None:
        """Add the next segment; it is now the newest one of its keys."""
        keys = [entries[at : at + KEY_SIZE] for at in range(0, len(entries), ENTRY.size)]
        self.keys[number] = keys
        self.segment_of |= dict.fromkeys(keys, number)
        self.last, self.nonce = number, nonce


class CachingConnection(sqlite3.Connection):
    """A connection that remembers the segments that it has read."""

    memory: LedgerCache | None = None
