"""Requests to the track API and their answers: every status of the contract, and what is kept."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from track_server import KEY, Api, Key, serving

CURL: dict[str, Any] = {
    "event_type": "purchase",
    "timestamp": "2024-01-15T14:30:45Z",
    "session_id": "sess_abc123",
    "user_id": "user_12345",
    "properties": {"order_id": "ORD-12345", "value": 99.99, "currency": "USD"},
    "user_data": {"email": "customer@example.com", "phone": "+1234567890"},
    "context": {"ip": "203.0.113.0", "user_agent": "Mozilla/5.0...", "page_url": "https://yoursite.com/checkout"},
}
BATCH: dict[str, Any] = {
    "events": [
        {"event_type": "purchase", "properties": {"order_id": "ORD-001", "value": 99.99}},
        {"event_type": "purchase", "properties": {"order_id": "ORD-002", "value": 149.99}},
    ]
}
AXIOS: dict[str, Any] = {
    "event_type": "purchase",
    "properties": {"order_id": "A-1", "value": 12.5, "currency": "USD"},
    "user_data": {"email": "ada@example.com", "phone": "+15550100"},
    "context": {"session_id": "sess_1", "ip": "203.0.113.0"},
}
LEAD = {"event_type": "lead"}


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One API for all the requests that it must refuse."""
    with serving(tmp_path_factory.mktemp("refusing")) as one:
        yield one


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serving(tmp_path) as one:
        yield one


# ---------------------------------------------------------------------------------------------------------- taken


def test_the_pages_event_is_taken_and_kept_as_it_came(api: Api) -> None:
    answer = api.post("/v1/track", CURL)
    assert (answer.status_code, answer.json()) == (
        200,
        {"success": True, "event_id": "evt_1704067200000_000000000000"},
    )
    assert answer.headers["content-type"] == "application/json"
    assert api.events() == [CURL | {"event_id": "evt_1704067200000_000000000000"}]
    assert [row.destination for row in api.deliveries()] == ["track"]
    assert api.seen.woken == 1
    assert api.seen.tracked_ == [("/v1/track", 200, 1)]


def test_the_pages_batch_is_taken_in_order(api: Api) -> None:
    answer = api.post("/v1/track/batch", BATCH)
    ids = ["evt_1704067200000_000000000000", "evt_1704067200000_000000000001"]
    assert (answer.status_code, answer.json()) == (200, {"success": True, "event_ids": ids})
    assert [event["properties"]["order_id"] for event in api.events()] == ["ORD-001", "ORD-002"]
    assert [event["event_id"] for event in api.events()] == ids
    assert api.seen.tracked_ == [("/v1/track/batch", 200, 2)]


def test_the_pages_axios_sample_is_taken_with_its_contexts_session(api: Api) -> None:
    assert api.post("/v1/track", AXIOS).status_code == 200
    [event] = api.events()
    assert event["session_id"] == "sess_1"
    assert event["timestamp"] == "2024-01-01T00:00:00.000Z"


def test_a_given_event_id_is_answered(api: Api) -> None:
    assert api.post("/v1/track", LEAD | {"event_id": "mine-1"}).json() == {"success": True, "event_id": "mine-1"}


def test_a_batch_of_one_and_of_a_hundred_is_taken(api: Api) -> None:
    for count in (1, 100):
        answer = api.post("/v1/track/batch", {"events": [LEAD] * count})
        assert (answer.status_code, len(answer.json()["event_ids"])) == (200, count)


def test_the_content_type_does_not_matter(api: Api) -> None:
    for content_type in ("text/plain", "application/json; charset=latin-1", ""):
        answer = api.post("/v1/track", '{"event_type":"lead","x":"é"}'.encode(), headers={"Content-Type": content_type})
        assert answer.status_code == 200
    assert {event["x"] for event in api.events()} == {"é"}


def test_an_events_deliveries_go_where_its_key_says(tmp_path: Path) -> None:
    with serving(tmp_path, Key("a", "key-a", to=("one", "two"))) as api:
        assert api.post("/v1/track", LEAD, key="key-a").status_code == 200
        assert {row.destination for row in api.deliveries()} == {"one", "two"}


