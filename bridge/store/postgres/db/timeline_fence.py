"""The newest timeline of a server that this node has seen.

A promotion begins a new one, so that a primary on an older one has been replaced: it may still take writes, and what is
written to it is lost.
All processes of a node share it by a file, which outlives them.
"""

from __future__ import annotations

import mmap
import os
import re
from contextlib import suppress
from pathlib import Path

from bridge.core.errors import StoreUnavailable

_TEXT = "{system:020d} {timeline:010d}\n"
_SIZE = 32
_READ = re.compile(rb"(\d{20}) (\d{10})\n")


class TimelineFence:
    """The newest timeline, by the identifier that a server has in common with its standbys."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._shared: mmap.mmap | bytearray = bytearray(_SIZE)
        if path is not None:
            with suppress(OSError):  # `serve` makes the file; without it, each process knows what it has seen itself
                self._shared = _map_file(path)

    def record(self, system: int, timeline: int) -> None:
        """Remember a timeline, if it is the newest one of that server, or if the server is another one."""
        known_system, newest = self._read()
        if system != known_system or timeline > newest:
            self._shared[:_SIZE] = _TEXT.format(system=system % 10**20, timeline=timeline).encode()

    def require(self, timeline: int, where: str) -> None:
        """Raises StoreUnavailable where a newer timeline was seen; a timeline of 0 is not known."""
        newest = self._read()[1]
        if 0 < timeline < newest:
            remedy = "" if self._path is None else f"; if it was restored on purpose, delete {self._path}"
            raise StoreUnavailable(
                f"the store {where} is on a former primary, which has been replaced (timeline {timeline}, and {newest} "
                f"was seen): nothing is written to it; let BRIDGE_STORE lead to the new one{remedy}"
            )

    def _read(self) -> tuple[int, int]:
        found = _READ.fullmatch(bytes(self._shared[:_SIZE]))
        return (int(found[1]), int(found[2])) if found else (0, 0)


def _map_file(path: Path) -> mmap.mmap:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if os.fstat(file).st_size < _SIZE:
            os.ftruncate(file, _SIZE)
        return mmap.mmap(file, _SIZE)
    finally:
        os.close(file)
