"""Reads what the ingest log holds and no row has yet: oldest first, over all files.

How far each file is applied is stored in the transaction that applied it, so what a crash leaves is applied once. A
file that is applied to its end is deleted.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from itertools import chain, islice

from bridge.core import log
from bridge.core.model import Webhook
from bridge.store.sqlite.ingest import codec, log_files
from bridge.store.sqlite.ingest.frame import (
    HEAD,
    NO_HEAD,
    FrameHead,
    LogFrame,
    frame_size,
    is_cut_off,
    is_newer,
    next_frame_after,
    read_frames,
    read_head,
)
from bridge.store.sqlite.ingest.log_writer import flush_folder

CHUNK = 256 * 1024
"""Bytes of a file that are read at once, or a frame's."""
MANY_FILES = 8
"""More files than this with a recorded offset are reason to delete those that are applied."""
AT_ONCE = 64
"""The most files that are read at once: the system limits how many a process may open."""


MOST_DAMAGE = 64 * 1024 * 1024
"""Bytes that may be damaged in one place. A file of which more cannot be read is none of ours, and is left alone."""


@dataclass(frozen=True, slots=True)
class LogRange:
    """A part of a file: the offsets up to which it is applied, and up to which it will be."""

    name: str
    starts: int
    ends: int


@dataclass(frozen=True, slots=True)
class LogDamage:
    """Bytes that cannot be read, and how many webhooks they held, as far as anybody can tell."""

    name: str
    count: int
    content: bytes


@dataclass(frozen=True, slots=True)
class UnappliedLog:
    """Some webhooks without a row, oldest first, what was damaged among them, and where they are."""

    webhooks: tuple[Webhook, ...] = ()
    damaged: tuple[LogDamage, ...] = ()
    stretches: tuple[LogRange, ...] = ()


NOTHING = UnappliedLog()
_SELDOM = log.RateLimitedLog()
_UNWRITTEN = bytes(8)
"""What a file ends with if a power cut left it longer than what was written to it."""
MEND_FOREIGN = "see what wrote it there, and move it away"
MEND_NEWER = "a newer trackbridge wrote webhooks there; install that version again"


def file_sizes(folder: str) -> dict[str, int]:
    """Returns the bytes of each file now, by its name."""
    return {name: log_files.size_of(_path_of(folder, name)) for name in log_files.list_names(folder)}


def count_unapplied(db: sqlite3.Connection, folder: str) -> tuple[int, int | None]:
    """Returns how many webhooks are not applied, by the heads of the frames, and the time of the oldest frame in ns."""
    count, oldest = 0, None
    for name, starts in _readable_files(db, folder):
        for one in _iter_heads(folder, name, starts):
            count += one.webhooks
            oldest = one.at if oldest is None else min(oldest, one.at)
    return count, oldest


def count_older(db: sqlite3.Connection, folder: str, *, before_ns: int, most: int) -> tuple[int, int | None]:
    """How many webhooks without a row were kept by then, counted to `most`, and when the oldest of these was.

    A file that cannot be read counts as one webhook of the time in its name.
    """
    count, oldest = 0, None
    for name, starts in _readable_files(db, folder):
        heads = _iter_heads(folder, name, starts)
        for one in chain([next(heads, FrameHead(log_files.created_ns(name), 1, 0))], heads):
            if one.at > before_ns or count >= most:
                break
            count += one.webhooks
            oldest = one.at if oldest is None else min(oldest, one.at)
    return count, oldest


def is_unapplied(db: sqlite3.Connection, ends: Mapping[str, int]) -> bool:
    """Whether a file holds something before its end in `ends` that is not applied."""
    if not ends:
        return False
    applied_to = _applied_offsets(db)
    return any(applied_to.get(name, 0) < size for name, size in ends.items())


def read_unapplied(db: sqlite3.Connection, folder: str, *, limit: int) -> UnappliedLog:
    """Returns the oldest webhooks that are not applied: about `limit`, in whole frames."""
    files = (
        (name, starts) for name, starts in _readable_files(db, folder) if _can_be_opened(_path_of(folder, name))
    )  # one that cannot be opened is logged, and does not keep the others from being read
    return _read_files(folder, dict(islice(files, AT_ONCE)), limit=limit)


def _can_be_opened(path: str) -> bool:
    held = _open_or_warn(path)
    if held is not None:
        os.close(held)
    return held is not None


def unread_files(db: sqlite3.Connection, folder: str) -> Iterator[str]:
    """Of each file with a part to be applied that cannot be opened, or is none of ours: its path, why, the remedy."""
    for name, starts in _unapplied_files(db, folder):
        path = _path_of(folder, name)
        try:
            held = log_files.open_file(path)
        except OSError as error:
            yield str(log_files.unreadable_error(path, error))
            continue
        if held is not None:
            os.close(held)
        if _is_foreign(folder, name, starts):
            yield f"{path} of the ingest log is none of its files and is left alone; {MEND_FOREIGN}"


def newer_files(db: sqlite3.Connection, folder: str) -> Iterator[str]:
    """The files that continue with what a newer version wrote. They are left as they are: nobody here can read them."""
    return (name for name, starts in _unapplied_files(db, folder) if _goes_on_newer(folder, name, starts))


def _readable_files(db: sqlite3.Connection, folder: str) -> Iterator[tuple[str, int]]:
    """The files that are not applied to their ends, oldest first, each with the offset up to which it is applied."""
    for name, starts in _unapplied_files(db, folder):
        if _goes_on_newer(folder, name, starts):
            _SELDOM.warn("store.newer_version", now=datetime.now(UTC), file=name, mend=MEND_NEWER)
        elif _is_foreign(folder, name, starts):
            _SELDOM.warn("store.foreign_file", now=datetime.now(UTC), file=name, mend=MEND_FOREIGN)
        else:
            yield name, starts


