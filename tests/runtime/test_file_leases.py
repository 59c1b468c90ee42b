"""Processes that work side by side leave each other's things alone, and nothing stays with one that ended or hangs."""

from __future__ import annotations

import os
import signal

import pytest

from bridge.runtime import file_leases
from bridge.runtime.file_leases import Holds


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


def test_what_was_taken_is_held_until_it_is_left() -> None:
    shared = Holds()
    assert shared.take("a", 0)
    assert shared.take("b", 0)
    for free in (False, True):
        for name in ("a", "b"):
            other = Other(shared, name)
            assert other.took == free
            other.killed()
        shared.leave()


def test_what_one_that_hangs_is_at_is_had_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Holds()
    other = Other(shared, "a")
    assert not shared.take("a", 5)
    monkeypatch.setattr(file_leases, "STUCK", 0.0)
    assert not shared.take("a", 6), "it has just gone on"
    assert shared.take("a", 6)
    other.killed()


def test_what_one_that_hangs_is_at_is_had_although_others_are_taken_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Holds()
    other = Other(shared, "a")
    assert [shared.take(name, 0) for name in ("a", "b")] == [False, True]
    monkeypatch.setattr(file_leases, "STUCK", 0.0)
    assert shared.take("a", 0)
    other.killed()


def test_of_what_others_hold_no_more_is_remembered_than_was_asked_for_of_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_leases, "REMEMBERED", 1)
    shared = Holds()
    others = [Other(shared, name) for name in ("a", "b")]
    assert [shared.take(name, 0) for name in ("a", "b")] == [False, False]
    monkeypatch.setattr(file_leases, "STUCK", 0.0)
    assert [shared.take(name, 0) for name in ("a", "b")] == [False, False], "each was asked for last before the other"
    assert shared.take("b", 0)
    for other in others:
        other.killed()
