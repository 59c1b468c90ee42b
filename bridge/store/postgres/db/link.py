"""A connection in a thread of its own, for one role of a process. It is made anew after it was lost; there is no pool.

A thread, and not an event loop's own connection, so that the rules about events can look up what they need when they
need it, as they do in the other engine. A commit is never cancelled: a caller who has waited too long gets an error,
and the thread goes on; what came twice so is known by the ledger.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg.errors import Diagnostic

from bridge.core.errors import StoreUnavailable
from bridge.store.group_commit import too_slow_error
from bridge.store.postgres.db.pipelined import pipelined_transaction
from bridge.store.postgres.db.server_connection import ServerAddress, ServerConnection, open_connection
from bridge.store.postgres.db.server_errors import PASSING, is_lost, server_error
from bridge.store.postgres.db.transaction import LedgerChangedError, Transaction

T = TypeVar("T")
U = TypeVar("U")
FIRST_BACKOFF, LONGEST_BACKOFF = 0.05, 1.0
"""Seconds after which a connection that could not be opened is tried again, twice as long each time."""
MOST_TRIES = 20
"""How often a transaction is tried whose ledger entries others change: each time another one has got on."""
NOT_REPLICATED = "synchronous replication"
"""What the warning names under which a COMMIT succeeds though no replica has it:
https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/replication/syncrep.c"""


class DatabaseLink:
    """The thread and its connection, opened when it is first used: after the fork of its process."""

    def __init__(self, address: ServerAddress, role: str) -> None:
        self._address = address
        self._threads = ThreadPoolExecutor(1, f"trackbridge-{role}")
        self._opened: ServerConnection | None = None
        self._line: socket.socket | None = None
        """The connection's socket once more, so that another thread may end it whatever becomes of the first."""
        self._is_cut = False
        self._in_doubt = False
        self._backoff = 0.0
        self._connect_at = 0.0

    async def write(
        self, run: Callable[[Transaction], T], *, now: datetime | None = None, pipelined: bool = False
    ) -> T:
        """Run a verb in a transaction of its own; returns what it returns once that is durable.

        Where it is `pipelined`, statements are sent before earlier answers have come, but not behind a pooler.
        """
        return await self._wait(self.submit(run, now=now, pipelined=pipelined))

    async def read(self, run: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Run queries that see one snapshot."""
        return await self._wait(self._submit(lambda: self._read_once(run)))

    async def read_after(
        self, first: Callable[[psycopg.Connection[Any]], U], run: Callable[[psycopg.Connection[Any], U], T]
    ) -> T:
        """Run a query, then queries that see one snapshot, which was taken after that one; they get its answer."""

        def read() -> T:
            found = self._explain(lambda: first(self._connection()))
            return self._read_once(lambda db: run(db, found))

        return await self._wait(self._submit(read))

    async def look(self, run: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Run queries of which each sees what is committed when it begins."""
        return await self._wait(self._submit(lambda: self._explain(lambda: run(self._connection()))))

    def submit(
        self, run: Callable[[Transaction], T], *, now: datetime | None = None, pipelined: bool = False
    ) -> Future[T]:
        """Run a verb as `write` does; returns a future that no event loop waits for yet."""
        return self._submit(lambda: self._try_write(run, now=now, pipelined=pipelined))

    def submit_statement(self, run: Callable[[psycopg.Connection[Any]], T]) -> Future[T]:
        """Run one statement that is a transaction by itself, and has DURABLY in it: a round trip instead of four."""
        return self._submit(lambda: self._explain(lambda: self._state_once(run)))

    async def close(self, *, grace: float) -> None:
        """Finish what is under way and close the connection.

        What the server has not answered after `grace` seconds ends with an error; it may have been committed.
        """
        with suppress(RuntimeError):  # it was closed before
            self._threads.submit(self._drop_connection)
        self._threads.shutdown(wait=False)
        ended = asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        if not (await asyncio.wait([ended], timeout=grace))[0]:
            self._cut()
        await ended

    def _cut(self) -> None:
        """Let the thread, which may wait for the server for ever, have an error now, and at each further try."""
        self._is_cut = True
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def _submit(self, run: Callable[[], T]) -> Future[T]:
        try:
            return self._threads.submit(run)
        except RuntimeError:  # it was shut down
            raise self._closing_error() from None

    def _closing_error(self) -> StoreUnavailable:
        return StoreUnavailable(f"the store {self._address.shown} is closing or closed")

    async def _wait(self, future: Future[T]) -> T:
        answer = asyncio.wrap_future(future)
        try:
            return await asyncio.wait_for(asyncio.shield(answer), self._address.patience.total_seconds())
        except TimeoutError:
            raise too_slow_error("the database") from None
        finally:
            if not answer.done():
                answer.add_done_callback(_hear_late_answer)

    # ------------------------------------------------------------------------------------------- in the thread

    def _try_write(self, run: Callable[[Transaction], T], *, now: datetime | None, pipelined: bool) -> T:
        for _ in range(MOST_TRIES):
            try:
                return self._explain(lambda: self._write_once(run, now=now, pipelined=pipelined))
            except LedgerChangedError:
                continue
        raise StoreUnavailable(f"the store {self._address.shown} is changed by others all the time")

    def _write_once(self, run: Callable[[Transaction], T], *, now: datetime | None, pipelined: bool) -> T:
        db = self._connection()
        self._in_doubt = False
        with self._begin(db, pipelined=pipelined):
            transaction = Transaction(db, now=now, by_caller=self._address.by_caller)
            result = run(transaction)
            transaction.write_counts()
        self._require_copies()
        return result

    @contextmanager
    def _begin(self, db: psycopg.Connection[Any], *, pipelined: bool) -> Iterator[None]:
        """A transaction on a server that was not replaced; behind a pooler, that is known only within it."""
        assert self._opened is not None  # noqa: S101  it was opened above
        if pipelined and not self._opened.is_pooled and psycopg.Pipeline.is_supported():
            self._require_newest()
            with pipelined_transaction(db):
                yield
        else:
            db.isolation_level = IsolationLevel.READ_COMMITTED
            db.read_only = None  # the server's own default: READ WRITE would be heard by one that was made read-only
            with db.transaction():
                self._require_newest()
                yield

    def _state_once(self, run: Callable[[psycopg.Connection[Any]], T]) -> T:
        db = self._connection()
        assert self._opened is not None  # noqa: S101  it was opened above
        self._in_doubt = False
        # behind a pooler the statement must reach the server whose timeline was read
        with db.transaction() if self._opened.is_pooled else nullcontext():
            self._require_newest()
            result = run(db)
        self._require_copies()
        return result

    def _require_copies(self) -> None:
        if self._in_doubt:
            raise StoreUnavailable(f"the store {self._address.shown} has not got it on a second machine")

    def _read_once(self, run: Callable[[psycopg.Connection[Any]], T]) -> T:
        def read() -> T:
            db = self._connection()
            db.isolation_level, db.read_only = IsolationLevel.REPEATABLE_READ, True
            with db.transaction():
                return run(db)

        return self._explain(read)

    def _explain(self, run: Callable[[], T]) -> T:
        """Run it; once more where another transaction was in the way. A lost connection is closed."""
        for again in (True, False):
            try:
                return run()
            except psycopg.Error as error:
                if is_lost(error) or self._opened is None or self._opened.db.closed:
                    self._drop_connection()
                explained = server_error(error, self._address.shown)
                if explained is None:
                    raise
                if not (again and error.sqlstate in PASSING):
                    raise explained from error
        raise AssertionError  # the second time it has returned or raised

    def _connection(self) -> psycopg.Connection[Any]:
        if self._is_cut:
            raise self._closing_error()
        if self._opened is None or self._opened.db.closed:
            self._opened = self._connect()
            self._opened.db.add_notice_handler(self._hear_notice)
        return self._opened.db

    def _connect(self) -> ServerConnection:
        """Open a connection. After a failure it is not tried at once: all nodes would come together."""
        if time.monotonic() < self._connect_at:
            raise StoreUnavailable(f"the store {self._address.shown} is not reachable; it is tried again")
        try:
            opened = open_connection(self._address, connected=self._hold_line)
        except (psycopg.Error, StoreUnavailable):
            self._drop_connection()
            self._backoff = min(LONGEST_BACKOFF, max(FIRST_BACKOFF, 2 * self._backoff))
            self._connect_at = time.monotonic() + self._backoff * random.uniform(0.5, 1)  # noqa: S311  no secret
            raise
        self._backoff = 0.0
        return opened

    def _hold_line(self, db: psycopg.Connection[Any]) -> None:
        self._drop_line()
        self._line = socket.socket(fileno=os.dup(db.fileno()))
        if self._is_cut:
            self._cut()

    def _drop_line(self) -> None:
        if self._line is not None:
            self._line.close()

    def _require_newest(self) -> None:
        """Write nothing to a server that was replaced since the connection was opened, but connect anew."""
        assert self._opened is not None  # noqa: S101  a transaction is under way
        try:
            self._opened.require_newest()
        except StoreUnavailable:
            self._drop_connection()
            raise

    def _hear_notice(self, notice: Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING" and NOT_REPLICATED in (notice.message_primary or ""):
            self._in_doubt = True

    def _drop_connection(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.db.close()
        self._drop_line()


def _hear_late_answer(answer: asyncio.Future[Any]) -> None:
    """Its caller waits no longer; asyncio would tell of an error that nobody looks at."""
    if not answer.cancelled():
        answer.exception()
