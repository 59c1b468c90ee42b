"""The last sign of life of each process of `serve`, on every node, by the server's clock: those of nodes may differ.

The column `node` is the host name and the node's id, HOST/ID; without an id it was written before there were ids.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import psycopg

from bridge.store.codec.columns import from_ms, to_ms
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.rules.node_names import name_nodes
from bridge.store.rules.status_limits import HEARTBEATS_KEPT, LIVING
from bridge.store.status_views import ProcessHeartbeat

_COLUMNS = "node, process, role, pid, started_at, at, stopped, trouble, settings, version"
_MS = timedelta(milliseconds=1)


def write_heartbeat(transaction: Transaction, one: ProcessHeartbeat) -> int:
    """Write a sign of life, given now, in the place of the last one of the same process; the nodes that answer."""
    started_at = transaction.at - (to_ms(one.at) - to_ms(one.started_at))
    transaction.execute(
        f"""
        INSERT INTO heartbeats ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (node, process) DO UPDATE SET
            role = excluded.role, pid = excluded.pid, started_at = excluded.started_at, at = excluded.at,
            stopped = excluded.stopped, trouble = excluded.trouble, settings = excluded.settings,
            version = excluded.version
        """,  # noqa: S608  ours
        (
            server_text(_join_id(one)), one.process, one.role, one.pid, started_at, transaction.at,
            one.stopped, server_text(one.trouble), server_text(one.settings), one.version,
        ),
    )  # fmt: skip
    transaction.execute(  # another node may just write one of these, or delete it, too
        """
        DELETE FROM heartbeats WHERE (node, process) IN (
            SELECT node, process FROM heartbeats WHERE at < %s FOR UPDATE SKIP LOCKED)
        """,
        (transaction.at - HEARTBEATS_KEPT // _MS,),
    )
    return _count_answering(transaction)


def _count_answering(transaction: Transaction) -> int:
    """How many nodes have a web process that runs."""
    [(count,)] = transaction.execute(
        "SELECT count(DISTINCT node) FROM heartbeats WHERE role = 'web' AND NOT stopped AND at >= %s",
        (transaction.at - LIVING // _MS,),
    ).fetchall()
    return int(count)


def read_heartbeats(db: psycopg.Connection[Any], *, by_caller: bool) -> tuple[ProcessHeartbeat, ...]:
    """All of them; their times are as this machine's clock shows them, unless time is the callers'."""
    rows = select(db, f"SELECT {_COLUMNS}, clock_ms() FROM heartbeats ORDER BY node, process")  # noqa: S608  ours
    behind = 0 if by_caller or not rows else time.time_ns() // 1_000_000 - rows[0][-1]
    return name_nodes([_make_heartbeat(row, behind) for row in rows])


def _join_id(one: ProcessHeartbeat) -> str:
    return f"{one.node}/{one.node_id}" if one.node_id else one.node


def _make_heartbeat(row: tuple[Any, ...], behind: int) -> ProcessHeartbeat:
    """`behind` is by how much the server's clock is behind this machine's, in milliseconds."""
    node, process, role, pid, started_at, at, stopped, trouble, settings, version, _ = row
    host, _, node_id = node.partition("/")
    return ProcessHeartbeat(
        node=host,
        process=process,
        role=role,
        pid=pid,
        started_at=from_ms(started_at + behind),
        at=from_ms(at + behind),
        stopped=stopped,
        trouble=trouble,
        settings=settings,
        version=version,
        node_id=node_id,
    )
