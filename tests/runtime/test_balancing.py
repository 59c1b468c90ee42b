"""Of connections that come at once each worker gets some: whoever has more lets the others take the next."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from observed_processes import needs_proc, ready, workers
from peers import serving, until

from bridge.runtime.balancing import AHEAD, PAUSE, ConnectionBalance

CROWD = 40


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long anybody rested."""
    rested: list[float] = []
    monkeypatch.setattr("bridge.runtime.balancing.time.sleep", rested.append)
    return rested


def test_who_is_ahead_rests_after_each_that_it_takes(rests: list[float]) -> None:
    one = ConnectionBalance(["one", "two"]).counter_of("one")
    for count in range(AHEAD + 2):
        one(count)
    assert rests == [PAUSE, PAUSE]


def test_nobody_rests_who_is_ahead_by_less_or_has_lost_a_connection(rests: list[float]) -> None:
    both = ConnectionBalance(["one", "two"])
    one, two = both.counter_of("one"), both.counter_of("two")
    two(5)
    rests.clear()
    for count in [*range(5 + AHEAD), *range(5 + AHEAD, 0, -1)]:
        one(count)
    assert rests == [PAUSE], "at the seventh, where the other has five"


def test_one_alone_never_rests(rests: list[float]) -> None:
    one = ConnectionBalance(["one"]).counter_of("one")
    one(1000)
    assert rests == []


def test_one_that_is_started_again_has_none(rests: list[float]) -> None:
    both = ConnectionBalance(["one", "two"])
    both.counter_of("two")(9)
    both.counter_of("two")
    rests.clear()
    both.counter_of("one")(AHEAD)
    assert rests == [PAUSE]


@needs_proc
@pytest.mark.skipif(len(os.sched_getaffinity(0)) == 1, reason="on one core whoever runs takes what there is")
def test_of_many_connections_at_once_each_worker_gets_some(tmp_path: Path) -> None:
    with serving(tmp_path, {}, "--web", "2") as bridge, ExitStack() as stack:
        ready(bridge)
        before = {pid: _sockets(pid) for pid in workers(bridge)}
        host, _, port = bridge.url.removeprefix("http://").partition(":")
        for _ in range(CROWD):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
        nearly = CROWD - len(before)  # a connection that was asked over may just have been open still, with each
        until(lambda: sum(_sockets(pid) - count for pid, count in before.items()) >= nearly, what="all of them")
        assert min(_sockets(pid) - count for pid, count in before.items()) >= CROWD // 8


def _sockets(pid: int) -> int:
    return sum(str(link.readlink()).startswith("socket:") for link in Path(f"/proc/{pid}/fd").iterdir())
