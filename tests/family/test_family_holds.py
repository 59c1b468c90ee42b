"""Processes that work side by side leave each other's things alone, and nothing stays with one that ended or hangs."""

from __future__ import annotations

import os
import signal

import pytest

from bridge.processes import holds
from bridge.processes.holds import Holds


class Other:
    """Another process, which takes what it is told to and holds it until it is killed."""

    def __init__(self, shared: Holds, name: str, starts: int = 0) -> None:
        readable, written = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.write(written, b"y" if shared.take(name, starts) else b"n")
            signal.pause()
            os._exit(0)
        self.took = os.read(readable, 1) == b"y"
        os.close(readable)
        os.close(written)

    def killed(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def test_what_another_is_at_is_not_had_until_that_one_has_ended() -> None:
    shared = Holds()
    other = Other(shared, "a")
    assert other.took
    assert [shared.take(name, 0) for name in ("a", "b")] == [False, True]
    other.killed()
    assert shared.take("a", 0)


def test_whoever_takes_another_thing_holds_the_first_no_longer() -> None:
    shared = Holds()
    assert shared.take("a", 0)
    assert shared.take("b", 0)
    for name, free in (("a", True), ("b", False)):
        other = Other(shared, name)
        assert other.took == free
        other.killed()
    shared.leave()
    other = Other(shared, "b")
    assert other.took
    other.killed()


def test_what_one_that_hangs_is_at_is_had_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Holds()
    other = Other(shared, "a")
    assert not shared.take("a", 5)
    monkeypatch.setattr(holds, "STUCK", 0.0)
    assert not shared.take("a", 6), "it has just gone on"
    assert shared.take("a", 6)
    other.killed()
