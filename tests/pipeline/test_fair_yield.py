"""A loop with much to do lets the others of its process go on."""

from __future__ import annotations

import asyncio
from time import perf_counter

from bridge.pipeline.fair_yield import SLICE, FairYield


def worked(seconds: float) -> None:
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


def said(work: float) -> list[str]:
    """Who had a turn, in order, of a loop that has worked so long and of another."""

    async def story() -> list[str]:
        said: list[str] = []
        turns = FairYield()
        turns.begin_pass()
        asyncio.get_running_loop().call_soon(said.append, "another")
        worked(work)
        await turns.yield_if_due()
        return [*said, "the work"]

    return asyncio.run(story())


def test_others_have_their_turn_after_each_slice() -> None:
    assert said(SLICE) == ["another", "the work"]


def test_a_moments_work_makes_way_for_nobody() -> None:
    assert said(0) == ["the work"]
