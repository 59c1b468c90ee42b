"""Reads what the ingest log holds and no row has yet: oldest first, over all files.

How far each file is applied is stored in the transaction that applied it, so what a crash leaves is applied once. A
file that is applied to its end is deleted.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import chain, islice
from typing import NamedTuple

from bridge.core import log
from bridge.core.errors import StoreUnusable
from bridge.core.model import Webhook
from bridge.store.codec import packed_requests
from bridge.store.sqlite.db import errors, open_file
from bridge.store.sqlite.ingest import log_files
from bridge.store.sqlite.ingest.frame import (
    HEAD,
    NO_HEAD,
    FrameHead,
    LogFrame,
    frame_size,
    is_newer,
    read_head,
)
from bridge.store.sqlite.ingest.log_file_reader import MOST_DAMAGE, LogDamage, LogFileReader, open_or_warn, path_of
from bridge.store.sqlite.ingest.log_writer import flush_folder, folder_of
from bridge.store.sqlite.tables.webhooks import MOST_BYTES

MANY_FILES = 8
"""More files than this with a recorded offset are reason to delete those that are applied."""
AT_ONCE = 64
"""The most files that are read at once: the system limits how many a process may open."""


@dataclass(frozen=True, slots=True)
class LogRange:
    """A part of a file: the offsets up to which it is applied, and up to which it will be."""

    name: str
    starts: int
    ends: int


@dataclass(frozen=True, slots=True)
class UnappliedLog:
    """Some webhooks without a row, oldest first, what was damaged among them, and where they are."""

    webhooks: tuple[Webhook, ...] = ()
    damaged: tuple[LogDamage, ...] = ()
    stretches: tuple[LogRange, ...] = ()

    @property
    def oldest_received(self) -> datetime | None:
        """When the first of the webhooks was received."""
        return min((one.received_at for one in self.webhooks), default=None)


class FrameTime(NamedTuple):
    """When the oldest webhook of a frame was received, and where in which file the frame ends."""

    name: str
    ends: int
    oldest: datetime


NOTHING = UnappliedLog()
_SELDOM = log.RateLimitedLog()
MEND_FOREIGN = "see what wrote it there, and move it away"
MEND_NEWER = "a newer trackbridge wrote webhooks there; install that version again"


def file_sizes(folder: str) -> dict[str, int]:
    """Returns the bytes of each file now, by its name."""
    return {name: log_files.size_of(path_of(folder, name)) for name in log_files.list_names(folder)}


def count_unapplied(db: sqlite3.Connection, folder: str) -> tuple[int, int | None]:
    """Returns how many webhooks are not applied, by the heads of the frames, and the time of the oldest frame in ns."""
    return _count_files(folder, _readable_files(db, folder))


def _count_files(folder: str, readable: Iterable[tuple[str, int]]) -> tuple[int, int | None]:
    count, oldest = 0, None
    for name, starts in readable:
        for one in _iter_heads(folder, name, starts):
            count += one.webhooks
            if one.webhooks:
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
    applied_to = applied_offsets(db)
    return any(applied_to.get(name, 0) < size for name, size in ends.items())


def read_unapplied(db: sqlite3.Connection, folder: str, *, limit: int, after: UnappliedLog = NOTHING) -> UnappliedLog:
    """Returns the oldest webhooks that are not applied: about `limit`, or MOST_BYTES, in whole frames.

    Those that come after some that are being applied, if `after` is given.
    """
    return read_beyond(folder, applied_offsets(db) | {one.name: one.ends for one in after.stretches}, limit=limit)


def read_beyond(folder: str, offsets: Mapping[str, int], *, limit: int) -> UnappliedLog:
    """The same of a folder whose files were read up to these offsets, 0 where there is none."""
    return _read_oldest(folder, _leave_unreadable(folder, _files_beyond(folder, offsets)), limit=limit)


def read_times(folder: str, offsets: Mapping[str, int]) -> Iterator[FrameTime]:
    """The times of the frames beyond the offsets, those of one file in its order; of none behind a damaged part."""
    for name, starts in _leave_unreadable(folder, _files_beyond(folder, offsets)):
        with ExitStack() as stack:
            for frame in LogFileReader(folder, name, starts, stack).read_whole_frames():
                with suppress(ValueError):
                    received = [one.received_at for one in packed_requests.unpack_webhooks(frame.content)]
                    if received:
                        yield FrameTime(name, frame.ends, min(received))


def count_beyond(folder: str, offsets: Mapping[str, int]) -> tuple[int, int | None]:
    """How many webhooks are beyond the offsets, by the heads of the frames, and the time of the oldest in ns."""
    return _count_files(folder, _leave_unreadable(folder, _files_beyond(folder, offsets)))


def _read_oldest(folder: str, readable: Iterable[tuple[str, int]], *, limit: int) -> UnappliedLog:
    files = (
        (name, starts) for name, starts in readable if _can_be_opened(path_of(folder, name))
    )  # one that cannot be opened is logged, and does not keep the others from being read
    return _read_files(folder, dict(islice(files, AT_ONCE)), limit=limit)


def _can_be_opened(path: str) -> bool:
    held = open_or_warn(path)
    if held is not None:
        os.close(held)
    return held is not None


def unread_files(db: sqlite3.Connection, folder: str) -> Iterator[str]:
    """Of each file with a part to be applied that cannot be opened, or is none of ours: its path, why, the remedy."""
    for name, starts in _unapplied_files(db, folder):
        path = path_of(folder, name)
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


def require_known_log(path: str, patience: timedelta) -> None:
    """Raises StoreUnusable if the ingest log holds webhooks that a newer version wrote."""
    folder = folder_of(path)
    try:
        with closing(open_file.connect_to(path, reading=True, busy=patience)) as db:
            newer = next(newer_files(db, folder), None)
    except sqlite3.Error as error:
        raise errors.store_error(error, path) from error
    if newer:
        raise StoreUnusable(
            f"the ingest log {folder} holds webhooks in {newer} that a newer trackbridge wrote and that "
            "this one cannot read; they were left as they are: install that version again"
        )


def _readable_files(db: sqlite3.Connection, folder: str) -> Iterator[tuple[str, int]]:
    """The files that are not applied to their ends, oldest first, each with the offset up to which it is applied."""
    return _leave_unreadable(folder, _unapplied_files(db, folder))


def _leave_unreadable(folder: str, files: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Those of the files that can be read here; the others are logged."""
    for name, starts in files:
        if _goes_on_newer(folder, name, starts):
            _SELDOM.warn("store.newer_version", now=datetime.now(UTC), file=name, mend=MEND_NEWER)
        elif _is_foreign(folder, name, starts):
            _SELDOM.warn("store.foreign_file", now=datetime.now(UTC), file=name, mend=MEND_FOREIGN)
        else:
            yield name, starts


