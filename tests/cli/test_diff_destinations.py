"""`trackbridge diff` over destination files: what another version would send for the events that the store holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from declaring import ACME, SECRET
from peers import typed

from bridge import contract
from bridge.core.model import Routed
from bridge.store.engines import open_store

NOW = datetime.now(UTC)
EMAIL = "jane@mail.example"


def told(number: int, **more: Any) -> dict[str, Any]:
    return {
        "event_type": "purchase",
        "event_id": f"evt_{number}",
        "properties": {"order_id": str(number), "value": 19.5, "currency": "EUR"},
        "user_data": {"email": EMAIL},
    } | more


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of three events, one of them a test, and a destination that is set."""
    events = [told(1), told(2, event_type="lead"), told(3, test=True)]

    async def keep() -> None:
        store = open_store(f"sqlite:///{tmp_path / 'trackbridge.db'}")
        made = [
            contract.validate_event(one, origin="key:a", scope="", received_at=NOW, default_id="x") for one in events
        ]
        await store.accept_events([Routed(event, ()) for event in made], now=NOW)
        await store.close()

    asyncio.run(keep())
    (tmp_path / "destinations").mkdir()
    (tmp_path / "destinations" / "acme.yaml").write_text(ACME)
    (tmp_path / "bridge.yaml").write_text(
        f"destinations:\n  mine: {{kind: acme, pixel: p1, token: {SECRET}, without_consent: send}}\n"
    )
    return tmp_path


def diff(folder: Path, changes: Sequence[tuple[str, str]], *words: str) -> tuple[int, str]:
    """What `diff` says of the file in use and of one with these changes."""
    text = ACME
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "new.yaml").write_text(text)
    done = typed(folder, {"BRIDGE_DESTINATIONS": "destinations"}, "diff", "acme", "new.yaml", *words)
    assert EMAIL not in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done.returncode, done.stdout or done.stderr


def test_an_unchanged_file_changes_nothing_and_test_events_are_left_out(folder: Path) -> None:
    assert diff(folder, []) == (0, "2 events, 0 of them changed\n")


def test_a_changed_identifier_is_told_without_the_person_and_a_changed_value_can_fail(folder: Path) -> None:
    changes = [("hashed(who.email, 'email')", "who.email"), ("event.properties.value, `null`", "`1`, `null`")]
    status, said = diff(folder, changes, "--format", "json", "--fail-on", "changed-value")
    found = json.loads(said)
    fields = {(one["event_type"], one["field"]): one["samples"] for one in found["fields"]}
    assert fields["purchase", "body.data[].em"] == [
        {"event": "evt_1", "before": "text of 64 characters", "after": "text of 17 characters"}
    ]
    assert fields["lead", "body.data[].value"] == [{"event": "evt_2", "before": "[19.5]", "after": "[1]"}]
    assert (status, found["changed"], found["faults"]) == (1, 2, {"lost-events": 0, "changed-value": 2})


def test_what_would_be_sent_no_more_is_told_with_its_reason_and_can_fail(folder: Path) -> None:
    status, said = diff(folder, [(", lead: Lead", "")], "--fail-on", "lost-events")
    assert status == 1
    assert "2 events, 1 of them changed" in said
    assert "skipped: lead is not among its events" in said
    assert " lead sent" in said


def test_given_events_are_compared_without_a_store(folder: Path) -> None:
    (folder / "trackbridge.db").unlink()
    (folder / "event.json").write_text(json.dumps(told(1)))
    assert (
        "1 event, 1 of them changed"
        in diff(folder, [("'email')", "'email_google')"), ("Bought", "Sold")], "event.json")[1]
    )


def test_files_of_two_kinds_are_no_two_versions_of_one(folder: Path) -> None:
    status, said = diff(folder, [("kind: acme", "kind: other")])
    assert (status, said) == (1, "trackbridge: acme declares the kind acme, new.yaml other; give two of one\n")
