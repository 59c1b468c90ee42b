"""When the store cannot, or the fault is ours: JSON, a Retry-After, no detail, and nothing said twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from track_server import KEY, Api, Key, serving

from bridge.core import log
from bridge.core.errors import StoreUnavailable
from bridge.core.model import Accepted, Routed
from bridge.http import track
from bridge.store.protocol import Idempotency, Store

LEAD = {"event_type": "lead"}


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fault was told yet in this minute, whatever other tests did."""
    monkeypatch.setattr(track, "_faults", log.RateLimitedLog())


class Failing:
    """A store that takes nothing."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def accept_events(
        self, events: Sequence[Routed], *, now: datetime, idempotency: Idempotency | None = None
    ) -> tuple[Accepted, ...]:
        raise self.error

    async def close(self) -> None:
        return


def refused(folder: Path, error: Exception) -> tuple[Api, Any]:
    with serving(folder, store=cast("Store", Failing(error))) as api:
        return api, api.post("/v1/track", LEAD)


@pytest.mark.parametrize(("wait", "seconds"), [(None, "5"), (timedelta(seconds=1.2), "2"), (timedelta(), "1")])
def test_a_store_that_cannot_take_it_gets_503_with_retry_after(
    tmp_path: Path, wait: timedelta | None, seconds: str
) -> None:
    api, answer = refused(tmp_path, StoreUnavailable("/srv/secret.db: the disk is full", retry_after=wait))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, seconds)
    assert answer.json() == {"success": False, "error": "cannot be kept now; send it again later"}
    assert api.seen.tracked_ == [("/v1/track", 503, 0)]
    assert api.seen.woken == 0


def test_a_fault_of_ours_gets_500_as_json_without_a_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        api, answer = refused(tmp_path, RuntimeError("ada@example.com"))
    assert (answer.status_code, answer.json()["success"]) == (500, False)
    assert api.seen.tracked_ == [("/v1/track", 500, 0)]
    assert "ada" not in answer.text + caplog.text
    assert "http.fault error=RuntimeError at=test_track_trouble.py:" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_fault_that_repeats_is_told_once_a_minute_for_each_cause(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing(RuntimeError())
    with caplog.at_level(logging.WARNING), serving(tmp_path, store=cast("Store", failing)) as api:
        assert [api.post("/v1/track", LEAD).status_code for _ in range(5)] == [500] * 5
        failing.error = KeyError()
        assert api.post("/v1/track", LEAD).status_code == 500
    told = [record.getMessage() for record in caplog.records if "http.fault" in record.getMessage()]
    assert ["RuntimeError" in line for line in told] == [True, False]


def test_no_value_of_an_event_and_no_key_stands_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    person = {"event_type": "lead", "user_id": "ada-1", "user_data": {"email": "ada@example.com"}}
    with caplog.at_level(logging.DEBUG), serving(tmp_path) as api:
        assert api.post("/v1/track", person).status_code == 200
        assert api.post("/v1/track?api_key=a-secret", person, key=None).status_code == 401
        assert api.post("/v1/track", person | {"properties": "ada"}).status_code == 400
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name == "trackbridge")
    assert "event.taken id=evt_1704067200000_000000000000 key=a type=lead" in ours
    for secret in ("ada", "a-secret", "a-made-up-key"):
        assert secret not in ours


def test_an_event_type_that_is_no_plain_name_does_not_stand_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), serving(tmp_path) as api:
        for name in ("ada@example.com", "call Ada", "0" * 65, "lead\n"):
            assert api.post("/v1/track", {"event_type": name}).status_code == 200
        assert api.post("/v1/track", {"event_type": "Shop.order:paid_2-x"}).status_code == 200
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("event.taken")]
    assert [line.partition(" type=")[2] for line in lines] == [*["other"] * 4, "Shop.order:paid_2-x"]


def test_requests_that_are_refused_are_told_once_by_key_and_reason_with_the_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), serving(tmp_path, Key("a", KEY, rate=2)) as api:
        answers = [api.post("/v1/track", LEAD, key=key).status_code for key in ("a-secret", "another-secret", None)]
        answers.append(api.post("/v1/track", b" " * 1_048_577).status_code)
        answers.append(api.post("/v1/track", LEAD, headers={"Content-Encoding": "gzip"}).status_code)
        answers.append(api.post("/v1/track", LEAD).status_code)
    assert answers == [401, 401, 401, 413, 415, 429]
    lines = [record.getMessage() for record in caplog.records if record.name == "trackbridge"]
    assert [line.partition(" mend=")[0] for line in lines] == [
        "track.refused reason=wrong_key",
        "track.refused reason=no_key",
        "track.refused key=a reason=too_large",
        "track.refused key=a reason=encoded",
        "track.refused key=a reason=rate",
    ]
    assert all(" mend=" in line for line in lines)
    assert "secret" not in caplog.text


def test_what_was_answered_200_is_on_disk(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        assert api.post("/v1/track", LEAD | {"event_id": "e-1"}).status_code == 200
    with serving(tmp_path) as api:
        assert [row.id for row in api.rows()] == ["e-1"]


def test_many_callers_at_once_are_each_answered_with_their_own_event(tmp_path: Path) -> None:
    async def one(api: Api, number: int) -> str:
        answer = await asyncio.to_thread(api.post, "/v1/track", LEAD | {"event_id": f"e-{number}"})
        return str(answer.json()["event_id"])

    async def all_of_them(api: Api) -> list[str]:
        return await asyncio.gather(*(one(api, number) for number in range(50)))

    with serving(tmp_path) as api:
        assert asyncio.run(all_of_them(api)) == [f"e-{number}" for number in range(50)]
        assert len(api.rows()) == 50