def _unapplied_files(db: sqlite3.Connection, folder: str) -> Iterator[tuple[str, int]]:
    """The same, also of files that a newer version wrote, or that are none of ours."""
    if log_files.list_names(folder):
        yield from _files_beyond(folder, applied_offsets(db))


def _files_beyond(folder: str, offsets: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The files that are longer than their offsets, oldest first, with these."""
    for name in log_files.list_names(folder):
        starts = offsets.get(name, 0)
        if log_files.size_of(path_of(folder, name)) > starts:
            yield name, starts


def _goes_on_newer(folder: str, name: str, starts: int) -> bool:
    with log_files.opened_for_reading(path_of(folder, name)) as held, suppress(OSError):
        return held is not None and is_newer(os.pread(held, HEAD, starts))
    return False


def _is_foreign(folder: str, name: str, starts: int) -> bool:
    """Whether a file is far longer than damage in one place may be, and no frame begins where it is to be read."""
    with log_files.opened_for_reading(path_of(folder, name)) as held, suppress(OSError):
        if held is not None and os.fstat(held).st_size - starts > MOST_DAMAGE:
            return not frame_size(os.pread(held, HEAD, starts), most=MOST_DAMAGE)
    return False


def _iter_heads(folder: str, name: str, at: int) -> Iterator[FrameHead]:
    """The heads of the frames of a file, from the offset `at` on."""
    with log_files.opened_for_reading(path_of(folder, name)) as held, suppress(OSError):
        while held is not None and (one := read_head(os.pread(held, HEAD, at))) != NO_HEAD:
            yield one
            at += one.size


def _read_files(folder: str, starts: Mapping[str, int], *, limit: int) -> UnappliedLog:
    """Read these files, each from its offset in `starts`, until there are `limit` webhooks, or MOST_BYTES."""
    size = 0
    with ExitStack() as stack:
        files = [LogFileReader(folder, name, at, stack) for name, at in starts.items()]
        webhooks: list[Webhook] = []
        damaged: list[LogDamage] = []
        for frame, file in merge(*map(_file_frames, files), key=_frame_time):
            try:
                webhooks += packed_requests.unpack_webhooks(frame.content)
            except ValueError:
                if file.may_be_cut_off(frame):
                    continue
                damaged.append(LogDamage(file.name, frame.count, frame.content))
            file.ends = frame.ends
            size += len(frame.content)
            if len(webhooks) >= limit or size >= MOST_BYTES:
                break
        else:
            damaged += [damage for file in files for damage in file.read_damaged_rest()]
        stretches = [LogRange(file.name, file.starts, file.ends) for file in files if file.ends > file.starts]
        return UnappliedLog(tuple(webhooks), tuple(damaged), tuple(stretches))


def is_long(db: sqlite3.Connection) -> bool:
    """Whether so many log files are (partly) applied that the applied ones should be deleted."""
    return len(applied_offsets(db)) > MANY_FILES


def delete_applied_files(db: sqlite3.Connection, folder: str) -> None:
    """Delete every file that is applied to its end and to which no process writes.

    Not within a transaction that writes: it could still be rolled back.
    """
    delete_files_at(folder, applied_offsets(db))


def delete_files_at(folder: str, applied_to: Mapping[str, int]) -> None:
    """Delete every file that ends at its offset and to which no process writes."""
    gone = False
    for name in log_files.list_names(folder):
        starts = applied_to.get(name, 0)
        with ExitStack() as stack:
            if log_files.size_of(path_of(folder, name)) <= starts:
                gone |= LogFileReader(folder, name, starts, stack).delete_if_applied()
    if gone:
        flush_folder(folder)


def _file_frames(file: LogFileReader) -> Iterator[tuple[LogFrame, LogFileReader]]:
    return ((frame, file) for frame in file.read_whole_frames())


def _frame_time(found: tuple[LogFrame, LogFileReader]) -> int:
    return found[0].at


def is_current(db: sqlite3.Connection, unapplied: UnappliedLog) -> bool:
    """Whether no other process has applied any of it meanwhile."""
    applied_to = applied_offsets(db)
    return all(applied_to.get(one.name, 0) == one.starts for one in unapplied.stretches)


def advance_offsets(db: sqlite3.Connection, folder: str, unapplied: UnappliedLog) -> None:
    """Record that its webhooks are applied. Damaged parts are kept in the table `unreadable`, and logged."""
    for one in unapplied.damaged:
        db.execute("INSERT INTO unreadable (count, packed) VALUES (?, ?)", (one.count, one.content))
        log.log_warning("store.unreadable", file=one.name, webhooks=one.count, mend="see trackbridge status")
    for stretch in unapplied.stretches:
        db.execute("INSERT OR REPLACE INTO inbox_files VALUES (?, ?)", (stretch.name, stretch.ends))
    for name in applied_offsets(db).keys() - set(log_files.list_names(folder)):
        if not os.path.lexists(path_of(folder, name)):
            db.execute("DELETE FROM inbox_files WHERE name = ?", (name,))


def applied_offsets(db: sqlite3.Connection) -> dict[str, int]:
    """How far each file is applied."""
    return dict(db.execute("SELECT name, sorted FROM inbox_files").fetchall())
