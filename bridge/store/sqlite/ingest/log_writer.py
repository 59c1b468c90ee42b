"""Writes requests to this process's file of the ingest log before they are answered, in one thread.

The log is a folder beside the store. Each process appends frames to a file of its own there and flushes it, so that no
request waits for the store's lock or for another process. A file that is applied to its end is deleted
(`log_reader.py`), and the next webhook begins another.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeAlias

from bridge.core.errors import StoreUnavailable
from bridge.store.callbacks import AnswerCallback, Answers, call_in_loop
from bridge.store.codec import packed_requests
from bridge.store.sqlite.db.disk_space import DiskSpace
from bridge.store.sqlite.ingest import log_files
from bridge.store.sqlite.ingest.frame import frame_bytes

Parcel: TypeAlias = tuple[int, bytes]
"""The webhooks of one request: how many, and their bytes."""
FRAME_TARGET_BYTES = 16 * 1024 * 1024
"""The most bytes of requests in one frame, or one request."""
FRAME_TARGET_WEBHOOKS = 200
"""The most webhooks in one frame, or those of one request: they are applied together."""
LARGE = 512 * 1024
"""Bytes of a file after which another is begun: it can then be deleted as soon as it is applied."""
QUIET = 5.0
"""Seconds after which a file to which nothing is written is closed, so that it can be deleted."""
OLDEST = 60.0
"""Seconds after which another file is begun in any case: an old one would still hold what is purged."""
EVERY = 1.0
"""Seconds between two checks that the store and the file are in their place."""
_Asked: TypeAlias = "tuple[Sequence[Parcel], asyncio.AbstractEventLoop, AnswerCallback[None]]"
_FILE_MINE, _FOLDER_MINE = 0o600, 0o700
_LATER = timedelta(seconds=30)
_flush = getattr(os, "fdatasync", os.fsync)


def folder_of(store: str) -> str:
    """The folder of the ingest log of the store at that path."""
    return f"{os.path.abspath(store)}-inbox"  # noqa: PTH100  resolves no link, as SQLite would not


class LogWriter:
    """The thread and its file. While the disk has less than `min_free` bytes, nothing is written.

    `folder` is where its files are, beside the store unless given; while there is no `store`, nothing is written.
    """

    def __init__(self, store: str, *, folder: str | None = None, min_free: int = 0) -> None:
        self._file = _LogFileWriter(store, folder or folder_of(store))
        self._room = DiskSpace(store, least=min_free)
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run_thread, name="trackbridge-journal", daemon=True)
        self._thread.start()

    def write_group(self, parcels: Sequence[Parcel], _since: float, then: AnswerCallback[None]) -> None:
        """Write the parcels of several requests.

        `then` is called in the running loop when they are on disk, or with the error. Raises StoreUnavailable if the
        log is closed.
        """
        if self._closed:
            raise StoreUnavailable("the store is closing; come again when it is back", retry_after=_LATER)
        self._asked.put((parcels, asyncio.get_running_loop(), then))

    def close_log(self) -> None:
        """Refuse new requests, write those that wait, and close the file. Blocks until it is done."""
        if not self._closed:
            self._closed = True
            self._asked.put(None)
        self._thread.join()

    def _run_thread(self) -> None:
        while True:
            try:
                asked = self._asked.get(timeout=QUIET if self._file.is_open else None)
            except queue.Empty:
                self._file.close_file()
                continue
            if asked is None:
                break
            parcels, loop, then = asked
            call_in_loop(loop, then, self._write_and_answer(parcels))
        self._file.close_file()

    def _write_and_answer(self, parcels: Sequence[Parcel]) -> Answers[None]:
        try:
            self._write_frame(parcels)
        except StoreUnavailable as error:
            return error
        except Exception as error:  # noqa: BLE001  the thread must outlive whatever this is
            return StoreUnavailable(
                f"a fault of trackbridge itself in its inbox ({type(error).__name__}); report it", retry_after=_LATER
            )
        return [None] * len(parcels)

    def _write_frame(self, parcels: Sequence[Parcel]) -> None:
        if (lacking := self._room.lack_of_space()) is not None:
            raise lacking
        now = time.time_ns()
        self._file.append_frame(b"".join([_make_frame(now, group) for group in _split_frames(parcels)]))


def _make_frame(now: int, parcels: Sequence[Parcel]) -> bytes:
    return frame_bytes(
        now, sum([count for count, _ in parcels]), packed_requests.pack_requests([content for _, content in parcels])
    )


def _split_frames(parcels: Sequence[Parcel]) -> Iterator[Sequence[Parcel]]:
    first = size = many = 0
    for at, (count, content) in enumerate(parcels):
        if at > first and (size + len(content) > FRAME_TARGET_BYTES or many + count > FRAME_TARGET_WEBHOOKS):
            yield parcels[first:at]
            first, size, many = at, 0, 0
        size += len(content)
        many += count
    yield parcels[first:]


class _LogFileWriter:
    """This process's file of the ingest log: made when needed, closed when large, old or idle, or after an error.

    Locked while it is open, so that no process deletes it. It makes few calls that release Python's lock, because each
    time it must acquire the lock again from the thread that answers requests.
    """

    def __init__(self, store: str, folder: str) -> None:
        self._store = store
        self._folder = folder
        self._path = ""
        self._held: int | None = None
        self._size = 0
        self._looked = -EVERY
        self._begun_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether a file is open now."""
        return self._held is not None

    def append_frame(self, content: bytes) -> None:
        """Write frames and flush them. After StoreUnavailable nothing is promised, though they may be on disk."""
        try:
            self._check_store()
            self._write_bytes(self._begin_file() if self._held is None else self._held, content)
        except OSError as error:
            self.close_file()
            raise StoreUnavailable(
                f"the inbox {self._folder} cannot be written ({error.strerror}); see that there is space, and "
                "that this user may write there",
                retry_after=_LATER,
            ) from None
        if self._size >= LARGE:
            self.close_file()

    def close_file(self) -> None:
        """Close the file; the next use begins another."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    def _check_store(self) -> None:
        """Look, once a second at most, whether the store and this file are still in their place.

        What is kept for a store that is not there would be lost with it.
        """
        now = time.monotonic()
        if self._held is not None and now - self._looked < EVERY:
            return
        self._looked = now
        try:
            os.stat(self._store)  # noqa: PTH116  a path as the URL has it
        except OSError as error:
            self.close_file()
            raise StoreUnavailable(
                f"the store {self._store} is not there any more ({error.strerror}); put the file back where it was"
            ) from None
        if self._held is not None and (now - self._begun_at > OLDEST or not _is_at(self._path, self._held)):
            self.close_file()

    def _begin_file(self) -> int:
        """Begin another file, whose name is on disk; returns its descriptor."""
        with suppress(FileExistsError):
            os.mkdir(self._folder, _FOLDER_MINE)  # noqa: PTH102  a path as the URL has it
            os.chmod(self._folder, _FOLDER_MINE)  # noqa: PTH101  as above; whatever the umask is
            flush_folder(os.path.dirname(self._folder) or ".")  # noqa: PTH120  as above
        while True:
            self._path = os.path.join(self._folder, log_files.new_name())  # noqa: PTH118  as above
            self._held = held = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, _FILE_MINE)
            os.fchmod(held, _FILE_MINE)  # whatever the umask is
            if _is_locked(held) and _is_at(self._path, held):
                break
            self.close_file()  # it was empty until now, and may be deleted
        flush_folder(self._folder)
        self._size, self._begun_at = 0, time.monotonic()
        return held

    def _write_bytes(self, held: int, content: bytes) -> None:
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(held, left) :]
        except OSError:
            os.ftruncate(held, self._size)
            raise
        _flush(held)
        self._size += len(content)


def _is_locked(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: str, held: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(held))  # noqa: PTH116  a path as the URL has it
    except OSError:
        return False


def flush_folder(path: str) -> None:
    """Flush the names in a folder to disk."""
    held = os.open(path, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
