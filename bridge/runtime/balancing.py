"""Spreads connections evenly over the web processes: one that has more than another pauses before it accepts the next.

All of them are woken for a connection and the first accepts it, so one could accept all that arrive at once.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Sequence
from struct import Struct

PAUSE = 0.0005
"""Seconds this process pauses so that another one can accept the waiting connection."""
AHEAD = 2
"""A process pauses when it has at least this many more connections than another."""
_COUNT = Struct("=I")


class ConnectionBalance:
    """Made before the fork, for the web processes of these names, of which there may be none."""

    def __init__(self, names: Sequence[str]) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size * len(names) or 1)  # no memory can be empty
        self._place = {name: _COUNT.size * place for place, name in enumerate(names)}

    def counter_of(self, name: str) -> Callable[[int], None]:
        """What a web process calls with the number of its connections whenever that has changed.

        It returns when the next may be accepted. The count starts at none: a process that is restarted begins again.
        """
        mine = self._place[name]
        others = [place for place in self._place.values() if place != mine]
        self._write_count(mine, 0)

        def counted(count: int) -> None:
            is_one_more = count > self._read_count(mine)
            self._write_count(mine, count)
            if is_one_more and others and count >= min(map(self._read_count, others)) + AHEAD:
                time.sleep(PAUSE)

        return counted

    def _write_count(self, place: int, count: int) -> None:
        _COUNT.pack_into(self._memory, place, count)

    def _read_count(self, place: int) -> int:
        count: int = _COUNT.unpack_from(self._memory, place)[0]
        return count