# ------------------------------------------------------------------------------------------------------------ 400


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "the body is empty; send JSON"),
        (b"{", "not JSON"),
        (b"null", "the event must be an object, got null"),
        (b"[]", "the event must be an object, got an array"),
        (b"{}", "event_type is missing"),
        (b'\xef\xbb\xbf{"event_type":"lead"}', "byte order mark"),
        ('{"event_type":"lead"}'.encode("utf-16"), "not UTF-8 but UTF-16 or UTF-32; send it in UTF-8"),
        ('{"event_type":"lead"}'.encode("utf-16-be"), "not UTF-8 but UTF-16 or UTF-32; send it in UTF-8"),
        (gzip.compress(b'{"event_type":"lead"}', mtime=0), "compressed with gzip; send it uncompressed"),
        (b'{"event_type":"l\xffead"}', "not UTF-8: the byte at offset 16"),
        (b'{"event_type":"lead","event_type":"lead"}', "'event_type' is twice"),
        (b'{"event_type":"lead","a":NaN}', "NaN is not JSON"),
        (b'{"event_type":"lead","a":-Infinity}', "Infinity is not JSON"),
        (b'{"event_type":"lead","a":1e999}', "beyond 1e400"),
        (b'{"event_type":"lead","a":1e99999999999999999999}', "beyond 1e400"),
        (b'{"event_type":"lead","a":' + b"9" * 500 + b"}", "over 400 digits"),
        (b'{"event_type":"lead","a":"\\ud800"}', "a holds half a character"),
        (b'{"event_type":"lead","a\\udfff":1}', 'the name of ["a\\udfff"] holds half a character'),
        (b'{"event_type":"lead","a":"\\u0000"}', "a holds the character U+0000"),
        (b'{"event_type":"lead","a":"\x00"}', "not JSON"),
        (b'{"event_type":"lead","a":' + b"[" * 100 + b"]" * 100 + b"}", "nested deeper than 64 levels"),
        (b'{"event_type":"lead","a":' + b"[" * 500_000, "nested too deep"),
        (b'{"event_type":"lead"} {}', "not JSON"),
        (b'{"event_type":"lead","properties":{"value":"99.99"}}', 'must be a number, got "99.99" (a string)'),
        (b'{"event_type":"lead","user_id":5}', "user_id must be a string, got a number"),
        (b'{"events":[]}', "a batch goes to /v1/track/batch"),
    ],
)
def test_what_is_no_event_is_refused_with_400_and_a_reason(refusing: Api, body: bytes, error: str) -> None:
    answer = refusing.post("/v1/track", body)
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert error in answer.json()["error"]
    assert refusing.rows() == []
    assert refusing.seen.woken == 0


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (LEAD, 'the body must be {"events": [event, …]}; a single event goes to /v1/track'),
        ([LEAD], 'the body must be {"events": [event, …]}'),
        ({"events": LEAD}, 'the body must be {"events": [event, …]}'),
        ({"events": []}, "events must hold 1 to 100 events, got 0"),
        ({"events": [LEAD] * 101}, "events must hold 1 to 100 events, got 101"),
    ],
)
def test_what_is_no_batch_is_refused_with_400_and_a_reason(refusing: Api, body: Any, error: str) -> None:
    answer = refusing.post("/v1/track/batch", body)
    assert (answer.status_code, answer.json()) == (400, {"success": False, "error": error})


def test_a_batch_with_bad_events_names_each_of_them_and_nothing_of_it_is_kept(refusing: Api) -> None:
    answer = refusing.post("/v1/track/batch", {"events": [LEAD, {}, LEAD, {"event_type": 5}, "lead"]})
    assert answer.status_code == 400
    assert answer.json() == {
        "success": False,
        "error": "3 of 5 events cannot be taken, so none was; events[1]: event_type is missing",
        "errors": [
            {"index": 1, "error": "event_type is missing"},
            {"index": 3, "error": "event_type must be a string, got 5 (a number)"},
            {"index": 4, "error": "the event must be an object, got a string"},
        ],
    }
    assert refusing.rows() == []


def test_every_problem_of_an_event_is_told_up_to_five_and_the_rest_counted(refusing: Api) -> None:
    answer = refusing.post("/v1/track", {"event_type": "p", "user_data": dict.fromkeys(["email", "phone", "city"], 1)})
    assert answer.json()["error"].count("must be a string") == 3
    answer = refusing.post("/v1/track", {"event_type": "p", "properties": {"items": [1] * 7}})
    assert answer.json()["error"].endswith("properties.items[4] must be an object, got 1 (a number); and 2 more")


# ------------------------------------------------------------------------------------------------------------ 401


def test_the_key_comes_in_the_header_or_in_the_query(api: Api) -> None:
    assert api.post("/v1/track", LEAD).status_code == 200
    assert api.post(f"/v1/track?api_key={KEY}", LEAD, key=None).status_code == 200
    assert api.post("/v1/track", LEAD, key=None, headers={"authorization": f"bearer  {KEY}"}).status_code == 200


