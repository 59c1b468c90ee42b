"""What the processes of one `serve` share: reloads, counters, signs of life, the rates of keys."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from observed_processes import (
    KEY,
    LAUNCH,
    children,
    counted,
    get,
    kill,
    needs_proc,
    post,
    ready,
    told,
    track,
    translate_process,
    workers,
)
from peers import Serving, listed, serving, until

pytestmark = needs_proc
MAPPING = """\
mapping: 1
provider: {provider}
webhook:
  signature: {{kind: none, i_accept_unsigned: true}}
  id: ["json:/id"]
  topic: ["json:/type"]
events:
  - topic: done
    event:
      event_type: {event_type}
      properties: {{number: =body.id}}
"""
RATE = 7
STALLED = 6
"""Seconds that count as a hang."""
LOOKS = 30
"""As many as it takes that each of two workers is asked by one of them at least."""


def write(folder: Path, event_type: str, *, provider: str = "acme") -> None:
    """Put a mapping in place at once, as an editor does."""
    fresh = folder / "mapping.new"
    fresh.write_text(MAPPING.format(event_type=event_type, provider=provider))
    fresh.replace(folder / f"{provider}.yaml")


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    folder = tmp_path / "mappings"
    folder.mkdir()
    write(folder, "before")
    return folder


@pytest.fixture
def bridge(tmp_path: Path, mappings: Path) -> Iterator[Serving]:
    settings = {
        "BRIDGE_MAPPINGS": str(mappings),
        "BRIDGE_API_KEYS": KEY,
        "BRIDGE_API_RATE": str(RATE),
        "SERVE_TEST_STALLED": str(STALLED),
    }
    with serving(tmp_path, settings, "--web", "2", program=LAUNCH) as one:
        yield one


def reloaded(bridge: Serving, what: str, *, times: int = 1) -> None:
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: len(told(bridge, what)) == times, what=what)


def answers(bridge: Serving, path: str) -> set[int]:
    """What the workers answer to a GET."""
    return {get(bridge, path).status_code for _ in range(LOOKS)}


# ----------------------------------------------------------------------------------------------------------- reload


def test_a_reload_is_told_once_and_taken_by_all(bridge: Serving, mappings: Path, tmp_path: Path) -> None:
    assert answers(bridge, "/webhooks/other") == {404}
    write(mappings, "other", provider="other")
    write(mappings, "after")
    reloaded(bridge, "reload.taken")
    assert answers(bridge, "/webhooks/other") == {405}
    assert post(bridge, "1") == 200
    until(lambda: [row["event_type"] for row in listed(tmp_path, "events")] == ["after"], what="an event by it")
    assert len(told(bridge, "reload.")) == 1


def test_a_new_mapping_with_an_error_stops_only_its_own_source_and_is_logged_once(
    bridge: Serving, mappings: Path, tmp_path: Path
) -> None:
    write(mappings, "=bdy.x", provider="other")
    write(mappings, "after")
    reloaded(bridge, "mapping.broken")
    until(lambda: told(bridge, "reload.taken"), what="the mapping without an error")
    assert len(told(bridge, "mapping.problem")) == 1
    assert answers(bridge, "/webhooks/other") == {405}
    assert post(bridge, "1") == 200
    until(lambda: [row["event_type"] for row in listed(tmp_path, "events")] == ["after"], what="an event by the mended")
    assert len(told(bridge, "reload.")) == len(told(bridge, "mapping.broken")) == 1


def test_who_is_started_again_has_the_mappings_that_the_others_have(
    bridge: Serving, mappings: Path, tmp_path: Path
) -> None:
    write(mappings, "other", provider="other")
    write(mappings, "after")
    reloaded(bridge, "reload.taken")
    write(mappings, "=bdy.x")
    everybody = children(bridge)
    for pid in everybody:
        kill(pid)
    until(lambda: len(told(bridge, "process.ended")) == len(everybody), what="the deaths of all")
    ready(bridge)
    assert answers(bridge, "/webhooks/other") == {405}
    assert post(bridge, "1") == 200
    until(lambda: [row["event_type"] for row in listed(tmp_path, "events")] == ["after"], what="an event by it")


# ------------------------------------------------------------------------------------------------------------- work


# --------------------------------------------------------------------------------------------------------- counters


def test_metrics_count_over_all_processes_and_over_their_deaths(bridge: Serving) -> None:
    for number in range(LOOKS):
        assert post(bridge, str(number)) == 200
    kept, translated = 'trackbridge_webhook_requests_total{outcome="kept"', "trackbridge_translated_total{"

    def all_agree() -> bool:
        return {(counted(bridge, kept), counted(bridge, translated)) for _ in range(LOOKS)} == {(LOOKS, LOOKS)}

    until(all_agree, what="the same sums from every worker")
    everybody = children(bridge)
    for pid in everybody:
        kill(pid)
    until(lambda: len(told(bridge, "process.ended")) == len(everybody), what="the deaths of all")
    ready(bridge)
    assert all_agree()
    assert post(bridge, "one more") == 200
    until(lambda: counted(bridge, kept) == LOOKS + 1, what="one more")
    until(lambda: counted(bridge, "trackbridge_webhook_seconds_count") == LOOKS + 1, what="its time")


# ----------------------------------------------------------------------------------------------------- signs of life


def degraded(bridge: Serving) -> dict[str, Any] | None:
    """What /readyz says once all does not go as it should."""
    found = get(bridge, "/readyz")
    assert found.status_code == 200
    said: dict[str, Any] = found.json()
    return said if said["state"] == "degraded" else None


def hang_outside_a_write(pid: int, store: Path) -> None:
    """Stop a process while it does not hold the store's lock, without which nothing could be written."""

    def is_stopped_outside() -> bool:
        os.kill(pid, signal.SIGSTOP)
        until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", what="its stop")
        try:
            with closing(sqlite3.connect(store, timeout=0, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                db.execute("ROLLBACK")
        except sqlite3.OperationalError:
            os.kill(pid, signal.SIGCONT)
            return False
        return True

    until(is_stopped_outside, what="a stop outside of a write")


def test_a_worker_that_hangs_is_seen_and_seen_to_go_on(bridge: Serving, tmp_path: Path) -> None:
    ready(bridge)
    hung = translate_process(bridge)
    hang_outside_a_write(hung, tmp_path / "trackbridge.db")
    found = until(lambda: degraded(bridge), what="the word that it hangs")
    assert any(detail.startswith("translate: no round succeeded for ") for detail in found["details"])
    assert counted(bridge, 'trackbridge_loop_up{loop="translate"}') == 0
    assert counted(bridge, "trackbridge_ready") == 1, "a webhook is kept all the same"
    assert post(bridge, "1") == 200
    os.kill(hung, signal.SIGCONT)
    ready(bridge)


# ------------------------------------------------------------------------------------------------------------- rates


def test_the_rate_of_a_key_holds_over_two_workers(bridge: Serving) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = [answer.status_code for answer in pool.map(lambda number: track(bridge, str(number)), range(LOOKS))]
    assert sorted(found) == [200] * RATE + [429] * (LOOKS - RATE)
    for pid in workers(bridge):
        kill(pid)
    until(lambda: len(told(bridge, "process.ended")) == 2, what="two deaths")
    ready(bridge)
    assert track(bridge, "once more").status_code == 429  # it is known over deaths, too
