"""What a connection keeps in memory of the ledger's write buffer."""

from __future__ import annotations

import sqlite3
import struct
from dataclasses import dataclass, field

from bridge.core.dedupe_keys import KEY_SIZE

ENTRY = struct.Struct(f">{KEY_SIZE}sqq")


@dataclass(slots=True)
class LedgerCache:
    """What a connection has read of the segments: those from the first to the last, and which lot a key is in.

    A lot never changes, and segments go from the first on. A number may be given again where a transaction was rolled
    back, its nonce is not: so all segments up to the last are as they were read when the last one is.
    """

    first: int = 0
    last: int = 0
    nonce: int = 0
    keys: dict[int, list[bytes]] = field(default_factory=dict)
    lots: dict[bytes, int] = field(default_factory=dict)

    def clear_all(self) -> None:
        """Nothing was read."""
        self.first = self.last = self.nonce = 0
        self.keys, self.lots = {}, {}

    def begin_at(self, first: int) -> None:
        """The segments before this one are gone."""
        for number in [number for number in self.keys if number < first]:
            for key in self.keys.pop(number):
                if self.lots[key] == number:
                    del self.lots[key]
        self.first = first

    def add_segment(self, number: int, nonce: int, entries: bytes) -> None:
        """The next lot: what it says of a key holds."""
        keys = [entries[at : at + KEY_SIZE] for at in range(0, len(entries), ENTRY.size)]
        self.keys[number] = keys
        self.lots |= dict.fromkeys(keys, number)
        self.last, self.nonce = number, nonce


class CachingConnection(sqlite3.Connection):
    """A connection that remembers the segments that it has read."""

    memory: LedgerCache | None = None
