"""Three nodes on one PostgreSQL under faults: the short form of `python tests/nodes/run.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "nodes"))

from earlier_wheel import CHECKOUT, NEWEST_STEP, NoHistoryError, commit_before_newest_step, unpack_wheel_of
from nodes_run import run_nodes
from rolling import roll
from verdict import BY_LOST, BY_UPSTREAM, CUT_OFF, NOT_LOST, NOT_TOLD, Arrivals, how_told

FEW = (
    "kill_node", "kill_process", "terminate_backends", "restart_server", "reset_network", "cut_link", "kill_pgbouncer",
    "fail_over",
)  # fmt: skip
"""What takes little time each; the others are of the long form."""


def test_three_nodes_under_faults_lose_nothing_and_double_nothing_that_they_do_not_tell(tmp_path: Path) -> None:
    figures, verdict = run_nodes(tmp_path, faults=len(FEW), seed=1, only=FEW)
    assert verdict.wrong == []
    assert sum(one.times for one in figures.values()) == len(FEW)
    assert verdict.figures["acknowledged"] > 10


@pytest.mark.parametrize(
    ("outcomes", "times", "unanswered", "unheard", "way"),
    [
        (["later"], 2, 1, 0, BY_UPSTREAM),
        (["lost"], 2, 0, 0, BY_LOST),
        (["later"], 2, 0, 0, NOT_LOST),
        (["later"], 2, 0, 1, CUT_OFF),
        (["later", "lost"], 3, 1, 0, BY_LOST),
        (["later", "later"], 3, 1, 0, NOT_LOST),
        (["lost"], 3, 0, 0, NOT_TOLD),
        ([], 2, 1, 0, NOT_TOLD),
    ],
)
def test_a_double_that_the_upstream_had_answered_must_be_told_by_a_lost_attempt(
    outcomes: list[str], times: int, unanswered: int, unheard: int, way: str
) -> None:
    arrivals = Arrivals([], {"evt": unanswered}, {"evt": unheard})
    assert how_told(lambda query: [(one,) for one in outcomes], "evt", times, arrivals) == way


def test_an_upgrade_of_one_node_after_the_other_answers_no_error_and_loses_nothing(tmp_path: Path) -> None:
    verdict, load, said = roll(tmp_path, seed=1)
    assert verdict.wrong == []
    assert set(load.answers) == {"200"}
    assert "nodes of another version than 9.9.9 run: b (0.1.0)" in said[0]
    assert said[1] == "finished: 97_made_up\nthe store is at the version of trackbridge 9.9.9\n"


def test_an_upgrade_from_the_wheel_before_the_newest_migration_answers_no_error_and_loses_nothing(
    tmp_path: Path,
) -> None:
    try:
        wheel = unpack_wheel_of(commit_before_newest_step(), tmp_path / "wheel")
    except NoHistoryError as error:
        pytest.skip(str(error))
    assert not (wheel / NEWEST_STEP.relative_to(CHECKOUT)).exists()
    verdict, load, said = roll(tmp_path, seed=2, wheel=wheel)
    assert verdict.wrong == []
    assert set(load.answers) == {"200"}
    assert "nodes of another version than 9.9.9 run: b (" in said[0]
    assert said[1] == "finished: 97_made_up\nthe store is at the version of trackbridge 9.9.9\n"
