"""The last sign of life of each process of `serve`, on every node."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg

from bridge.store.codec.columns import from_ms, to_ms
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.rules.status_limits import HEARTBEATS_KEPT
from bridge.store.status_views import ProcessHeartbeat

_COLUMNS = "node, process, role, pid, started_at, at, stopped, trouble, settings, version"
_MS = timedelta(milliseconds=1)


def write_heartbeat(transaction: Transaction, one: ProcessHeartbeat) -> None:
    """Write a sign of life in the place of the last one of the same process."""
    transaction.execute(
        f"""
        INSERT INTO heartbeats ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (node, process) DO UPDATE SET
            role = excluded.role, pid = excluded.pid, started_at = excluded.started_at, at = excluded.at,
            stopped = excluded.stopped, trouble = excluded.trouble, settings = excluded.settings,
            version = excluded.version
        """,  # noqa: S608  ours
        (
            server_text(one.node), one.process, one.role, one.pid, to_ms(one.started_at), to_ms(one.at),
            one.stopped, server_text(one.trouble), server_text(one.settings), one.version,
        ),
    )  # fmt: skip
    transaction.execute(  # another node may just write one of these, or delete it, too
        """
        DELETE FROM heartbeats WHERE (node, process) IN (
            SELECT node, process FROM heartbeats WHERE at < %s FOR UPDATE SKIP LOCKED)
        """,
        (to_ms(one.at) - HEARTBEATS_KEPT // _MS,),
    )


def read_heartbeats(db: psycopg.Connection[Any]) -> tuple[ProcessHeartbeat, ...]:
    """All of them."""
    rows = select(db, f"SELECT {_COLUMNS} FROM heartbeats ORDER BY node, process")  # noqa: S608  ours
    return tuple(
        ProcessHeartbeat(
            node=node,
            process=process,
            role=role,
            pid=pid,
            started_at=from_ms(started_at),
            at=from_ms(at),
            stopped=stopped,
            trouble=trouble,
            settings=settings,
            version=version,
        )
        for node, process, role, pid, started_at, at, stopped, trouble, settings, version in rows
    )
