"""Heads that do not come, or do not end: the connection is closed, whoever keeps it open."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from track_server import Line, head, serving

from bridge.runtime.deadline_timer import DeadlineTimer
from bridge.runtime.request_head import HEAD_BYTES

LEAD = b'{"event_type":"lead"}'
WHOLE = head("/v1/track", f"Content-Length: {len(LEAD)}") + LEAD


def answered(line: Line) -> None:
    line.send(WHOLE)
    assert line.answer()[0] == 200


@pytest.mark.parametrize("begun", [b"", b"POST /v1/tr", WHOLE[:40], b"\r\n"])
def test_a_head_that_does_not_come_in_time_ends_the_connection(tmp_path: Path, begun: bytes) -> None:
    with serving(tmp_path, head_seconds=0.05) as api, api.connect() as line:
        line.send(begun)
        assert line.is_over()


def test_a_second_head_that_does_not_come_in_time_ends_the_connection(tmp_path: Path) -> None:
    with serving(tmp_path, head_seconds=0.5) as api, api.connect() as line:
        answered(line)
        line.send(WHOLE[:40])
        assert line.is_over()


def test_a_body_is_not_counted_as_a_head(tmp_path: Path) -> None:
    with serving(tmp_path, head_seconds=0.1, patience=0.5) as api, api.connect() as line:
        line.send(WHOLE[:-1])
        assert line.answer()[0] == 408  # after the body's time, long after the head's


def test_a_head_that_never_ends_gets_431_as_json(tmp_path: Path) -> None:
    with serving(tmp_path) as api, api.connect() as line:
        line.send(b"POST /v1/track HTTP/1.1\r\nX: " + b"x" * (HEAD_BYTES + 1))
        status, headers, answer = line.answer()
        assert (status, headers["content-type"], headers["connection"]) == (431, "application/json", "close")
        assert answer["success"] is False
        assert line.is_over()


def test_a_head_in_many_small_pieces_is_counted_in_all(tmp_path: Path) -> None:
    with serving(tmp_path) as api, api.connect() as line:
        line.send(b"POST /v1/track HTTP/1.1\r\n")
        for number in range(HEAD_BYTES // 1024 + 1):
            line.send(b"X-%d: %b\r\n" % (number, b"x" * 1024))
        assert line.answer()[0] == 431


def test_large_bodies_on_one_connection_are_no_large_heads(tmp_path: Path) -> None:
    body = b'{"event_type":"lead","x":"%b"}' % (b"x" * 2 * HEAD_BYTES)
    with serving(tmp_path) as api, api.connect() as line:
        for _ in range(3):
            line.send(head("/v1/track", f"Content-Length: {len(body)}") + body)
            assert line.answer()[0] == 200


def test_a_connection_on_which_nothing_more_is_asked_for_is_closed(tmp_path: Path) -> None:
    with serving(tmp_path, idle_seconds=0) as api, api.connect() as line:
        answered(line)
        assert line.is_over()


def test_requests_that_came_together_are_all_answered_before_their_connection_is_idle(tmp_path: Path) -> None:
    with serving(tmp_path, idle_seconds=0) as api, api.connect() as line:
        line.send(WHOLE * 3)
        assert [line.answer()[0] for _ in range(3)] == [200] * 3
        assert line.is_over()


def test_a_connection_whose_next_request_has_begun_is_not_idle(tmp_path: Path) -> None:
    with serving(tmp_path, head_seconds=0.5, patience=0.5, idle_seconds=0) as api, api.connect() as line:
        line.send(WHOLE + WHOLE[:-1])
        assert [line.answer()[0] for _ in range(2)] == [200, 408]


@pytest.mark.parametrize("more", [b"\r\n", b"\r\n\r\n"])
def test_blank_lines_behind_an_answer_do_not_keep_a_connection(tmp_path: Path, more: bytes) -> None:
    with serving(tmp_path, idle_seconds=1) as api, api.connect() as line:
        answered(line)
        line.send(more)
        assert line.is_over()


UNREAD = (
    head("/nothing", "Content-Length: 60000"),
    head("/v1/track", "Content-Length: 60000", key=None),
    head("/nothing", "Content-Length: 60000").replace(b"POST", b"GET"),
)


@pytest.mark.parametrize("begun", UNREAD)
def test_the_rest_of_a_body_that_nobody_reads_does_not_keep_a_connection(tmp_path: Path, begun: bytes) -> None:
    with serving(tmp_path, head_seconds=0.5, idle_seconds=1) as api, api.connect() as line:
        line.send(begun)
        assert line.answer()[0] in {401, 404}
        line.send(b"x")
        assert line.is_over()


def test_the_rest_of_a_body_that_nobody_reads_has_a_heads_time_however_it_drips(tmp_path: Path) -> None:
    with serving(tmp_path, head_seconds=0.5) as api, api.connect() as line:
        line.send(UNREAD[0])
        assert line.answer()[0] == 404
        line.socket.settimeout(0.05)
        assert any(is_over_behind_a_byte(line) for _ in range(400))


def is_over_behind_a_byte(line: Line) -> bool:
    """Send one byte, and see for a moment whether the server has closed."""
    try:
        line.send(b"x")
        return line.socket.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_request_behind_the_rest_of_a_body_that_nobody_reads_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path, head_seconds=0.5, idle_seconds=2) as api, api.connect() as line:
        line.send(head("/nothing", "Content-Length: 10"))
        assert line.answer()[0] == 404
        line.send(b"x" * 10 + WHOLE)
        assert line.answer()[0] == 200


LONG = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "asked",
    [LONG + b"\r\n", (LONG + b"\r\n") * 20, LONG + b"Connection: close\r\n\r\n"],
    ids=["an answer that fits", "more than fits", "the last answer"],
)
def test_a_connection_on_which_nobody_reads_the_answer_is_closed(tmp_path: Path, asked: bytes) -> None:
    with serving(tmp_path, answer_seconds=0.5, idle_seconds=1) as api, closing(socket.socket()) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", api.port))
        deaf.sendall(asked)
        assert is_cut(deaf)


def is_cut(one: socket.socket) -> bool:
    """Whether the server cuts a connection, of which not a byte is read meanwhile."""
    waiting = select.poll()
    waiting.register(one, 0)  # errors only
    return bool(waiting.poll(20_000))


class Hand:
    """A loop's time, turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        timer = (self.now + delay, callback)
        self.timers.append(timer)
        return type("Handle", (), {"cancel": lambda _: self.timers.remove(timer)})()

    def turn_to(self, now: float) -> None:
        while due := [timer for timer in self.timers if timer[0] <= now]:
            self.timers.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = now


def test_a_clock_counts_from_when_it_was_last_set_and_has_one_timer() -> None:
    hand = Hand()
    over: list[float] = []
    clock = DeadlineTimer(cast("asyncio.AbstractEventLoop", hand), 10, lambda: over.append(hand.now))
    for now in (0, 4, 8):
        hand.turn_to(now)
        clock.restart()
        assert len(hand.timers) == 1
    hand.turn_to(17)
    assert not over
    hand.turn_to(40)
    assert over == [18]


def test_a_clock_that_is_stopped_is_not_over_until_it_is_set_again() -> None:
    hand = Hand()
    over: list[float] = []
    clock = DeadlineTimer(cast("asyncio.AbstractEventLoop", hand), 10, lambda: over.append(hand.now))
    clock.restart()
    clock.since = None
    hand.turn_to(50)
    assert not over
    clock.restart()
    hand.turn_to(59)
    clock.cancel()
    hand.turn_to(100)
    assert not over
    assert not hand.timers
