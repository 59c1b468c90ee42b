"""Three nodes on one PostgreSQL under faults: the short form of `python tests/nodes/run.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "nodes"))

from nodes_run import run_nodes

FEW = (
    "kill_node", "kill_process", "terminate_backends", "restart_server", "reset_network", "cut_link", "kill_pgbouncer",
    "fail_over",
)  # fmt: skip
"""What takes little time each; the others are of the long form."""


def test_three_nodes_under_faults_lose_nothing_and_double_nothing_that_they_do_not_tell(tmp_path: Path) -> None:
    figures, verdict = run_nodes(tmp_path, faults=len(FEW), seed=1, only=FEW)
    assert verdict.wrong == []
    assert sum(one.times for one in figures.values()) == len(FEW)
    assert verdict.figures["acknowledged"] > 100
