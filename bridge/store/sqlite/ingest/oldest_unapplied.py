"""When the oldest webhook of the ingest log was received: anywhere in it, since a clock may be set back meanwhile.

Each process reads each frame once for this, and only where the end of a wait depends on it.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from bridge.store.sqlite.ingest import log_files, log_reader
from bridge.store.sqlite.ingest.log_reader import FrameTime


class OldestUnapplied:
    """What one process has read of the log. If two threads ask at once, both may read the same frames."""

    def __init__(self) -> None:
        self._frames: tuple[FrameTime, ...] = ()

    def find_oldest(self, db: sqlite3.Connection, folder: str) -> datetime | None:
        """When the oldest webhook that has no row yet was received; None if each has one."""
        offsets = log_reader.applied_offsets(db)
        there = set(log_files.list_names(folder))  # a file that is gone was applied, and its offset is forgotten
        frames = [one for one in self._frames if one.name in there and one.ends > offsets.get(one.name, 0)]
        frames += log_reader.read_times(folder, offsets | {one.name: one.ends for one in frames})
        self._frames = tuple(frames)
        return min((one.oldest for one in frames), default=None)
