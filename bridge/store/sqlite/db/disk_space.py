"""Whether the disk has room for something new, looked at once a second at most.

Webhooks and events that are kept already are worked off all the same; the reserve is for that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta

from bridge.core.errors import StoreUnavailable

EVERY = 1.0
"""Seconds for which one reading of the free space is used."""
MEBIBYTE = 1024 * 1024
_LATER = timedelta(seconds=30)


class DiskSpace:
    """The disk under `path`, of which `least` bytes are to stay free; 0 for no such limit."""

    def __init__(self, path: str, *, least: int, ticks: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._least = least
        self._ticks = ticks
        self._looked = -EVERY
        self._free = least

    def lack_of_space(self) -> StoreUnavailable | None:
        """Returns the error for a disk with too little space; None if there is enough, or if it cannot be read."""
        if not self._least:
            return None
        if self._ticks() - self._looked >= EVERY:
            self._looked = self._ticks()
            self._free = self._check_space()
        if self._free >= self._least:
            return None
        return StoreUnavailable(
            f"the disk of the store {self._path} has {self._free / MEBIBYTE:.0f} MiB free, less than the "
            f"{self._least / MEBIBYTE:.0f} MiB of BRIDGE_MIN_FREE; free some space",
            retry_after=_LATER,
        )

    def _check_space(self) -> int:
        try:
            found = os.statvfs(self._path)
        except OSError:  # the store's own error describes it better
            return self._least
        return found.f_bavail * found.f_frsize
