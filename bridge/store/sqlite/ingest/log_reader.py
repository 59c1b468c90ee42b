"""What stands in the inbox's files and has no place in the store yet: found, oldest first, over all files.

How far each file is sorted in stands in the store, in the transaction that gave its webhooks their place; so what a
crash leaves is sorted in once. A file that holds nothing more goes. Not concerned with what becomes of a webhook.
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
    Frame,
    Head,
    frames,
    head,
    is_cut_off,
    is_newer,
    resumed,
)
from bridge.store.sqlite.ingest.log_writer import flush_folder

CHUNK = 256 * 1024
"""Bytes of a file that are read at once, or a frame's."""
AHEAD = 8
"""How many of the first files are looked at for the one with the oldest webhook."""
AT_ONCE = 64
"""How many of the first files are read at once: a process may open so many only."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a file, from where it was sorted in to where it will be."""

    name: str
    starts: int
    ends: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that cannot be read, and how many webhooks they held, as far as anybody can tell."""

    name: str
    count: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Unsorted:
    """Some webhooks without a place, oldest first, what was damaged among them, and where they stand."""

    webhooks: tuple[Webhook, ...] = ()
    damaged: tuple[Damage, ...] = ()
    stretches: tuple[Stretch, ...] = ()


NOTHING = Unsorted()
_SELDOM = log.Seldom()
_UNWRITTEN = bytes(8)
"""Where a power cut left a file longer than what was written to it."""
MEND_NEWER = "a newer trackbridge wrote webhooks there; install that version again"


def ends(folder: str) -> dict[str, int]:
    """How many bytes each file has now."""
    return {name: log_files.size_of(_path(folder, name)) for name in log_files.list_names(folder)}


def waiting(db: sqlite3.Connection, folder: str) -> tuple[int, int | None]:
    """How many webhooks have no place yet, by what their frames say, and when the oldest of these was made, in ns."""
    count, oldest = 0, None
    for name, starts in _begun(db, folder):
        for one in _heads(folder, name, starts):
            count += one.webhooks
            oldest = one.at if oldest is None else min(oldest, one.at)
    return count, oldest


def older(db: sqlite3.Connection, folder: str, *, before_ns: int, most: int) -> tuple[int, int | None]:
    """How many webhooks without a place were kept by then, counted to `most`, and when the oldest of these was.

    A file that says nothing of itself, because it cannot be read, counts as one webhook of the time in its name.
    """
    count, oldest = 0, None
    for name, starts in _begun(db, folder):
        heads = _heads(folder, name, starts)
        for one in chain([next(heads, Head(log_files.created_ns(name), 1, 0))], heads):
            if one.at > before_ns or count >= most:
                break
            count += one.webhooks
            oldest = one.at if oldest is None else min(oldest, one.at)
    return count, oldest


def is_behind(db: sqlite3.Connection, ends: Mapping[str, int]) -> bool:
    """Whether something before these ends has no place yet."""
    if not ends:
        return False
    sorted_to = _sorted_to(db)
    return any(sorted_to.get(name, 0) < size for name, size in ends.items())


def found(db: sqlite3.Connection, folder: str, *, limit: int) -> Unsorted:
    """The oldest webhooks without a place: `limit`, or those of one frame where it holds more."""
    return _found(folder, dict(islice(_begun(db, folder), AT_ONCE)), limit=limit)


def newer(db: sqlite3.Connection, folder: str) -> Iterator[str]:
    """The files that go on with what a newer version wrote. They are left as they are: nobody here can read them."""
    return (name for name, starts in _unfinished(db, folder) if _goes_on_newer(folder, name, starts))


def _begun(db: sqlite3.Connection, folder: str) -> Iterator[tuple[str, int]]:
    """The files that hold something without a place, those begun first first, and from where on they do."""
    for name, starts in _unfinished(db, folder):
        if _goes_on_newer(folder, name, starts):
            _SELDOM.trouble("store.newer_version", now=datetime.now(UTC), file=name, mend=MEND_NEWER)
        else:
            yield name, starts


def _unfinished(db: sqlite3.Connection, folder: str) -> Iterator[tuple[str, int]]:
    """The files that are longer than what has its place."""
    names = log_files.list_names(folder)
    sorted_to = _sorted_to(db) if names else {}
    for name in names:
        starts = sorted_to.get(name, 0)
        if log_files.size_of(_path(folder, name)) > starts:
            yield name, starts


def _goes_on_newer(folder: str, name: str, starts: int) -> bool:
    with log_files.opened(_path(folder, name)) as held, suppress(OSError):
        return held is not None and is_newer(os.pread(held, HEAD, starts))
    return False


def _heads(folder: str, name: str, at: int) -> Iterator[Head]:
    """What the frames of a file say of themselves, from there on."""
    with log_files.opened(_path(folder, name)) as held, suppress(OSError):
        while held is not None and (one := head(os.pread(held, HEAD, at))) != NO_HEAD:
            yield one
            at += one.size


def _found(folder: str, starts: Mapping[str, int], *, limit: int) -> Unsorted:
    """What stands in these files, in each from there on."""
    with ExitStack() as stack:
        files = [_File(folder, name, at, stack) for name, at in starts.items()]
        webhooks: list[Webhook] = []
        damaged: list[Damage] = []
        for frame, file in merge(*map(_frames, files), key=_made_at):
            try:
                webhooks += codec.unpacked(frame.content)
            except ValueError:
                if file.may_be_cut_off(frame):
                    continue
                damaged.append(Damage(file.name, frame.count, frame.content))
            file.ends = frame.ends
            if len(webhooks) >= limit:
                break
        else:
            damaged += [damage for file in files for damage in file.rest()]
        stretches = [Stretch(file.name, file.starts, file.ends) for file in files if file.ends > file.starts]
        return Unsorted(tuple(webhooks), tuple(damaged), tuple(stretches))


def is_long(db: sqlite3.Connection) -> bool:
    """Whether so many files have their place, or a part of it, that the first must be looked for."""
    return len(_sorted_to(db)) > AHEAD


def tidy(db: sqlite3.Connection, folder: str) -> None:
    """Take away every file of which all has its place, and to which nobody writes.

    Not within a transaction that writes: what has its place there only may not come to have it.
    """
    sorted_to = _sorted_to(db)
    gone = False
    for name in log_files.list_names(folder):
        starts = sorted_to.get(name, 0)
        with ExitStack() as stack:
            if log_files.size_of(_path(folder, name)) <= starts:
                gone |= _File(folder, name, starts, stack).go()
    if gone:
        flush_folder(folder)


def _frames(file: _File) -> Iterator[tuple[Frame, _File]]:
    return ((frame, file) for frame in file.frames())


def _made_at(found: tuple[Frame, _File]) -> int:
    return found[0].at


def is_current(db: sqlite3.Connection, unsorted: Unsorted) -> bool:
    """Whether nobody has sorted it in meanwhile."""
    sorted_to = _sorted_to(db)
    return all(sorted_to.get(one.name, 0) == one.starts for one in unsorted.stretches)


def passed(db: sqlite3.Connection, folder: str, unsorted: Unsorted) -> None:
    """Its webhooks have their place: go on behind them. What was damaged is put by, as it is, and told."""
    for one in unsorted.damaged:
        db.execute("INSERT INTO unreadable (count, packed) VALUES (?, ?)", (one.count, one.content))
        log.trouble("store.unreadable", file=one.name, webhooks=one.count, mend="see trackbridge status")
    for stretch in unsorted.stretches:
        db.execute("INSERT OR REPLACE INTO inbox_files VALUES (?, ?)", (stretch.name, stretch.ends))
    for name in _sorted_to(db).keys() - set(log_files.list_names(folder)):
        if not os.path.lexists(_path(folder, name)):
            db.execute("DELETE FROM inbox_files WHERE name = ?", (name,))


def _sorted_to(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT name, sorted FROM inbox_files").fetchall())


def _path(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118  a path as the URL has it


def _opened(path: str) -> int | None:
    """A descriptor of the file. One that cannot be opened is told, and does not keep the others from being read."""
    try:
        return log_files.open_file(path)
    except OSError as error:
        _SELDOM.trouble("store.unreadable", now=datetime.now(UTC), why=str(log_files.unreadable(path, error)))
        return None


class _File:
    """A file that is read: from where on, and to where so far. One that has just gone holds nothing."""

    def __init__(self, folder: str, name: str, starts: int, stack: ExitStack) -> None:
        self.name = name
        self.starts = self.ends = starts
        self._path = _path(folder, name)
        self._doubtful = False
        self._held = _opened(self._path)
        if self._held is not None:
            stack.callback(os.close, self._held)

    def frames(self) -> Iterator[Frame]:
        """The whole frames from there on."""
        at, size = self.starts, CHUNK
        while content := self._read(size, at):
            before = at
            for frame in frames(content, starts=at):
                at = frame.ends
                yield frame
            left = content[at - before :]
            if at == before and max(head(left).size, CHUNK) <= size:  # more of it would be no frame either
                return
            size = max(head(left).size, CHUNK)

    def may_be_cut_off(self, frame: Frame) -> bool:
        """Whether a frame that cannot be read is the last, and may have come to the disk in part only."""
        self._doubtful = frame.content.endswith(_UNWRITTEN) and not self._read(1, frame.ends)
        return self._doubtful

    def rest(self) -> list[Damage]:
        """What stands behind the last whole frame, once nobody writes there."""
        if self._held is None or os.fstat(self._held).st_size <= self.ends:
            return []
        with self._locked(self._held) as locked:
            return self._left(self._read(os.fstat(self._held).st_size, self.ends)) if locked else []

    def go(self) -> bool:
        """Go, where there is nothing behind the place from which it is read, and nobody writes; whether it went.

        It may be shorter: what was sorted in before it was flushed is gone from it after a power cut.
        """
        if self._held is None:
            return False
        with self._locked(self._held) as locked:
            if not locked or os.fstat(self._held).st_size > self.starts:
                return False
            with suppress(FileNotFoundError):  # another process tidies up, too
                os.unlink(self._path)  # noqa: PTH108  a path as the URL has it
            return True

    @contextmanager
    def _locked(self, held: int) -> Iterator[bool]:
        """Whether nobody writes to it, until the end of the block."""
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(held, fcntl.LOCK_UN)

    def _left(self, content: bytes) -> list[Damage]:
        if is_newer(content) or (not self._doubtful and next(frames(content), None) is not None):
            return []  # not ours to read, or written since: the next look finds it
        there = resumed(content)
        self.ends += there
        if there == len(content) and (is_cut_off(content) or content.endswith(_UNWRITTEN)):
            log.trouble("store.cut_off", file=self.name, bytes=there, why="a crash cut it off before it was answered")
            return []
        return [Damage(self.name, 1, content[:there])]

    def _read(self, size: int, at: int) -> bytes:
        try:
            return b"" if self._held is None else os.pread(self._held, size, at)
        except OSError as error:
            raise log_files.unreadable(self._path, error) from None
