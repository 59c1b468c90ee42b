"""The nodes that share a store: since when each runs, its version, its last sign of life. Nothing decides by it.

Only a store on a server keeps versions; a store of one machine lists no nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bridge.status.processes import ROLES, is_living
from bridge.status.report import Finding, Findings, NodeStatus
from bridge.store.status_views import ProcessHeartbeat

GONE_LISTED = timedelta(days=1)
"""How long a node that is gone is listed: each container has a node name of its own."""


def node_statuses(processes: Sequence[ProcessHeartbeat], now: datetime) -> tuple[NodeStatus, ...]:
    """Each node that runs, or that is gone and was not stopped; none where no process has a version."""
    serving = [one for one in processes if one.role in ROLES]
    if not any(one.version for one in serving):
        return ()
    names = sorted({one.node for one in serving})
    found = [_node_status([one for one in serving if one.node == name and not one.stopped], now) for name in names]
    return tuple(one for one in found if one and (not one.is_gone or now - one.last_seen_at <= GONE_LISTED))


def find_version_troubles(nodes: Sequence[NodeStatus]) -> Findings:
    """Nodes that run an older version than another node that runs."""
    return Findings(notes=tuple(_older_versions([one for one in nodes if not one.is_gone])))


def _node_status(running: Sequence[ProcessHeartbeat], now: datetime) -> NodeStatus | None:
    """Of the processes of one node that were not stopped."""
    living = [one for one in running if is_living(one, now)]
    counted = living or running
    if not counted:
        return None
    newest = max(counted, key=lambda one: one.at)
    return NodeStatus(
        node=newest.node,
        since=min(one.started_at for one in counted),
        version=min((one.version for one in counted), key=_version_order),
        last_seen_at=newest.at,
        is_gone=not living,
    )


def _older_versions(living: Sequence[NodeStatus]) -> Iterator[Finding]:
    newest = max((one.version for one in living), key=_version_order, default="")
    for one in living:
        if _version_order(one.version) < _version_order(newest):
            older = f"trackbridge {one.version}" if one.version else "a version of trackbridge that does not tell it"
            yield Finding(
                "older_version",
                f"the node {one.node} runs {older}, and another one runs {newest}",
                "upgrade it, too",
                subject=one.node,
            )


def _version_order(version: str) -> tuple[int, ...]:
    """`0.10.0` is after `0.9.1`; an unknown version is before all."""
    return tuple(map(int, re.findall(r"[0-9]+", version)))
