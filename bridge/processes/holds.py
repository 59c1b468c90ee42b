"""What processes hold of named things: who works on one holds it, and it is free again however that process ends.

A lock of the system's own for each name, on a file that all share. Not concerned with what is done there.
"""

from __future__ import annotations

import fcntl
import time
from zlib import crc32

from bridge.processes.pace import nameless

STUCK = 10.0
"""Seconds after which what nobody has gone on with is taken from whoever holds it: that process hangs."""


class Holds:
    """Made before the fork, for all; each process holds one thing at a time."""

    def __init__(self) -> None:
        self._lock = nameless()
        self._place: int | None = None
        self._seen: dict[str, tuple[int, float]] = {}

    def take(self, name: str, starts: int) -> bool:
        """Whether nobody else goes on with the thing from that place on; then it is ours until `leave`."""
        self.leave()
        place = crc32(name.encode())
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            return self._is_stuck(name, starts)
        self._place = place
        self._seen.clear()
        return True

    def leave(self) -> None:
        """Hold nothing any more."""
        if self._place is not None:
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, self._place)
            self._place = None

    def _is_stuck(self, name: str, starts: int) -> bool:
        now = time.monotonic()
        seen, since = self._seen.get(name, (starts, now))
        if seen != starts:
            since = now
        self._seen[name] = (starts, since)
        return now - since > STUCK