def _unapplied_files(db: sqlite3.Connection, folder: str) -> Iterator[tuple[str, int]]:
    """The same, also of files that a newer version wrote, or that are none of ours."""
    names = log_files.list_names(folder)
    applied_to = _applied_offsets(db) if names else {}
    for name in names:
        starts = applied_to.get(name, 0)
        if log_files.size_of(_path_of(folder, name)) > starts:
            yield name, starts


def _goes_on_newer(folder: str, name: str, starts: int) -> bool:
    with log_files.opened_for_reading(_path_of(folder, name)) as held, suppress(OSError):
        return held is not None and is_newer(os.pread(held, HEAD, starts))
    return False


def _is_foreign(folder: str, name: str, starts: int) -> bool:
    """Whether a file is far longer than damage in one place may be, and no frame begins where it is to be read."""
    with log_files.opened_for_reading(_path_of(folder, name)) as held, suppress(OSError):
        if held is not None and os.fstat(held).st_size - starts > MOST_DAMAGE:
            return not frame_size(os.pread(held, HEAD, starts), most=MOST_DAMAGE)
    return False


def _iter_heads(folder: str, name: str, at: int) -> Iterator[FrameHead]:
    """The heads of the frames of a file, from the offset `at` on."""
    with log_files.opened_for_reading(_path_of(folder, name)) as held, suppress(OSError):
        while held is not None and (one := read_head(os.pread(held, HEAD, at))) != NO_HEAD:
            yield one
            at += one.size


def _read_files(folder: str, starts: Mapping[str, int], *, limit: int) -> UnappliedLog:
    """Read these files, each from its offset in `starts`, until there are `limit` webhooks."""
    with ExitStack() as stack:
        files = [_LogFileReader(folder, name, at, stack) for name, at in starts.items()]
        webhooks: list[Webhook] = []
        damaged: list[LogDamage] = []
        for frame, file in merge(*map(_file_frames, files), key=_frame_time):
            try:
                webhooks += codec.unpack_webhooks(frame.content)
            except ValueError:
                if file.may_be_cut_off(frame):
                    continue
                damaged.append(LogDamage(file.name, frame.count, frame.content))
            file.ends = frame.ends
            if len(webhooks) >= limit:
                break
        else:
            damaged += [damage for file in files for damage in file.read_damaged_rest()]
        stretches = [LogRange(file.name, file.starts, file.ends) for file in files if file.ends > file.starts]
        return UnappliedLog(tuple(webhooks), tuple(damaged), tuple(stretches))


def is_long(db: sqlite3.Connection) -> bool:
    """Whether so many log files are (partly) applied that the applied ones should be deleted."""
    return len(_applied_offsets(db)) > MANY_FILES


def delete_applied_files(db: sqlite3.Connection, folder: str) -> None:
    """Delete every file that is applied to its end and to which no process writes.

    Not within a transaction that writes: it could still be rolled back.
    """
    applied_to = _applied_offsets(db)
    gone = False
    for name in log_files.list_names(folder):
        starts = applied_to.get(name, 0)
        with ExitStack() as stack:
            if log_files.size_of(_path_of(folder, name)) <= starts:
                gone |= _LogFileReader(folder, name, starts, stack).delete_if_applied()
    if gone:
        flush_folder(folder)


def _file_frames(file: _LogFileReader) -> Iterator[tuple[LogFrame, _LogFileReader]]:
    return ((frame, file) for frame in file.read_whole_frames())


def _frame_time(found: tuple[LogFrame, _LogFileReader]) -> int:
    return found[0].at


def is_current(db: sqlite3.Connection, unapplied: UnappliedLog) -> bool:
    """Whether no other process has applied any of it meanwhile."""
    applied_to = _applied_offsets(db)
    return all(applied_to.get(one.name, 0) == one.starts for one in unapplied.stretches)


def advance_offsets(db: sqlite3.Connection, folder: str, unapplied: UnappliedLog) -> None:
    """Record that its webhooks are applied. Damaged parts are kept in the table `unreadable`, and logged."""
    for one in unapplied.damaged:
        db.execute("INSERT INTO unreadable (count, packed) VALUES (?, ?)", (one.count, one.content))
        log.log_warning("store.unreadable", file=one.name, webhooks=one.count, mend="see trackbridge status")
    for stretch in unapplied.stretches:
        db.execute("INSERT OR REPLACE INTO inbox_files VALUES (?, ?)", (stretch.name, stretch.ends))
    for name in _applied_offsets(db).keys() - set(log_files.list_names(folder)):
        if not os.path.lexists(_path_of(folder, name)):
            db.execute("DELETE FROM inbox_files WHERE name = ?", (name,))


def _applied_offsets(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT name, sorted FROM inbox_files").fetchall())


def _path_of(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118  a path as the URL has it


def _open_or_warn(path: str) -> int | None:
    """Returns a descriptor of the file; None if it is gone, or cannot be opened, which is logged."""
    try:
        return log_files.open_file(path)
    except OSError as error:
        _SELDOM.warn("store.unreadable", now=datetime.now(UTC), why=str(log_files.unreadable_error(path, error)))
        return None


class _LogFileReader:
    """A file that is read from the offset `starts` on, so far up to `ends`. A file that was deleted holds nothing."""

    def __init__(self, folder: str, name: str, starts: int, stack: ExitStack) -> None:
        self.name = name
        self.starts = self.ends = starts
        self._path = _path_of(folder, name)
        self._doubtful = False
        self._held = _open_or_warn(self._path)
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
