"""Heads that do not come, or do not end: the connection is closed, whoever keeps it open."""

from __future__ import annotations

from pathlib import Path

import pytest
from track_server import Line, head, serving

from bridge.cli.heads import HEAD_BYTES

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
