"""The one thread that writes: all jobs that wait share one transaction, and so one flush to the disk.

There is no timer: while one group is flushed the next one gathers. Each job has its own savepoint, so that a job that
fails takes no other with it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

from bridge.core.errors import StoreUnavailable
from bridge.store.callbacks import call_in_loop
from bridge.store.group_commit import crowded_error, too_slow_error
from bridge.store.sqlite.db import errors
from bridge.store.sqlite.db.connection import StoreConnection
from bridge.store.sqlite.db.disk_space import DiskSpace
from bridge.store.sqlite.db.wal_guard import WalGuard

T = TypeVar("T")
Run = Callable[[sqlite3.Connection], object]

GROUP_URGENT = 1000
GROUP_OTHER = 16
"""The most jobs of one transaction: those that callers wait for, and those of the loops."""
_SHORTLY = timedelta(seconds=1)


@dataclass(slots=True, eq=False)
class _WriteJob:
    run: Run
    loop: asyncio.AbstractEventLoop
    then: Callable[[object], None]
    callers: int
    since: float
    result: object = None


class WriterThread:
    """The thread and its queue. At most `limit` callers wait, none of them longer than `patience`.

    Another process's lock is waited for no longer than that either. While the disk has less than `min_free` bytes, no
    job is done for a caller.
    """

    def __init__(
        self, path: str, guard: WalGuard | None = None, *, limit: int, patience: timedelta, min_free: int = 0
    ) -> None:
        self._line = StoreConnection(path, guard, busy=patience)
        self._room = DiskSpace(path, least=min_free)
        self._limit = limit
        self._patience = patience.total_seconds()
        self._urgent: deque[_WriteJob] = deque()
        self._callers = 0
        self._other: deque[_WriteJob] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run_thread, name="trackbridge-writer", daemon=True)
        self._thread.start()

    async def run_write(self, run: Callable[[sqlite3.Connection], T], *, urgent: bool = False) -> T:
        """Returns what `run` returns, once it is on disk. Raises what `run` raises, and then nothing of it is kept."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def told(result: T | Exception) -> None:
            if future.done():
                return
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.enqueue_write(run, told, callers=1 if urgent else 0)
        return await future

    def enqueue_write(
        self,
        run: Callable[[sqlite3.Connection], T],
        then: Callable[[T | Exception], None],
        *,
        callers: int,
        since: float | None = None,
    ) -> None:
        """Queue a write for `callers` that wait for its answer; `then` is called with it in the running loop.

        `since` is when the first of them arrived (by the monotonic clock; None: now). Raises StoreUnavailable if the
        queue is full or too slow; `then` gets the errors of the write itself. Only writes that callers wait for are
        refused by the queue or for lack of disk space: what the loops record of finished work is always taken.
        """
        heard = cast("Callable[[object], None]", then)
        came = time.monotonic() if since is None else since
        job = _WriteJob(run, asyncio.get_running_loop(), heard, callers, came)
        with self._changed:
            self._admit_callers(callers)
            (self._urgent if callers else self._other).append(job)
            self._callers += callers
            self._changed.notify()

    def close_thread(self) -> None:
        """Refuse new jobs, finish those that wait, and close the connection. Blocks until it is done."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _admit_callers(self, callers: int) -> None:
        if self._closing:
            raise StoreUnavailable("the store is closing; come again when it is back", retry_after=_SHORTLY)
        if not callers or not self._urgent:
            return
        if self._callers + callers > self._limit:
            raise crowded_error(self._callers)
        if time.monotonic() - self._urgent[0].since > self._patience:
            raise too_slow_error()

    def _run_thread(self) -> None:
        while group := self._gather_group():
            self._turn_away(group)
            self._commit_group([job for job in group if job.result is None])
            _answer_group(group)
        self._line.close_connection()

    def _gather_group(self) -> list[_WriteJob]:
        """Returns the next group, jobs that callers wait for first; empty if the thread is to end."""
        with self._changed:
            while not (self._urgent or self._other or self._closing):
                self._changed.wait()
            group = [self._urgent.popleft() for _ in range(min(GROUP_URGENT, len(self._urgent)))]
            self._callers -= sum(job.callers for job in group)
            oldest = time.monotonic() - self._patience
            for job in group:
                if job.since < oldest:
                    job.result = too_slow_error()
            return group + [self._other.popleft() for _ in range(min(GROUP_OTHER, len(self._other)))]

    def _turn_away(self, group: Sequence[_WriteJob]) -> None:
        for job in group:
            if job.callers and job.result is None:
                job.result = self._room.lack_of_space()

    def _commit_group(self, group: Sequence[_WriteJob]) -> None:
        """Run a group in one transaction; if that fails, every job of it has failed."""
        try:
            db = self._line.begin_write()
            for job in group:
                (_run_job if len(group) > 1 else _run_single_job)(db, job)
            if db.in_transaction:
                db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  the thread must outlive whatever this is
            self._line.roll_back()
            for job in group:
                job.result = self._group_error(error)
            if not (isinstance(error, sqlite3.Error) and errors.is_passing(error)):
                self._line.close_connection()

    def _group_error(self, error: Exception) -> StoreUnavailable:
        """Returns an error for one job of a group that failed: each caller raises an error of its own."""
        match error:
            case sqlite3.Error():
                return errors.store_error(error, self._line.path)
            case StoreUnavailable():
                return error.copy_error()
            case _:
                return StoreUnavailable(
                    f"a fault of trackbridge itself in its store ({type(error).__name__}); report it"
                )


def _run_job(db: sqlite3.Connection, job: _WriteJob) -> None:
    db.execute("SAVEPOINT job")
    if not _has_run(db, job):
        db.execute("ROLLBACK TO job")
    db.execute("RELEASE job")


def _run_single_job(db: sqlite3.Connection, job: _WriteJob) -> None:
    """Run a job that has the transaction alone: without a savepoint SQLite copies no pages for it."""
    if not _has_run(db, job):
        db.execute("ROLLBACK")


def _has_run(db: sqlite3.Connection, job: _WriteJob) -> bool:
    """Run a job; returns whether it succeeded. Its error becomes its result, unless the error ends the group."""
    try:
        job.result = job.run(db)
    except Exception as error:
        if isinstance(error, sqlite3.Error) and (errors.ends_the_group(error) or not db.in_transaction):
            raise
        job.result = error
        return False
    return True


def _answer_group(group: Sequence[_WriteJob]) -> None:
    """Wake every event loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[_WriteJob]] = {}
    for job in group:
        loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        call_in_loop(loop, _answer_all, jobs)


def _answer_all(jobs: Sequence[_WriteJob]) -> None:
    for job in jobs:
        job.then(job.result)
