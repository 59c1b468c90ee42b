"""Whether `serve` runs is known by the signs of life of its processes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bridge.status.configured import ConfiguredBridge, ConfiguredSource
from bridge.status.processes import REFUSED, SILENT_AFTER, STARTING, find_process_troubles, role_statuses
from bridge.store.status_views import ProcessHeartbeat

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)
SILENT = NOW - SILENT_AFTER - timedelta(seconds=1)
WEB, TRANSLATE, DELIVER = (
    ProcessHeartbeat("here", process, role, 7, LONG_AGO, NOW)
    for process, role in (("web-1", "web"), ("worker-translate", "worker"), ("worker-deliver", "worker"))
)
HERE = ConfiguredBridge(sources=(ConfiguredSource("stripe"),), destinations=("track",), is_known=True)


def causes(*processes: ProcessHeartbeat, configured: ConfiguredBridge = HERE) -> tuple[list[str], list[str]]:
    """Of the needs, and of the notes."""
    found = find_process_troubles(processes, configured, NOW)
    return [one.cause for one in found.needs], [one.cause for one in found.notes]


def test_a_serve_of_which_all_processes_live_needs_nobody() -> None:
    assert causes(WEB, TRANSLATE, DELIVER) == ([], [])
    assert [(one.role, one.since) for one in role_statuses([WEB, TRANSLATE, DELIVER], NOW)] == [
        ("web", LONG_AGO), ("worker", LONG_AGO),
    ]  # fmt: skip


def test_a_store_that_was_never_served_says_so() -> None:
    [need] = find_process_troubles([], HERE, NOW).needs
    assert "has not run on this store" in need.text


def test_one_that_was_stopped_and_one_that_ended_without_it_are_told_apart() -> None:
    [stopped] = find_process_troubles([replace(WEB, stopped=True), replace(TRANSLATE, at=SILENT)], HERE, NOW).needs
    [ended] = find_process_troubles([replace(WEB, at=SILENT)], HERE, NOW).needs
    assert (stopped.cause, ended.cause) == ("serve_gone", "serve_gone")
    assert "was stopped" in stopped.text
    assert "was not stopped" in ended.text
    assert ended.since == SILENT


def test_a_role_of_which_one_process_is_silent_does_not_run() -> None:
    [need] = find_process_troubles([WEB, TRANSLATE, replace(DELIVER, at=SILENT)], HERE, NOW).needs
    assert (need.cause, need.subject, need.since) == ("role_gone", "worker", SILENT)
    assert "worker-deliver does not run" in need.text


def test_a_role_that_has_just_been_started_is_waited_for() -> None:
    young = replace(WEB, started_at=NOW - STARTING + timedelta(seconds=1))
    assert causes(young, replace(TRANSLATE, stopped=True)) == ([], [])
    assert causes(replace(young, started_at=NOW - STARTING))[0] == ["role_gone"]


def test_a_loop_that_hangs_needs_a_person() -> None:
    assert causes(WEB, TRANSLATE, replace(DELIVER, trouble="its loop deliver:track hangs"))[0] == ["loop_hangs"]


def test_a_second_start_that_was_refused_is_spoken_of_for_a_minute() -> None:
    start = ProcessHeartbeat("here", "start-9", REFUSED, 9, NOW, NOW - timedelta(seconds=59), trouble="web runs")
    assert causes(WEB, TRANSLATE, DELIVER, start)[0] == ["second_serve"]
    assert causes(WEB, TRANSLATE, DELIVER, replace(start, at=NOW - timedelta(seconds=61)))[0] == []


def test_a_node_that_is_gone_while_another_lives_is_a_note() -> None:
    assert causes(WEB, TRANSLATE, DELIVER, replace(WEB, node="other", at=SILENT)) == ([], ["node_silent"])
    assert causes(WEB, TRANSLATE, DELIVER, replace(WEB, node="other", at=SILENT, stopped=True)) == ([], [])


def test_a_serve_with_other_settings_than_those_here_is_a_note() -> None:
    other = "sources stripe; destinations none"
    every = [replace(one, settings=other) for one in (WEB, TRANSLATE, DELIVER)]
    assert causes(*every) == ([], ["settings_differ"])
    assert causes(*every, configured=ConfiguredBridge()) == ([], [])
