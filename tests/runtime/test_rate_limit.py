"""The shared window lets through what the one for a single process does; a page reads whole whatever was cut short."""

from __future__ import annotations

import os
import random
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.http.api_keys import SlidingWindow
from bridge.runtime.rate_limit import SharedRateLimits
from bridge.runtime.shared_state import SharedState, StatePage

STEPS = st.lists(st.floats(0, 40, allow_nan=False), max_size=60)


@given(rate=st.integers(0, 5), steps=STEPS)
def test_it_answers_as_the_window_of_one_process(rate: int, steps: list[float]) -> None:
    alone, shared, now = SlidingWindow(rate), SharedRateLimits().make_window(rate), 1000.0
    for step in steps:
        now += step
        assert shared.acquire(now) == alone.acquire(now)


def test_processes_that_ask_at_once_are_let_through_as_often_as_one_would_be() -> None:
    paces = SharedRateLimits()
    window, other = paces.make_window(500), paces.make_window(3)
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            passed = 0
            try:
                passed = sum(window.acquire(monotonic()) == 0 for _ in range(400))
                other.acquire(monotonic())
            finally:
                os._exit(passed // 2)  # a status is small
        children.append(child)
    shares = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert 247 <= sum(shares) <= 250  # each share is rounded down
    assert window.acquire(monotonic()) > 0
    assert other.acquire(monotonic()) > 0


def test_a_key_without_a_limit_never_waits() -> None:
    window = SharedRateLimits().make_window(0)
    assert {window.acquire(1.0) for _ in range(1000)} == {0.0}


def test_a_page_reads_as_it_was_written_last() -> None:
    board = SharedState(["one", "two"])
    assert board.pages["one"].read_content() == b""
    for number in range(5):
        assert board.pages["one"].write_content(b"%d" % number)
        assert board.pages["one"].read_content() == b"%d" % number
    assert board.pages["two"].read_content() == b""
    assert not board.pages["one"].write_content(bytes(1 << 20))
    assert board.pages["one"].read_content() == b"4"


@pytest.mark.parametrize("seed", range(20))
def test_a_page_whose_writer_was_killed_in_the_middle_reads_as_before(seed: int) -> None:
    rng = random.Random(seed)
    board = SharedState(["one"])
    page: StatePage = board.pages["one"]
    for text in (b"the first one", b"the second one"):
        page.write_content(text)
    halfway = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40)))
    page._memory[page._halves[1] : page._halves[1] + len(halfway)] = halfway  # noqa: SLF001  what only a death leaves
    page._memory[page._halves[1] : page._halves[1] + 8] = (3).to_bytes(8, "little")  # noqa: SLF001
    assert page.read_content() == b"the second one"
    assert page.write_content(b"the third one")
    assert page.read_content() == b"the third one"


def test_one_is_up_when_it_was_marked_so() -> None:
    board = SharedState(["one", "two"])
    board.mark_up("two", up=True)
    assert (board.is_up("one"), board.is_up("two")) == (False, True)
    board.mark_up("two", up=False)
    assert not board.is_up("two")
