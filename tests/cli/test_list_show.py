"""What `show` says of an attempt whose end nobody knows."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.core.model import Event, Route, Routed
from bridge.store.engines import open_store
from bridge.store.protocol import Pacing

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with a delivery that timed out, then went through."""
    url = f"sqlite:///{tmp_path / 'a.db'}"
    monkeypatch.setenv("BRIDGE_STORE", url)

    async def made() -> None:
        opened = open_store(url)
        event = Event("evt_1", "key:web", "lead", test=False, text=b"{}", occurred_at=NOON)
        await opened.accept_events([Routed(event, (Route("track"),))], now=NOON)
        for status, ambiguous in ((None, True), (200, False)):
            pacing = Pacing(9, 1, timedelta(), timedelta(seconds=20))
            found = await opened.claim_deliveries("track", now=NOON, pacing=pacing)
            assert found
            attempt = Attempt(
                "track", NOON, timedelta(seconds=10), status, "delivered" if status else "later",
                "" if status else "timeout", ambiguous=ambiguous,
            )  # fmt: skip
            state = DeliveryState.DELIVERED if status else DeliveryState.PENDING
            settled = [DeliveryUpdate(one.number, state, next_attempt_at=NOON) for one in found.deliveries]
            await opened.record_attempt(found, attempt, settled, found.destination_state, now=NOON)
        await opened.close()

    asyncio.run(made())


def test_an_ambiguous_attempt_is_told_apart_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "dlv_1"]) == 0
    shown = capsys.readouterr().out
    assert "ambiguous" in shown
    assert "the upstream may have taken it; it knows a double by its event_id" in shown
    assert main(["show", "dlv_1", "--format", "json"]) == 0
    assert [one["ambiguous"] for one in json.loads(capsys.readouterr().out)["history"]] == [True, False]


def test_where_no_attempt_was_ambiguous_nothing_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def more() -> None:
        opened = open_store(f"sqlite:///{tmp_path / 'a.db'}")
        event = Event("evt_2", "key:web", "lead", test=False, text=b"{}", occurred_at=NOON)
        await opened.accept_events([Routed(event, (Route("track"),))], now=NOON)
        await opened.close()

    asyncio.run(more())
    assert main(["show", "dlv_2"]) == 0
    assert "double" not in capsys.readouterr().out


def test_a_list_that_ends_says_how_to_see_the_next_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def more() -> None:
        opened = open_store(f"sqlite:///{tmp_path / 'a.db'}")
        for number in (2, 3):
            event = Event(f"evt_{number}", "key:web", "lead", test=False, text=b"{}", occurred_at=NOON)
            await opened.accept_events([Routed(event, ())], now=NOON)
        await opened.close()

    asyncio.run(more())
    assert main(["list", "events", "--limit", "2"]) == 0
    assert "--before evt_2 shows the next" in capsys.readouterr().out
    assert main(["list", "events", "--before", "evt_2", "--format", "json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == ["evt_1"]
    assert main(["list", "events", "--before", "evt_9"]) == 1
    assert "there is no event 'evt_9'" in capsys.readouterr().err


def test_the_request_of_a_delivery_is_shown_with_its_key_masked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRIDGE_TRACK_URL", "https://track.example")
    monkeypatch.setenv("BRIDGE_TRACK_KEY", "a-key-of-the-endpoint")
    assert main(["show", "dlv_1", "--format", "json"]) == 0
    request = json.loads(capsys.readouterr().out)["request"]
    assert request["url"] == "https://track.example/v1/track/batch"
    assert request["headers"]["authorization"] == "Bearer [api_key]"
    assert request["body"] == {"events": [{}]}


def test_where_the_destination_is_not_set_any_more_the_request_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "dlv_1"]) == 0
    assert "it cannot be made again: no destination is called `track` here" in capsys.readouterr().out
