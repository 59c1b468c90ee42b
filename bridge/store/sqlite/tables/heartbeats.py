"""The last sign of life of each process of `serve`."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

from bridge.store.codec.columns import from_ms, storable_text, to_ms
from bridge.store.rules.status_limits import HEARTBEATS_KEPT
from bridge.store.status_views import ProcessHeartbeat

_MS = timedelta(milliseconds=1)


def write_heartbeat(db: sqlite3.Connection, one: ProcessHeartbeat) -> None:
    """Write a sign of life in the place of the last one of the same process."""
    db.execute(
        "INSERT OR REPLACE INTO heartbeats VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            storable_text(one.node), one.process, one.role, one.pid, to_ms(one.started_at), to_ms(one.at),
            one.stopped, storable_text(one.trouble), storable_text(one.settings),
        ),
    )  # fmt: skip
    db.execute("DELETE FROM heartbeats WHERE at < ?", (to_ms(one.at) - HEARTBEATS_KEPT // _MS,))


def read_heartbeats(db: sqlite3.Connection) -> tuple[ProcessHeartbeat, ...]:
    """All of them."""
    rows = db.execute(
        """
        SELECT node, process, role, pid, started_at, at, stopped, trouble, settings
        FROM heartbeats ORDER BY node, process
        """
    )
    return tuple(
        ProcessHeartbeat(
            node=node,
            process=process,
            role=role,
            pid=pid,
            started_at=from_ms(started_at),
            at=from_ms(at),
            stopped=bool(stopped),
            trouble=trouble,
            settings=settings,
        )
        for node, process, role, pid, started_at, at, stopped, trouble, settings in rows
    )
