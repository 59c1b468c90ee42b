"""The kind `track`: its address, its batches, and what each answer of the track API means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.delivery import Delivered, Delivery, Misconfigured, Outcome, Rejected, Response, Retryable
from bridge.core.errors import SettingsError
from bridge.destinations.kinds import make_destination
from bridge.destinations.track import MOST_BYTES, TrackDestination

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE = TrackDestination("mine", "https://example.com", "a-made-up-key")


def deliveries(*texts: bytes) -> list[Delivery]:
    return [Delivery(number, "mine", f"evt_{number}", text, 0) for number, text in enumerate(texts, start=1)]


def sized(size: int) -> bytes:
    return b'"' + b"a" * (size - 2) + b'"'


def read(status: int, text: str = "", **headers: str) -> Outcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ONE.read_response(Response(status, named, text), sent=3, now=NOW)


# --------------------------------------------------------------------------------------------------------- its address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://example.com", "https://example.com/v1/track/batch"),
        ("https://example.com/", "https://example.com/v1/track/batch"),
        ("https://example.com/v1/track", "https://example.com/v1/track/batch"),
        ("https://example.com/v1/track/", "https://example.com/v1/track/batch"),
        ("https://example.com/v1/track/batch", "https://example.com/v1/track/batch"),
        ("https://example.com/v1/track/batch/", "https://example.com/v1/track/batch"),
        ("http://localhost:9000", "http://localhost:9000/v1/track/batch"),
        ("http://[::1]:9000/", "http://[::1]:9000/v1/track/batch"),
        ("HTTPS://example.com", "https://example.com/v1/track/batch"),
        ("https://example.com/eu/", "https://example.com/eu/v1/track/batch"),
        ("https://example.com/eu/v1/track", "https://example.com/eu/v1/track/batch"),
        ("https://example.com/v1/tracker", "https://example.com/v1/tracker/v1/track/batch"),
    ],
)
def test_the_url_may_be_given_with_or_without_the_path(url: str, address: str) -> None:
    one = TrackDestination("mine", url, "k")
    assert one.address == address
    assert {outgoing.url for outgoing in one.make_requests(deliveries(b"{}"), now=NOW)} == {address}


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("example.com", "must begin with https:// or http:// and name a host"),
        ("ftp://example.com", "must begin with https:// or http:// and name a host"),
        ("https://", "must begin with https:// or http:// and name a host"),
        ("https:///v1/track", "must begin with https:// or http:// and name a host"),
        ("http://[::1", "must begin with https:// or http:// and name a host"),
        ("https://someone:hunter2@example.com", "must hold no user or password; set the key as api_key"),
        ("https://hunter2@example.com", "must hold no user or password; set the key as api_key"),
        ("https://example.com?api_key=hunter2", "must have no query and no fragment; set the key as api_key"),
        ("https://example.com/#hunter2", "must have no query and no fragment; set the key as api_key"),
        ("https://example.com:99999", "names no host or port that there could be; check it"),
        ("https://example.com:hunter2", "names no host or port that there could be; check it"),
        ("https://exa mple.com", "names no host or port that there could be; check it"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_the_remedy_and_without_the_url(url: str, mend: str) -> None:
    with pytest.raises(SettingsError) as caught:
        TrackDestination("mine", url, "k")
    assert str(caught.value) == f"destination `mine`: url {mend}"


# --------------------------------------------------------------------------------------------------------- its options


def test_options_are_read_as_settings_hold_them() -> None:
    options = {
        "url": " https://example.com ",
        "api_key": "k",
        "rate": "60",
        "test": "true",
        "batch": "7",
        "concurrency": "2",
    }
    assert make_destination("track", "mine", options) == TrackDestination(
        "mine", "https://example.com", "k", 60, test=True, batch=7, concurrency=2
    )


def test_options_left_out_are_those_of_the_contract() -> None:
    one = make_destination("track", "mine", {"url": "https://example.com", "api_key": "k"})
    assert (one.rate, one.batch, one.concurrency) == (1000, 100, 1)
    assert one == TrackDestination("mine", "https://example.com", "k", test=False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"url": ""}, "destination `mine` needs `url`; set it"),
        ({"api_key": " "}, "destination `mine` needs `api_key`; set it"),
        ({"api_key": None}, "destination `mine` needs `api_key`; set it"),
        ({"api_key": "two words"}, "destination `mine`: api_key must be visible ASCII without blanks; copy it again"),
        ({"api_key": "k\r\nx: y"}, "destination `mine`: api_key must be visible ASCII without blanks; copy it again"),
        ({"rate": "many"}, "destination `mine`: rate must be a whole number"),
        ({"rate": "-1"}, "destination `mine`: rate must be a whole number"),
        ({"rate": True}, "destination `mine`: rate must be a whole number"),
        ({"rate": "1000001"}, "destination `mine`: rate must be from 0 to 1000000"),
        ({"test": "maybe"}, "destination `mine`: test must be true or false"),
        ({"batch": "0"}, "destination `mine`: batch must be from 1 to 100"),
        ({"batch": "101"}, "destination `mine`: batch must be from 1 to 100"),
        ({"concurrency": "0"}, "destination `mine`: concurrency must be from 1 to 64"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_with_its_name(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_destination("track", "mine", {"url": "https://example.com", "api_key": "k"} | wrong)
    assert str(caught.value) == message


# -------------------------------------------------------------------------------------------------------- its requests


def test_one_event_goes_as_a_batch_of_one_with_the_key_as_bearer() -> None:
    [outgoing] = ONE.make_requests(deliveries(b'{"event_type":"lead"}'), now=NOW)
    assert outgoing.body == b'{"events":[{"event_type":"lead"}]}'
    assert outgoing.headers["authorization"] == "Bearer a-made-up-key"
    assert outgoing.headers["content-type"] == "application/json"


def test_an_events_text_goes_out_byte_for_byte() -> None:
    texts = [b'{"properties":{"value":19.90}}', '{"user_data":{"city":"Łódź"}}'.encode()]
    [outgoing] = ONE.make_requests(deliveries(*texts), now=NOW)
    assert outgoing.body == b'{"events":[' + texts[0] + b"," + texts[1] + b"]}"


def test_a_hundred_events_share_a_request_and_the_next_one_starts_another() -> None:
    made = ONE.make_requests(deliveries(*[b"{}"] * 201), now=NOW)
    assert [len(outgoing.deliveries) for outgoing in made] == [100, 100, 1]


def test_a_smaller_batch_can_be_set() -> None:
    one = TrackDestination("mine", "https://example.com", "k", batch=3)
    assert [len(outgoing.deliveries) for outgoing in one.make_requests(deliveries(*[b"{}"] * 7), now=NOW)] == [3, 3, 1]


def test_a_request_of_exactly_one_mebibyte_is_whole_and_a_byte_more_is_two() -> None:
    rest = MOST_BYTES - len(b'{"events":[') - len(b",") - len(b"]}")
    half = rest // 2
    [whole] = ONE.make_requests(deliveries(sized(half), sized(rest - half)), now=NOW)
    assert len(whole.body) == 1_048_576
    two = ONE.make_requests(deliveries(sized(half), sized(rest - half + 1)), now=NOW)
    assert [len(outgoing.deliveries) for outgoing in two] == [1, 1]


@given(st.lists(st.integers(min_value=2, max_value=1_200_000), min_size=1, max_size=12))
def test_no_request_exceeds_the_limit_unless_its_one_event_does(sizes: list[int]) -> None:
    for outgoing in ONE.make_requests(deliveries(*map(sized, sizes)), now=NOW):
        assert len(outgoing.body) <= 1_048_576 or len(outgoing.deliveries) == 1
        assert len(json.loads(outgoing.body)["events"]) == len(outgoing.deliveries)


def test_an_event_beyond_the_limit_goes_alone_between_its_neighbours() -> None:
    made = ONE.make_requests(deliveries(b"{}", sized(1_048_577), b"{}", b"{}"), now=NOW)
    assert [[delivery.number for delivery in outgoing.deliveries] for outgoing in made] == [[1], [2], [3, 4]]


def test_nothing_to_send_makes_no_request() -> None:
    assert ONE.make_requests([], now=NOW) == ()


# --------------------------------------------------------------------------------------------------------- its answers


@pytest.mark.parametrize(
    "text",
    [
        '{"success": true, "event_ids": ["evt_1"]}',
        "{}",
        '{"success": null}',
        '{"success": "false"}',
        '{"success": 0}',
        '\ufeff{"success": true}',
        '{"a": 1, "a": 2}',
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_success_is_a_json_object_that_does_not_say_false(status: int, text: str) -> None:
    assert read(status, text) == Delivered()


@pytest.mark.parametrize("text", ["", "OK", "<html>", "[]", "[{}]", "true", "null", '{"success": tr', '{"a": NaN}'])
@pytest.mark.parametrize(("status", "phrase"), [(200, "ok"), (204, "no content")])
def test_success_without_a_json_object_pauses(status: int, phrase: str, text: str) -> None:
    told = f"{status} {phrase} without a JSON object: no answer of the track API; check url"
    assert read(status, text) == Misconfigured(told)


def test_success_false_is_a_refusal_with_the_answers_words() -> None:
    told = "200 ok with success false: value must be a number"
    assert read(200, '{"success": false, "error": "value must be a number"}') == Rejected(told)


@pytest.mark.parametrize(
    ("status", "phrase"), [(400, "bad request"), (413, "request entity too large"), (422, "unprocessable entity")]
)
def test_a_refusal_repeats_the_answers_words(status: int, phrase: str) -> None:
    outcome = read(status, '{"success": false, "error": "no currency"}')
    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith(f"{status} ")
    assert outcome.reason.endswith(": no currency")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "400 bad request"),
        ("no\x00\x1b[31m good\n\n  at all", "400 bad request: no [31m good at all"),
        ('{"error": "a\\u0000\\ud800b"}', "400 bad request: a b"),
        ('{"error": {"code": 7}}', '400 bad request: {"code":7}'),
        ('{"message": "odd"}', '400 bad request: {"message":"odd"}'),
        ('{"error": "1 bad event", "errors": [{"index": 0, "error": "no value"}]}', "400 bad request: no value"),
        ('{"error": "2 bad events", "errors": [{"index": 0}, {"index": 1}]}', "400 bad request: 2 bad events"),
        ('{"error": "bad", "errors": [{"index": 0}]}', "400 bad request: bad"),
        ("x" * 1000, "400 bad request: " + "x" * 200),
    ],
)
def test_a_refusals_words_are_short_and_printable(text: str, words: str) -> None:
    assert read(400, text) == Rejected(words)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_pauses(status: int) -> None:
    outcome = read(status, '{"success": false, "error": "Invalid API key"}')
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.endswith(": the key is not accepted; check api_key")


@pytest.mark.parametrize("status", [402, 404, 405, 406, 409, 410, 418, 431, 451, 499])
def test_any_other_4xx_pauses(status: int) -> None:
    assert isinstance(read(status), Misconfigured)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_pauses(status: int) -> None:
    outcome = read(status, location="https://example.com/elsewhere")
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.endswith("a redirect, which is never followed; set the final url")


@pytest.mark.parametrize("status", [101, 600, 999])
def test_a_status_that_means_nothing_here_pauses(status: int) -> None:
    assert isinstance(read(status, "{}"), Misconfigured)


@pytest.mark.parametrize(("status", "breaks"), [(408, False), (425, False), (429, False), (500, True), (503, True)])
def test_a_busy_or_broken_upstream_is_for_later(status: int, breaks: bool) -> None:  # noqa: FBT001
    outcome = read(status, "<html>")
    assert isinstance(outcome, Retryable)
    assert (outcome.retry_after, outcome.breaks) == (None, breaks)


@pytest.mark.parametrize("status", [599, 520])
def test_a_server_error_without_a_name_is_for_later_too(status: int) -> None:
    assert read(status) == Retryable(str(status), breaks=True)


def test_what_the_upstream_asks_to_wait_is_told() -> None:
    assert read(429, retry_after="7") == Retryable("429 too many requests", timedelta(seconds=7))
    told = Retryable("503 service unavailable", timedelta(minutes=1), breaks=True)
    assert read(503, retry_after="Sun, 01 Mar 2026 12:01:00 GMT") == told
