"""The same event twice: by idempotency key, by event_id, by conversion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from track_server import Api, Key, serving

LEAD = {"event_type": "lead"}
KEYS = (Key("a", "key-a"), Key("b", "key-b"), Key("c", "key-c", scope="shop"), Key("d", "key-d", scope="pos"))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serving(tmp_path, *KEYS) as one:
        yield one


def purchase(order_id: str, **more: Any) -> dict[str, Any]:
    return {"event_type": "purchase", "properties": {"order_id": order_id, "value": 9.5, "currency": "EUR"}} | more


def idempotent(api: Api, body: Any, name: str, *, key: str = "key-a", path: str = "/v1/track") -> tuple[int, Any]:
    answer = api.post(path, body, key=key, headers={"Idempotency-Key": name})
    return answer.status_code, answer.json()


def test_the_same_idempotency_key_and_body_answer_the_same_and_keep_nothing_new(api: Api) -> None:
    first = idempotent(api, LEAD, "once")
    assert first == (200, {"success": True, "event_id": "evt_1704067200000_000000000000"})
    assert idempotent(api, LEAD, "once") == first
    assert len(api.rows()) == 1


def test_a_batchs_idempotency_key_answers_the_whole_batch_again(api: Api) -> None:
    batch = {"events": [purchase("A-1"), purchase("A-1"), LEAD]}
    first = idempotent(api, batch, "once", path="/v1/track/batch")
    assert idempotent(api, batch, "once", path="/v1/track/batch") == first
    assert first[1]["duplicates"][0]["index"] == 1
    assert len(api.rows()) == 3


def test_an_idempotency_key_with_another_body_gets_422(api: Api) -> None:
    idempotent(api, LEAD, "once")
    status, answer = idempotent(api, purchase("A-1"), "once")
    assert (status, answer["success"]) == (422, False)
    assert len(api.rows()) == 1


def test_an_idempotency_key_belongs_to_the_api_keys_of_one_scope_and_to_one_endpoint(api: Api) -> None:
    first = idempotent(api, LEAD, "once")
    assert idempotent(api, LEAD, "once", key="key-b") == first
    assert idempotent(api, LEAD, "once", key="key-c")[0] == 200
    assert idempotent(api, {"events": [LEAD]}, "once", path="/v1/track/batch")[0] == 200
    assert len(api.rows()) == 3


def test_a_refused_request_leaves_its_idempotency_key_free(api: Api) -> None:
    assert idempotent(api, {}, "once")[0] == 400
    assert idempotent(api, LEAD, "once")[0] == 200


@pytest.mark.parametrize("name", ["", "a b", "x" * 256, "ü"])
def test_an_idempotency_key_is_1_to_255_visible_ascii_characters(api: Api, name: str) -> None:
    answer = api.post("/v1/track", LEAD, key="key-a", headers={"Idempotency-Key": name.encode("latin-1")})
    assert answer.status_code == 400
    assert api.rows() == []
    assert idempotent(api, LEAD, "!" * 255)[0] == 200


def test_two_idempotency_keys_are_refused(api: Api) -> None:
    headers = [("Authorization", "Bearer key-a"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert api.ask("POST", "/v1/track", headers=headers, content=b'{"event_type":"lead"}').status_code == 400


def test_the_same_event_id_again_is_one_event(api: Api) -> None:
    for body in (LEAD | {"event_id": "e-1"}, purchase("A-1", event_id="e-1")):
        assert api.post("/v1/track", body, key="key-a").json() == {"success": True, "event_id": "e-1"}
    batch = {"events": [LEAD | {"event_id": "e-2"}, LEAD | {"event_id": "e-2"}]}
    assert api.post("/v1/track/batch", batch, key="key-a").json() == {"success": True, "event_ids": ["e-2", "e-2"]}
    assert [row.id for row in api.rows()] == ["e-1", "e-2"]


def test_an_event_id_belongs_to_the_api_keys_of_one_scope(api: Api) -> None:
    for key in ("key-a", "key-b"):
        answer = api.post("/v1/track", LEAD | {"event_id": "e-1"}, key=key)
        assert answer.json() == {"success": True, "event_id": "e-1"}
    assert len(api.rows()) == 1


def test_another_scopes_event_is_answered_by_its_own_id_and_the_given_one(api: Api) -> None:
    for key in ("key-a", "key-c", "key-d"):
        api.post("/v1/track", LEAD | {"event_id": "e-1"}, key=key)
    answers = [api.post("/v1/track", LEAD | {"event_id": "e-1"}, key=key).json() for key in ("key-a", "key-c", "key-d")]
    assert answers[0] == {"success": True, "event_id": "e-1"}
    for answer in answers[1:]:
        assert answer == {"success": True, "event_id": answer["event_id"], "given_event_id": "e-1"}
    sent = [event["event_id"] for event in api.sent()]
    assert sent == [answer["event_id"] for answer in answers]
    assert len(set(sent)) == 3


def test_a_batch_says_by_index_which_of_its_events_got_another_id(api: Api) -> None:
    api.post("/v1/track", LEAD | {"event_id": "e-2"}, key="key-a")
    batch = {"events": [LEAD | {"event_id": "e-1"}, LEAD | {"event_id": "e-2"}, LEAD]}
    answer = api.post("/v1/track/batch", batch, key="key-c").json()
    made = answer["event_ids"][1]
    assert answer == {
        "success": True,
        "event_ids": ["e-1", made, answer["event_ids"][2]],
        "given_event_ids": [{"index": 1, "event_id": made, "given_event_id": "e-2"}],
    }
    again = api.post("/v1/track/batch", {"events": batch["events"][:2]}, key="key-c").json()
    assert again["given_event_ids"] == answer["given_event_ids"]
    assert len(api.rows()) == 4


def test_a_duplicate_that_got_another_id_says_both(api: Api) -> None:
    api.post("/v1/track", LEAD | {"event_id": "e-2"}, key="key-a")
    api.post("/v1/track", purchase("A-1", event_id="e-1"), key="key-c")
    answer = api.post("/v1/track", purchase("A-1", event_id="e-2"), key="key-c").json()
    assert (answer["duplicate_of"], answer["given_event_id"]) == ("e-1", "e-2")


def test_an_idempotency_key_answers_the_made_id_again(api: Api) -> None:
    api.post("/v1/track", LEAD | {"event_id": "e-1"}, key="key-a")
    first = idempotent(api, LEAD | {"event_id": "e-1"}, "once", key="key-c")
    assert first[1]["given_event_id"] == "e-1"
    assert idempotent(api, LEAD | {"event_id": "e-1"}, "once", key="key-c") == first


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.one_of(st.text(max_size=4), st.text(alphabet="aZ9_.:-", min_size=1, max_size=140)))
def test_an_event_id_is_taken_or_named_in_the_refusal(api: Api, name: str) -> None:
    answer = api.post("/v1/track", LEAD | {"event_id": name}, key="key-a")
    if re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", name):
        assert (answer.status_code, answer.json()["event_id"]) == (200, name)
    else:
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("event_id ")


def test_the_same_conversion_again_is_kept_named_and_not_forwarded(api: Api) -> None:
    first = api.post("/v1/track", purchase("A-1"), key="key-a").json()["event_id"]
    for key in ("key-a", "key-b"):
        answer = api.post("/v1/track", purchase("A-1"), key=key).json()
        assert answer.keys() == {"success", "event_id", "duplicate_of"}
        assert answer["duplicate_of"] == first != answer["event_id"]
    assert len(api.rows()) == 3
    assert len(api.deliveries()) == 1


def test_a_batch_names_its_duplicates_beside_its_ids(api: Api) -> None:
    answer = api.post("/v1/track/batch", {"events": [LEAD, purchase("A-1"), purchase("A-1")]}, key="key-a").json()
    ids = [f"evt_1704067200000_00000000000{i}" for i in range(3)]
    assert answer == {
        "success": True,
        "event_ids": ids,
        "duplicates": [{"index": 2, "event_id": ids[2], "duplicate_of": ids[1]}],
    }


def test_another_scope_and_a_test_are_other_conversions(api: Api) -> None:
    assert "duplicate_of" not in api.post("/v1/track", purchase("A-1"), key="key-a").json()
    assert "duplicate_of" not in api.post("/v1/track", purchase("A-1"), key="key-c").json()
    assert "duplicate_of" not in api.post("/v1/track", purchase("A-1", test=True), key="key-a").json()
