"""The track API byte by byte: limits that hold while bytes arrive, and answers that are seen by whoever still sends."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from track_server import Api, Key, Line, head, serving

LIMIT = 1_048_576
LEAD = b'{"event_type":"lead"}'


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serving(tmp_path) as one:
        yield one


def padded(size: int) -> bytes:
    return LEAD[:-1] + b',"x":"' + b"x" * (size - len(LEAD) - 7) + b'"}'


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def flood(line: Line) -> None:
    for _ in range(1000):
        line.send(chunk(b" " * LIMIT))


def test_exactly_1_mib_is_taken_declared_and_chunked(api: Api) -> None:
    body = padded(LIMIT)
    assert len(body) == LIMIT
    assert api.post("/v1/track", body).status_code == 200
    with api.connect() as line:
        line.send(head("/v1/track", "Transfer-Encoding: chunked") + chunk(body[:500]) + chunk(body[500:]) + chunk(b""))
        assert line.answer()[0] == 200


def test_one_byte_more_is_413_before_a_byte_of_it_is_sent(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", f"Content-Length: {LIMIT + 1}"))
        status, headers, answer = line.answer()
        assert (status, headers["connection"]) == (413, "close")
        assert answer == {"success": False, "error": "the body is over 1048576 bytes; send less"}


def test_without_a_length_413_is_answered_while_the_caller_still_sends(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", "Transfer-Encoding: chunked") + chunk(b" " * LIMIT) + chunk(b" "))
        status, headers, answer = line.answer()
        assert (status, headers["connection"], answer["success"]) == (413, "close", False)
        line.send(chunk(b" " * 1000) + chunk(b""))
        assert line.is_over()
    assert api.rows() == []


def test_a_caller_who_sends_all_before_reading_sees_413(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", f"Content-Length: {3 * LIMIT}") + b" " * (3 * LIMIT))
        assert line.answer()[0] == 413


def test_a_caller_who_never_stops_sending_is_cut_off(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", "Transfer-Encoding: chunked") + chunk(b" " * (LIMIT + 1)))
        assert line.answer()[0] == 413
        with pytest.raises(ConnectionError):
            flood(line)


def test_a_caller_who_falls_silent_after_413_is_cut_off(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", f"Content-Length: {3 * LIMIT}") + b" " * 1000)
        assert line.answer()[0] == 413
        assert line.is_over()


def test_an_unknown_caller_gets_401_without_his_body_being_waited_for(api: Api) -> None:
    for framing in (f"Content-Length: {LIMIT}", "Transfer-Encoding: chunked"):
        with api.connect() as line:
            line.send(head("/v1/track", framing, key=None))
            status, headers, _ = line.answer()
            assert (status, headers["connection"]) == (401, "close")


def test_a_wrong_key_in_the_address_gets_401_without_its_body_being_waited_for(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track?api_key=wrong", f"Content-Length: {LIMIT}", key=None))
        status, headers, _ = line.answer()
        assert (status, headers["connection"]) == (401, "close")


def test_a_small_body_that_nobody_read_leaves_the_connection_usable(api: Api) -> None:
    request = head("/v1/track", f"Content-Length: {len(LEAD)}", key=None) + LEAD
    unknown = head("/nowhere", f"Content-Length: {len(LEAD)}") + LEAD
    with api.connect() as line:
        for sent, status in ((request, 401), (unknown, 404), (request, 401)):
            line.send(sent)
            assert line.answer()[0] == status
        line.send(head("/v1/track", f"Content-Length: {len(LEAD)}") + LEAD)
        assert line.answer()[0] == 200


def test_pipelined_requests_are_answered_in_order(api: Api) -> None:
    bodies = [b'{"event_type":"lead","event_id":"e-%d"}' % number for number in range(5)]
    requests = [head("/v1/track", f"Content-Length: {len(body)}") + body for body in bodies]
    with api.connect() as line:
        line.send(b"".join(requests))
        assert [line.answer()[2]["event_id"] for _ in bodies] == [f"e-{number}" for number in range(5)]


def test_a_caller_who_expects_100_continue_is_told_to_go_on_and_then_answered(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", f"Content-Length: {len(LEAD)}", "Expect: 100-continue"))
        assert line.answer() == (100, {}, None)
        line.send(LEAD)
        assert line.answer()[0] == 200


@pytest.mark.parametrize("key", [None, "wrong"])
def test_a_caller_who_expects_100_continue_and_is_unknown_is_refused_at_once(api: Api, key: str | None) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", f"Content-Length: {len(LEAD)}", "Expect: 100-continue", key=key))
        status, headers, _ = line.answer()
        assert (status, headers["connection"]) == (401, "close")


def test_a_caller_who_expects_100_continue_with_too_much_is_refused_at_once(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", f"Content-Length: {LIMIT + 1}", "Expect: 100-continue"))
        assert line.answer()[0] == 413


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_a_body_that_does_not_come_in_time_gets_408(tmp_path: Path, framing: str) -> None:
    with serving(tmp_path, patience=0.05) as api, api.connect() as line:
        line.send(head("/v1/track", framing) + (b"{" if "10" in framing else chunk(b"{")))
        status, headers, answer = line.answer()
        assert (status, headers["connection"]) == (408, "close")
        assert answer == {"success": False, "error": "the body took longer than 0.05 s; send it again"}
        assert line.is_over()


def test_a_compressed_body_gets_415(api: Api) -> None:
    body = gzip.compress(LEAD)
    with api.connect() as line:
        line.send(head("/v1/track", f"Content-Length: {len(body)}", "Content-Encoding: gzip") + body)
        assert line.answer()[0] == 415
    assert api.rows() == []


def test_a_caller_who_hangs_up_in_the_middle_leaves_nothing(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", "Content-Length: 1000") + LEAD)
    assert api.post("/v1/track", LEAD).status_code == 200
    assert len(api.rows()) == 1


def test_two_authorization_headers_are_no_key(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", f"Content-Length: {len(LEAD)}", "Authorization: Bearer x") + LEAD)
        assert line.answer()[0] == 401


@pytest.mark.parametrize(
    "framing", [("Content-Length: 21", "Content-Length: 22"), ("Content-Length: 21", "Transfer-Encoding: chunked")]
)
def test_a_body_framed_twice_is_refused_and_not_kept(api: Api, framing: tuple[str, str]) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", *framing) + LEAD)
        assert line.socket.recv(12) == b"HTTP/1.1 400"
    assert api.rows() == []


def test_a_zero_byte_chunked_body_is_empty(api: Api) -> None:
    with api.connect() as line:
        line.send(head("/v1/track", "Transfer-Encoding: chunked") + chunk(b""))
        assert line.answer()[2] == {"success": False, "error": "the body is empty; send JSON"}


def test_a_connection_serves_on_after_each_kind_of_refusal_that_read_the_body(tmp_path: Path) -> None:
    with serving(tmp_path, Key("a", "key-a", rate=2)) as api, api.connect() as line:
        for body, status in ((b"{}", 400), (LEAD, 200), (LEAD, 429)):
            line.send(head("/v1/track", f"Content-Length: {len(body)}", key="key-a") + body)
            assert line.answer()[0] == status


def test_an_event_keeps_every_digit_from_socket_to_disk(api: Api) -> None:
    body = b'{"event_type":"lead","properties":{"value":19.90,"n":123456789012345678901234567890}}'
    assert api.post("/v1/track", body).status_code == 200
    [detail] = api.shown(api.rows()[0].id)
    assert b'"value":19.90,"n":123456789012345678901234567890' in detail.text
    assert json.loads(detail.text)["properties"]["n"] == 123456789012345678901234567890
