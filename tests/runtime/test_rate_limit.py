"""The shared window lets through what the one for a single process does; a page reads whole whatever was cut short."""

from __future__ import annotations

import asyncio
import os
import random
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.app import utc_now
from bridge.http.api_keys import SlidingWindow, share_of_rate
from bridge.runtime.heartbeat_writer import HeartbeatWriter, make_heartbeat
from bridge.runtime.rate_limit import SharedNodeCount, SharedRateLimits
from bridge.runtime.shared_state import SharedState, StatePage
from bridge.status.processes import SILENT_AFTER
from bridge.store.postgres.store import PostgresStore
from bridge.store.rules.status_limits import LIVING

STEPS = st.lists(st.tuples(st.floats(0, 40, allow_nan=False), st.integers(1, 3), st.integers(1, 50)), max_size=12)
"""Of each: the seconds that pass, how many nodes there are then, and how many requests come."""


@given(rate=st.integers(0, 5) | st.integers(100, 300), steps=STEPS)
@settings(max_examples=50)
def test_it_answers_as_the_window_of_one_process(rate: int, steps: list[tuple[float, int, int]]) -> None:
    count = SharedNodeCount()
    shared = SharedRateLimits(count.read_count).make_window(rate)
    alone, now = SlidingWindow(rate, nodes=count.read_count), 1000.0
    for step, nodes, requests in steps:
        now += step
        count.write_count(nodes)
        for _ in range(requests):
            assert shared.acquire(now) == alone.acquire(now)


@pytest.mark.parametrize(
    ("rate", "nodes", "share"), [(600, 3, 200), (100, 3, 60), (30, 3, 30), (0, 3, 0), (600, 1, 600)]
)
def test_a_node_lets_its_part_of_a_rate_through_and_one_request_a_second_at_least(
    rate: int, nodes: int, share: int
) -> None:
    assert share_of_rate(rate, nodes) == share


def test_a_request_beyond_the_share_is_told_when_it_would_pass() -> None:
    nodes = SharedNodeCount()
    window = SharedRateLimits(nodes.read_count).make_window(120)
    assert [window.acquire(float(second)) for second in range(50)] == [0.0] * 50
    assert [window.acquire(50.0) for _ in range(20)] == [0.0] * 20
    nodes.write_count(2)
    assert window.acquire(50.0) == 20.0, "70 have passed, 60 may: the eleventh must be a minute old"


def test_the_requests_of_a_key_are_shared_by_the_nodes_that_answer_and_not_by_those_that_are_gone(
    empty_database: str,
) -> None:
    async def story() -> None:
        stores = [PostgresStore(empty_database, by_caller=True, durable=False) for _ in range(2)]
        counts = [SharedNodeCount(), SharedNodeCount()]
        windows = [SharedRateLimits(count.read_count).make_window(240) for count in counts]
        now = datetime(2026, 3, 1, 12, tzinfo=UTC)

        async def beat(node: int, at: datetime, *, role: str = "web") -> None:
            name = "web-1" if role == "web" else "worker-deliver"
            sign = make_heartbeat(name, role, now=at, node_id=f"0000000{node}")
            counts[node].write_count(await stores[node].record_heartbeat(sign))

        try:
            await beat(0, now)
            await beat(1, now, role="worker")
            assert counts[1].read_count() == 1, "a node without a web process takes no part"
            await beat(1, now)
            await beat(0, now)
            passed = [sum(window.acquire(1000.0) == 0 for _ in range(300)) for window in windows]
            assert passed == [120, 120]
            await beat(0, now + LIVING + timedelta(seconds=1))
            assert sum(windows[0].acquire(1001.0) == 0 for _ in range(300)) == 120, "all of it, without the other"
        finally:
            for store in stores:
                await store.close()

    asyncio.run(story())


def test_a_node_is_taken_for_gone_by_rates_when_it_is_by_status() -> None:
    assert LIVING == SILENT_AFTER


def test_each_sign_of_life_of_a_process_tells_it_how_many_nodes_there_are(empty_database: str) -> None:
    async def story() -> None:
        store, told = PostgresStore(empty_database, durable=False), asyncio.Queue[int]()
        try:
            await store.record_heartbeat(make_heartbeat("web-1", "web", now=utc_now(), node_id="00000001"))
            async with HeartbeatWriter(store, "web-1", "web", utc_now, "", "00000002", told.put_nowait).writing():
                assert await told.get() == 2
            assert await told.get() == 1, "it was stopped"
        finally:
            await store.close()

    asyncio.run(story())


def test_processes_that_ask_at_once_are_let_through_as_often_as_one_would_be() -> None:
    paces = SharedRateLimits(SharedNodeCount().read_count)
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
    window = SharedRateLimits(SharedNodeCount().read_count).make_window(0)
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
