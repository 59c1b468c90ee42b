"""The rate limit of an API key over several processes: the times of its requests in shared memory, under one lock.

The lock is the operating system's, so that it is released when the process that holds it dies.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from collections.abc import Callable
from struct import Struct

from bridge.http.api_keys import MINUTE, share_of_rate

MOST_REQUESTS = 10_000_000
"""Upper limit for `rate`: this many timestamps need 80 MB."""
_HEAD = Struct("<QQ")
"""How many requests have passed in all, and how many of them are over a minute old."""
_MOMENT = Struct("<d")
_COUNT = Struct("=I")


class SharedNodeCount:
    """How many nodes answer requests, this one included: any process that learns it writes it for those forked."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size)

    def write_count(self, nodes: int) -> None:
        """There are so many now."""
        _COUNT.pack_into(self._memory, 0, nodes)

    def read_count(self) -> int:
        """What was written last; 1 before that."""
        count: int = _COUNT.unpack_from(self._memory)[0]
        return max(count, 1)


class SharedRateLimits:
    """Makes windows that all processes forked later share; `nodes` is as a `SlidingWindow` has it."""

    def __init__(self, nodes: Callable[[], int]) -> None:
        self._nodes = nodes
        self._lock = nameless_file()
        self._made = 0

    def make_window(self, rate: int) -> SharedWindow:
        """At most `rate` requests in any 60 seconds over all processes; 0 for no limit."""
        self._made += 1
        return SharedWindow(rate, nodes=self._nodes, lock=self._lock, place=self._made)


class SharedWindow:
    """Like `api_keys.SlidingWindow`, but shared by all processes; `now` must be of a clock that they share."""

    def __init__(self, rate: int, *, nodes: Callable[[], int], lock: int, place: int) -> None:
        self._nodes = nodes
        self._rate = min(rate, MOST_REQUESTS)
        self._lock = lock
        self._place = place
        self._memory = mmap.mmap(-1, _HEAD.size + _MOMENT.size * self._rate) if rate else None

    def acquire(self, now: float) -> float:
        """Returns 0 if a request at `now` passes, and counts it; else the seconds after which one would pass."""
        if self._memory is None:
            return 0.0
        fcntl.lockf(self._lock, fcntl.LOCK_EX, 1, self._place)
        try:
            return self._acquire_locked(self._memory, now)
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, self._place)

    def _acquire_locked(self, memory: mmap.mmap, now: float) -> float:
        passed, gone = _HEAD.unpack_from(memory)
        while gone < passed and now - self._read_moment(memory, gone) >= MINUTE:
            gone += 1
        limit = share_of_rate(self._rate, self._nodes())
        if passed - gone >= limit:
            return MINUTE - (now - self._read_moment(memory, passed - limit))
        _MOMENT.pack_into(memory, self._offset_of(passed), now)
        _HEAD.pack_into(memory, 0, passed + 1, gone)
        return 0.0

    def _read_moment(self, memory: mmap.mmap, number: int) -> float:
        moment: float = _MOMENT.unpack_from(memory, self._offset_of(number))[0]
        return moment

    def _offset_of(self, number: int) -> int:
        return _HEAD.size + _MOMENT.size * (number % self._rate)


def nameless_file() -> int:
    """A file that only this process and its children can reach."""
    in_memory: Callable[[str], int] | None = getattr(os, "memfd_create", None)  # where the system has it
    if in_memory is not None:
        return in_memory("trackbridge")
    file, name = tempfile.mkstemp(prefix="trackbridge-")
    os.unlink(name)  # noqa: PTH108  it has no name any more, so no path
    return file