def test_the_header_wins_over_the_query(api: Api) -> None:
    assert api.post("/v1/track?api_key=wrong", LEAD).status_code == 200
    assert api.post(f"/v1/track?api_key={KEY}", LEAD, key="wrong").status_code == 401
    basic = {"Authorization": "Basic YTpi"}
    assert api.post(f"/v1/track?api_key={KEY}", LEAD, key=None, headers=basic).status_code == 200


@pytest.mark.parametrize("path", ["/v1/track", "/v1/track/batch"])
def test_no_key_or_an_unknown_one_gets_401_and_nothing_is_kept(refusing: Api, path: str) -> None:
    for answer in (
        refusing.post(path, LEAD, key="wrong"),
        refusing.post(path, LEAD, key=None, headers={"Authorization": "Bearer"}),
        refusing.post(path, LEAD, key=None),
        refusing.post(path, LEAD, key=None, headers={"Authorization": "Basic YTpi"}),
        refusing.post(path, LEAD, key=None, headers={"Authorization": KEY}),
        refusing.post(f"{path}?api_key=", LEAD, key=None),
        refusing.post(f"{path}?api_key={KEY}&api_key={KEY}", LEAD, key=None),
        refusing.post(path, LEAD, key="sha256:" + hashlib.sha256(KEY.encode()).hexdigest()),
    ):
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json()["success"] is False
    assert refusing.post(path, LEAD, key="wrong").json()["error"] == "Invalid API key"
    assert refusing.rows() == []


def test_whoever_watches_is_told_the_keys_name_and_none_for_a_stranger(tmp_path: Path) -> None:
    with serving(tmp_path, Key("shop", "key-a", rate=1)) as api:
        asked = [api.post("/v1/track", LEAD, key=key).status_code for key in ("key-a", "key-a", "other", None)]
        assert asked == [200, 429, 401, 401]
        assert api.seen.keys == ["shop", "shop", None, None]
        assert [row.origin for row in api.rows()] == ["key:shop"]


def test_a_key_may_be_set_by_its_sha_256_alone(tmp_path: Path) -> None:
    with serving(tmp_path, Key("a", "sha256:" + hashlib.sha256(b"k").hexdigest())) as api:
        assert api.post("/v1/track", LEAD, key="k").status_code == 200


# ------------------------------------------------------------------------------------------ other addresses, methods


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
@pytest.mark.parametrize("path", ["/v1/track", "/v1/track/batch"])
def test_another_method_gets_405_with_the_one_that_is_allowed(refusing: Api, method: str, path: str) -> None:
    answer = refusing.ask(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert answer.json() == {"success": False, "error": "this address takes POST"}


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/track/", "/v1/tracks", "/v1/track/batch/", "/V1/track", "//v1/track"]
)
def test_an_unknown_address_gets_404_as_json(refusing: Api, path: str) -> None:
    answer = refusing.post(path, LEAD)
    assert (answer.status_code, answer.json()["success"]) == (404, False)


# ----------------------------------------------------------------------------------------------------- 415, 429


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "GZIP", "x"])
def test_a_content_encoding_gets_415(refusing: Api, encoding: str) -> None:
    answer = refusing.post("/v1/track", LEAD, headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["success"]) == (415, False)


def test_the_encoding_identity_is_none(api: Api) -> None:
    assert api.post("/v1/track", LEAD, headers={"Content-Encoding": "Identity"}).status_code == 200


def test_over_its_rate_a_key_gets_429_and_is_told_when_to_come_again(tmp_path: Path) -> None:
    with serving(tmp_path, Key("a", "key-a", rate=3), Key("b", "key-b", rate=1)) as api:
        for second in (0.0, 10.0, 20.5):
            api.ticks[0] = second
            assert api.post("/v1/track", LEAD, key="key-a").status_code == 200
        for _ in range(2):
            answer = api.post("/v1/track/batch", {"events": [LEAD]}, key="key-a")
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "40")
            assert answer.json()["success"] is False
        assert api.post("/v1/track", LEAD, key="key-b").status_code == 200
        api.ticks[0] = 60.0
        assert api.post("/v1/track", LEAD, key="key-a").status_code == 200
        assert api.post("/v1/track", LEAD, key="key-a").headers["retry-after"] == "10"


def test_a_batch_is_one_request_and_a_refused_event_counts_like_any(tmp_path: Path) -> None:
    with serving(tmp_path, Key("a", KEY, rate=2)) as api:
        assert api.post("/v1/track/batch", {"events": [LEAD] * 100}).status_code == 200
        assert api.post("/v1/track", {}).status_code == 400
        assert api.post("/v1/track", LEAD).status_code == 429
        assert api.post("/v1/track", LEAD, key="wrong").status_code == 401
