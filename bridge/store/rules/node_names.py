"""How nodes are named to people: by the host name, and with the node's id where two nodes have that name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridge.store.status_views import ProcessHeartbeat


def name_nodes(processes: Sequence[ProcessHeartbeat]) -> tuple[ProcessHeartbeat, ...]:
    """The same processes, `node` being a name that no other node has.

    A host name alone is of the one node that was not stopped; where there is none, of the only one.
    """
    return tuple(replace(one, node=_node_name(one, processes)) for one in processes)


def _node_name(one: ProcessHeartbeat, processes: Sequence[ProcessHeartbeat]) -> str:
    of_host = [other for other in processes if other.node == one.node]
    ids = {other.node_id for other in of_host if not other.stopped} or {other.node_id for other in of_host}
    return one.node if ids == {one.node_id} or not one.node_id else f"{one.node}/{one.node_id}"
