"""Opens a connection and finds out what is at its other end: a pooler, and which timeline its server is on.

A pooler, such as pgbouncer in transaction mode, gives each transaction to any of its own connections. So no statement
is prepared behind one: the server that runs it might not know it, or know another one by that name.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import errors

from bridge.core.errors import StoreUnavailable
from bridge.store.postgres.db.arrays import register_arrays
from bridge.store.postgres.db.ledger_key import register_keys
from bridge.store.postgres.db.server_url import next_host_first
from bridge.store.postgres.db.timeline_fence import TimelineFence

_TIMELINE = """
    SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_lsn()) END, system_identifier
    FROM pg_control_system()
"""
"""The name of a file of the log begins with the timeline, in hexadecimal digits:
https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-TIMELINES"""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """How a server is reached (`info`, for libpq), how it is named to people, and how long a caller waits for it.

    `by_caller`: time is the callers', for tests with made-up time. `fence` keeps a former primary from being written.
    """

    info: str
    shown: str
    patience: timedelta
    fence: TimelineFence
    by_caller: bool = False


@dataclass(slots=True)
class ServerConnection:
    """An open connection. Behind a pooler, each transaction may be on another server connection."""

    db: psycopg.Connection[Any]
    is_pooled: bool
    _address: ServerAddress
    _timeline: int = 0

    def require_newest(self) -> None:
        """Raises StoreUnavailable for a server that was replaced by a newer primary, as far as this node knows."""
        if self.is_pooled:
            self._timeline = _read_timeline(self.db, self._address)
        self._address.fence.require(self._timeline, self._address.shown)


def open_connection(
    address: ServerAddress, *, connected: Callable[[psycopg.Connection[Any]], None] = lambda _: None
) -> ServerConnection:
    """Connect to the first host that may be written to. Raises StoreUnavailable where only a former primary may.

    `connected` is told of each connection before anything is asked over it.
    """
    info, tried = address.info, 0
    while True:
        opened = _connect(info, address, connected)
        try:
            opened.require_newest()
        except StoreUnavailable:
            opened.db.close()
            info, hosts = next_host_first(info)
            tried += 1
            if tried >= hosts:
                raise
        else:
            return opened


def _connect(
    info: str, address: ServerAddress, connected: Callable[[psycopg.Connection[Any]], None]
) -> ServerConnection:
    db = psycopg.connect(info, autocommit=True, prepare_threshold=None)
    connected(db)
    try:
        row = db.execute("SELECT pg_backend_pid()").fetchone()
        is_pooled = row is None or row[0] != db.info.backend_pid  # a pooler makes up the number that it tells clients
        timeline = _read_timeline(db, address)
    except psycopg.Error:
        db.close()
        raise
    if not is_pooled:
        db.prepare_threshold = 1
    register_keys(db)
    register_arrays(db)
    return ServerConnection(db, is_pooled, address, timeline)


def _read_timeline(db: psycopg.Connection[Any], address: ServerAddress) -> int:
    """The timeline of a server that takes writes; 0 where it does not say so."""
    with suppress(errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFunction), db.transaction():
        row = db.execute(_TIMELINE).fetchone()
        if row is not None and row[0] is not None:
            timeline = int(row[0][:8], 16)
            address.fence.record(row[1], timeline)
            return timeline
    return 0
