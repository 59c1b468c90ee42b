"""Of connections that come at once each worker gets some: whoever has more lets the others take the next."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from observed_processes import needs_proc, ready, told, workers
from peers import serving, until

from bridge.runtime.balancing import AHEAD, BalancedAcceptor, ConnectionBalance

CROWD = 40


def test_a_process_is_ahead_where_it_has_two_connections_more_than_another() -> None:
    both = ConnectionBalance(["one", "two"])
    one, two = both.share_of("one"), both.share_of("two")
    two.set_count(5)
    for count in range(5 + AHEAD):
        one.set_count(count)
        assert not one.is_ahead
    one.set_count(5 + AHEAD)
    assert one.is_ahead
    assert not two.is_ahead


def test_a_process_alone_is_never_ahead() -> None:
    one = ConnectionBalance(["one"]).share_of("one")
    one.set_count(1000)
    assert not one.is_ahead


def test_a_process_that_is_restarted_has_no_connections() -> None:
    both = ConnectionBalance(["one", "two"])
    both.share_of("two").set_count(9)
    both.share_of("two")
    one = both.share_of("one")
    one.set_count(AHEAD)
    assert one.is_ahead


def test_a_process_that_is_ahead_goes_on_with_other_work_and_accepts_all_in_the_end() -> None:
    async def accept(count: int) -> int:
        balance = ConnectionBalance(["one", "two"])
        share = balance.share_of("one")
        balance.share_of("two")
        made: asyncio.Queue[Protocol] = asyncio.Queue()

        class Protocol(asyncio.Protocol):
            def connection_made(self, _transport: asyncio.BaseTransport) -> None:
                made.put_nowait(self)
                share.set_count(made.qsize())

        with socket.create_server(("127.0.0.1", 0), backlog=count) as listening, ExitStack() as stack:
            listening.setblocking(False)  # noqa: FBT003  the socket module names no argument
            for _ in range(count):
                stack.enter_context(socket.create_connection(listening.getsockname()))
            acceptor = BalancedAcceptor(listening, Protocol, share)
            turns = 0
            while made.qsize() < count:
                await asyncio.sleep(0)
                turns += 1
            acceptor.close()
            return turns

    assert asyncio.run(accept(20)) > 40


@needs_proc
def test_a_process_that_may_open_no_more_files_accepts_again_when_it_may(tmp_path: Path) -> None:
    with serving(tmp_path, {}, "--web", "2") as bridge, ExitStack() as stack:
        ready(bridge)
        pids = workers(bridge)
        host, _, port = bridge.url.removeprefix("http://").partition(":")
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (_lowest_free_fd(pid), 4096))
        for _ in range(4 * len(pids)):  # a file that was open for a moment just now leaves room for a connection
            stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
        until(lambda: told(bridge, "http.cannot_accept"), what="the warning")
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (1024, 4096))
        ready(bridge)


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


def _lowest_free_fd(pid: int) -> int:
    taken = {int(link.name) for link in Path(f"/proc/{pid}/fd").iterdir()}
    return min(set(range(len(taken) + 1)) - taken)


def _sockets(pid: int) -> int:
    return sum(str(link.readlink()).startswith("socket:") for link in Path(f"/proc/{pid}/fd").iterdir())
