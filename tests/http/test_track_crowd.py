"""Two hundred clients at once, each on a connection of its own, all of them telling the same thing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from track_server import Api, head, serving

from bridge import contract
from bridge.http.track import IN_LOOP

CROWD = 200
PURCHASE = b'{"event_type":"purchase","properties":{"order_id":"A-1","value":99.99,"currency":"EUR"}}'


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with serving(tmp_path) as one:
        yield one


def shouted(api: Api, *headers: str) -> list[Any]:
    """What each of the crowd is answered; all are connected before the first one sends."""
    gate = threading.Barrier(CROWD)
    answers: list[Any] = []

    def one() -> None:
        with api.connect() as line:
            gate.wait(60)
            line.send(head("/v1/track", f"Content-Length: {len(PURCHASE)}", *headers) + PURCHASE)
            answers.append(line.answer())

    threads = [threading.Thread(target=one) for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _, _ in answers] == [200] * CROWD
    return [answer for _, _, answer in answers]


def test_two_hundred_with_the_same_idempotency_key_make_one_event_and_get_one_answer(api: Api) -> None:
    answers = shouted(api, "Idempotency-Key: once")
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].keys() == {"success", "event_id"}
    assert [row.id for row in api.rows()] == [answers[0]["event_id"]]
    assert len(api.deliveries()) == 1


def test_two_hundred_with_the_same_order_make_one_delivery_and_the_others_are_kept_as_its_duplicates(api: Api) -> None:
    answers = shouted(api)
    [first] = [answer["event_id"] for answer in answers if "duplicate_of" not in answer]
    assert sum(answer.get("duplicate_of") == first for answer in answers) == CROWD - 1
    rows = api.rows()
    assert len({row.id for row in rows}) == CROWD
    assert {row.duplicate_of for row in rows} == {None, first}
    assert [row.event for row in api.deliveries()] == [first]


LARGE = {"event_type": "large", "text": "x" * IN_LOOP}
SMALL_ONE = {"event_type": "small"}


def test_while_a_large_body_is_read_a_small_one_is_answered_and_another_large_one_waits(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate, entered, go_on = contract.validate_event, threading.Semaphore(0), threading.Semaphore(0)
    reading: list[int] = []

    def slow(raw: Any, **named: Any) -> Any:
        if raw["event_type"] == "large":
            reading.append(1)
            assert len(reading) == 1, "two at once"
            entered.release()
            assert go_on.acquire(timeout=5)
            reading.clear()
        return validate(raw, **named)

    monkeypatch.setattr(contract, "validate_event", slow)
    with ThreadPoolExecutor(2) as pool:
        large = [pool.submit(api.post, "/v1/track", LARGE) for _ in range(2)]
        for _ in large:
            assert entered.acquire(timeout=20)
            assert api.post("/v1/track", SMALL_ONE).status_code == 200
            go_on.release()
        assert [one.result(20).status_code for one in large] == [200, 200]
    assert sorted(event["event_type"] for event in api.events()) == ["large", "large", "small", "small"]


@pytest.mark.parametrize(
    ("body", "status"), [({"event_type": 1, "text": "x" * IN_LOOP}, 400), (b"[" * IN_LOOP * 2, 400)]
)
def test_what_is_wrong_with_a_large_body_is_answered_as_of_a_small_one(api: Api, body: Any, status: int) -> None:
    answer = api.post("/v1/track", body)
    assert (answer.status_code, answer.json()["success"]) == (status, False)
    assert api.events() == []
