"""Reads one file of the ingest log: its whole frames, and what is damaged behind them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.core import log
from bridge.store.sqlite.ingest import log_files
from bridge.store.sqlite.ingest.frame import LogFrame, frame_size, is_cut_off, is_newer, next_frame_after, read_frames

CHUNK = 256 * 1024
"""Bytes of a file that are read at once, or a frame's."""
MOST_DAMAGE = 64 * 1024 * 1024
"""Bytes that may be damaged in one place. A file of which more cannot be read is none of ours, and is left alone."""
_SELDOM = log.RateLimitedLog()
_UNWRITTEN = bytes(8)
"""What a file ends with if a power cut left it longer than what was written to it."""


@dataclass(frozen=True, slots=True)
class LogDamage:
    """Bytes that cannot be read, and how many webhooks they held, as far as anybody can tell."""

    name: str
    count: int
    content: bytes


class LogFileReader:
    """A file that is read from the offset `starts` on, so far up to `ends`. A file that was deleted holds nothing."""

    def __init__(self, folder: str, name: str, starts: int, stack: ExitStack) -> None:
        self.name = name
        self.starts = self.ends = starts
        self._path = path_of(folder, name)
        self._doubtful = False
        self._held = open_or_warn(self._path)
        if self._held is not None:
            stack.callback(os.close, self._held)

    def read_whole_frames(self) -> Iterator[LogFrame]:
        """The whole frames from `starts` on."""
        at, size = self.starts, CHUNK
        while content := self._read_bytes(size, at):
            before = at
            for frame in read_frames(content, starts=at):
                at = frame.ends
                yield frame
            left = content[at - before :]
            wanted = max(frame_size(left, most=MOST_DAMAGE), CHUNK)
            if at == before and wanted <= size:  # more of it would be no frame either
                return
            size = wanted

    def may_be_cut_off(self, frame: LogFrame) -> bool:
        """Whether a frame that cannot be read is the last one, and may be on disk only in part."""
        self._doubtful = frame.content.endswith(_UNWRITTEN) and not self._read_bytes(1, frame.ends)
        return self._doubtful

    def read_damaged_rest(self) -> list[LogDamage]:
        """Returns the damage behind the last whole frame; none while another process writes to the file."""
        if self._held is None or not 0 < os.fstat(self._held).st_size - self.ends <= MOST_DAMAGE:
            return []
        with self._try_lock(self._held) as locked:
            return self._judge_rest(self._read_bytes(os.fstat(self._held).st_size, self.ends)) if locked else []

    def delete_if_applied(self) -> bool:
        """Delete the file if it ends at `starts` and no process writes to it; returns whether it is deleted.

        It may be shorter: after a power cut it lacks what was applied before it was flushed.
        """
        if self._held is None:
            return False
        with self._try_lock(self._held) as locked:
            if not locked or os.fstat(self._held).st_size > self.starts:
                return False
            with suppress(FileNotFoundError):  # another process tidies up, too
                os.unlink(self._path)  # noqa: PTH108  a path as the URL has it
            return True

    @contextmanager
    def _try_lock(self, held: int) -> Iterator[bool]:
        """Lock the file until the end of the block; False if a process writes to it."""
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(held, fcntl.LOCK_UN)

    def _judge_rest(self, content: bytes) -> list[LogDamage]:
        if is_newer(content) or (not self._doubtful and next(read_frames(content), None) is not None):
            return []  # not ours to read, or written since: the next look finds it
        there = next_frame_after(content)
        self.ends += there
        if there == len(content) and (is_cut_off(content) or content.endswith(_UNWRITTEN)):
            log.log_warning(
                "store.cut_off", file=self.name, bytes=there, why="a crash cut it off before it was answered"
            )
            return []
        return [LogDamage(self.name, 1, content[:there])]

    def _read_bytes(self, size: int, at: int) -> bytes:
        try:
            return b"" if self._held is None else os.pread(self._held, size, at)
        except OSError as error:
            raise log_files.unreadable_error(self._path, error) from None


def path_of(folder: str, name: str) -> str:
    """Where a file of the folder is."""
    return os.path.join(folder, name)  # noqa: PTH118  a path as the URL has it


def open_or_warn(path: str) -> int | None:
    """Returns a descriptor of the file; None if it is gone, or cannot be opened, which is logged."""
    try:
        return log_files.open_file(path)
    except OSError as error:
        _SELDOM.warn("store.unreadable", now=datetime.now(UTC), why=str(log_files.unreadable_error(path, error)))
        return None
