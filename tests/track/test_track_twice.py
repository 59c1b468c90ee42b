"""The same event twice: by idempotency key, by event_id, by conversion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from track_server import Api, Key, serving

LEAD = {"event_type": "lead"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serving(tmp_path, Key("a", "key-a"), Key("b", "key-b"), Key("c", "key-c", scope="shop")) as one:
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


def test_an_idempotency_key_belongs_to_one_api_key_and_one_endpoint(api: Api) -> None:
    idempotent(api, LEAD, "once")
    assert idempotent(api, LEAD, "once", key="key-b")[0] == 200
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


def test_an_event_id_belongs_to_one_api_key(api: Api) -> None:
    for key in ("key-a", "key-b"):
        assert api.post("/v1/track", LEAD | {"event_id": "e-1"}, key=key).status_code == 200
    assert len(api.rows()) == 2


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
