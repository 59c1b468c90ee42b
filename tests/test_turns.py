"""A loop with much to do goes on while nobody waits, and stands back while requests do."""

from __future__ import annotations

import asyncio
from time import perf_counter

from bridge.turns import SHARE, SLICE, Turns


def worked(seconds: float) -> None:
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


def test_work_goes_on_in_one_go_until_its_slice_is_over() -> None:
    others: list[str] = []

    async def story() -> None:
        turns = Turns(lambda: 0)
        asyncio.get_running_loop().call_soon(others.append, "another")
        turns.begin()
        await turns.taken()
        assert others == []
        worked(2 * SLICE)
        await turns.taken()
        assert others == ["another"]

    asyncio.run(story())


def test_it_stands_back_for_as_long_as_requests_wait() -> None:
    looks = [3, 2, 1, 0]

    async def story() -> None:
        turns = Turns(lambda: looks.pop(0))
        turns.begin()
        worked(20 * SLICE)  # so long that its share of the time is not over before the last look
        await turns.taken()
        assert looks == []

    asyncio.run(story())


def test_it_has_its_share_of_the_time_although_requests_never_cease() -> None:
    async def story() -> None:
        turns = Turns(lambda: 99)
        turns.begin()
        began = perf_counter()
        worked(2 * SLICE)
        await turns.taken()
        assert perf_counter() - began >= 2 * SLICE / SHARE

    asyncio.run(story())
