"""What each process publishes to the others: a page of bytes in memory that is shared before the fork.

A page is always read as it was written at one moment, also when its writer was killed during the next write.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from struct import Struct
from zlib import crc32

_HEAD = Struct("<QII")
"""Of half a page: a number that grows with each writing, the content's size, a checksum of number and content."""
_BEAT = Struct("=Q")
_HALF = 1 << 20
"""Bytes; memory that was never written to costs nothing."""


class StatePage:
    """Written by one process at a time, read by any. Two halves take turns, so that one of them always holds."""

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._memory = memory
        self._halves = (at, at + _HALF)

    def write_content(self, content: bytes) -> bool:
        """Replace the content; False, and nothing has changed, where it is too large."""
        if len(content) > _HALF - _HEAD.size:
            return False
        number, _, newest = self._newest_half()
        at = self._halves[1 - newest]
        start = at + _HEAD.size
        self._memory[start : start + len(content)] = content
        _HEAD.pack_into(self._memory, at, number + 1, len(content), _checksum(number + 1, content))
        return True

    def read_content(self) -> bytes:
        """The last content; empty where nothing was written."""
        return self._newest_half()[1]

    def _newest_half(self) -> tuple[int, bytes, int]:
        """Number, content and place of the newer half that holds."""
        found = (0, b"", 0)
        for place, at in enumerate(self._halves):
            number, size, checked = _HEAD.unpack_from(self._memory, at)
            content = self._memory[at + _HEAD.size : at + _HEAD.size + min(size, _HALF - _HEAD.size)]
            if number > found[0] and checked == _checksum(number, content):
                found = (number, content, place)
        return found


class SharedState:
    """A page for each name, its process's heartbeat, and whether that process is up, which its parent writes."""

    def __init__(self, names: Sequence[str]) -> None:
        self._beats = _BEAT.size * len(names)
        first = mmap.PAGESIZE * (1 + 2 * self._beats // mmap.PAGESIZE)
        self._memory = mmap.mmap(-1, first + 2 * _HALF * len(names))
        self._place = {name: place for place, name in enumerate(names)}
        self.pages = {name: StatePage(self._memory, first + 2 * _HALF * place) for name, place in self._place.items()}

    def mark_up(self, name: str, *, up: bool) -> None:
        """The process answers, or works; or does so no longer."""
        self._memory[self._place[name]] = up

    def is_up(self, name: str) -> bool:
        """Whether it does."""
        return bool(self._memory[self._place[name]])

    def add_heartbeat(self, name: str) -> None:
        """The process of that name is alive; it calls this itself."""
        _BEAT.pack_into(self._memory, self._beat_at(name), self.heartbeat_count(name) + 1)

    def heartbeat_count(self, name: str) -> int:
        """How many heartbeats it has given."""
        count: int = _BEAT.unpack_from(self._memory, self._beat_at(name))[0]
        return count

    def _beat_at(self, name: str) -> int:
        return self._beats + _BEAT.size * self._place[name]


def _checksum(number: int, content: bytes) -> int:
    return crc32(content, number & 0xFFFFFFFF)
