"""`trackbridge send-event`: one event to a test destination, and what its answer means; a real one gets none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers import trackbridge, typed, upstream
from upstreams.meta import MetaUpstream
from upstreams.platform import serve_on_loopback

TOKEN = str(MetaUpstream.settings["access_token"])
EVENT = {
    "event_type": "purchase",
    "properties": {"order_id": "7", "value": 5, "currency": "EUR"},
    "user_data": {"email": "jane@mail.example"},
}


@pytest.fixture
def fake() -> Iterator[MetaUpstream]:
    one = MetaUpstream()
    with serve_on_loopback(one.app) as one.url:
        yield one


@pytest.fixture
def folder(tmp_path: Path, fake: MetaUpstream) -> Path:
    common = f'kind: meta, url: "{fake.url}", pixel_id: "1234567890", access_token: "{TOKEN}", without_consent: send'
    (tmp_path / "bridge.yaml").write_text(
        f"destinations:\n  meta: {{{common}}}\n  trial: {{{common}, test: true, test_event_code: TEST1}}\n"
    )
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    return tmp_path


def test_a_test_destination_gets_it_and_the_answer_is_told(folder: Path, fake: MetaUpstream) -> None:
    done = trackbridge(folder, {}, "send-event", "trial", "event.json", "--config", "bridge.yaml")
    assert done.returncode == 0, done.stderr
    assert fake.faults == []
    [got] = fake.received
    assert got.json["test_event_code"] == "TEST1"
    assert done.stdout.splitlines()[0] == f"{fake.url}/v25.0/1234567890/events answered 200"
    assert done.stdout.splitlines()[-1] == "delivered"


def test_a_destination_of_real_events_gets_none(folder: Path, fake: MetaUpstream) -> None:
    done = trackbridge(folder, {}, "send-event", "meta", "event.json", "--config", "bridge.yaml")
    assert done.returncode == 1
    assert "`meta` takes real events, and this one would count" in done.stderr
    assert fake.received == []


def test_what_is_refused_says_why_without_the_token(folder: Path, fake: MetaUpstream) -> None:
    fake.script.append("token")
    done = trackbridge(folder, {}, "send-event", "trial", "event.json", "--config", "bridge.yaml")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("pause: Error validating access token")
    assert TOKEN not in done.stdout + done.stderr


def test_a_track_endpoint_that_repeats_its_key_is_told_without_it(tmp_path: Path) -> None:
    with upstream() as peer:
        peer.script.append((400, {}, json.dumps({"success": False, "error": f"no event for {TOKEN}"}).encode()))
        options = f'kind: track, url: "{peer.url}", api_key: "{TOKEN}", test: true'
        (tmp_path / "bridge.yaml").write_text(f"destinations:\n  trial: {{{options}}}\n")
        (tmp_path / "event.json").write_text(json.dumps(EVENT))
        done = typed(tmp_path, {}, "send-event", "trial", "event.json", "--config", "bridge.yaml")
    assert done.stdout.count("no event for [key]") == 2
    assert TOKEN not in done.stdout + done.stderr


def test_what_is_not_for_it_says_why(folder: Path, fake: MetaUpstream) -> None:
    (folder / "event.json").write_text(json.dumps(EVENT | {"event_type": "refund"}))
    done = trackbridge(folder, {}, "send-event", "trial", "event.json", "--config", "bridge.yaml")
    assert (done.returncode, fake.received) == (1, [])
    assert "skipped: refund is not among its events" in done.stderr


def test_a_destination_that_there_is_not_names_the_nearest(folder: Path) -> None:
    done = trackbridge(folder, {}, "send-event", "trail", "event.json", "--config", "bridge.yaml")
    assert "there is no destination `trail`; did you mean `trial`?" in done.stderr
