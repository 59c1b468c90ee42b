"""What processes hold of named things: who works on one holds it, and it is free again however that process ends.

A lock of the system's own for each name, on a file that all share. Not concerned with what is done there.
"""

from __future__ import annotations

import fcntl
import time
from zlib import crc32

from bridge.runtime.rate_limit import nameless

STUCK = 10.0
"""Seconds after which what nobody has gone on with is taken from whoever holds it: that process hangs."""
REMEMBERED = 64
"""Things that others hold, of which is known since when nobody has gone on with them: those asked for last."""


class Holds:
    """Made before the fork, for all; each process holds what it has taken."""

    def __init__(self) -> None:
        self._lock = nameless()
        self._places: list[int] = []
        self._seen: dict[str, tuple[int, float]] = {}

    def take(self, name: str, starts: int) -> bool:
        """Whether nobody else goes on with the thing from that place on; then it is ours, too, until `leave`."""
        place = crc32(name.encode())
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            return self._is_stuck(name, starts)
        self._places.append(place)
        self._seen.pop(name, None)
        return True

    def leave(self) -> None:
        """Hold nothing any more."""
        while self._places:
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, self._places.pop())

    def _is_stuck(self, name: str, starts: int) -> bool:
        now = time.monotonic()
        seen, since = self._seen.pop(name, (starts, now))
        if seen != starts:
            since = now
        self._seen[name] = (starts, since)
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return now - since > STUCK
