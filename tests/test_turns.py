"""A loop with much to do lets requests go first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

from bridge.processes.board import PRESSED_FOR, Board
from bridge.turns import SHARE, SLICE, Turns


def worked(seconds: float) -> None:
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


def waited(pressed: Callable[[], bool], work: float) -> float:
    """How long a loop stood back after so much work."""

    async def story() -> float:
        turns = Turns(pressed)
        turns.begin()
        worked(work)
        began = perf_counter()
        await turns.taken()
        return perf_counter() - began

    return asyncio.run(story())


def test_while_requests_press_the_work_takes_its_share_of_the_time() -> None:
    assert waited(lambda: True, 5 * SLICE) >= 5 * SLICE * (1 / SHARE - 1)


def test_a_moments_work_asks_nobody() -> None:
    asked = 0

    def pressed() -> bool:
        nonlocal asked
        asked += 1
        return True

    waited(pressed, 0)
    assert asked == 0


def test_others_have_their_turn_after_each_slice_though_nobody_presses() -> None:
    async def story() -> list[str]:
        said: list[str] = []
        turns = Turns(lambda: False)
        asyncio.get_running_loop().call_soon(said.append, "another")
        worked(SLICE)
        await turns.taken()
        return [*said, "the work"]

    assert asyncio.run(story()) == ["another", "the work"]


def test_who_presses_is_seen_by_all_for_a_moment() -> None:
    board = Board(["mill", "worker-1", "worker-2"])
    assert not board.pressed(now=100.0)
    board.press("worker-2", now=100.0)
    assert board.pressed(now=100.0)
    assert not board.pressed(now=100.1 + PRESSED_FOR)
    board.press("worker-1", now=101.0)
    assert board.pressed(now=101.0)
    assert [board.up(name) for name in ("mill", "worker-1", "worker-2")] == [False] * 3, "that is something else"
