"""What the status screen says, and when it asks for a person."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from living import note_living, note_living_in
from msgspec.structs import replace
from rich.console import Console
from store_made import apply_log, claim_rows, complete

from bridge.cli import main
from bridge.cli.status import status_screen
from bridge.core import dedupe_keys
from bridge.core.local_time import format_local
from bridge.core.model import Event, Ignored, Route, Routed, SetAside, Webhook
from bridge.status.configured import ConfiguredBridge
from bridge.status.read import read_status
from bridge.status.report import Finding, StatusReport
from bridge.store.engines import open_store
from bridge.store.protocol import DEFAULT_RETENTION, OVERDUE, AdmissionLimits, Outcome, Store
from bridge.store.sqlite.ingest import log_files

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Result = tuple[Routed, ...] | Ignored | SetAside


def event(name: str, *, test: bool = False, skip: str | None = None, value: str | None = None) -> Routed:
    conversion_keys = (dedupe_keys.conversion_key("shop", "purchase", "A", test=test),) if value else ()
    made = Event(f"evt_{name}", "source:shop", "purchase", test, b"{}", NOW, conversion_keys, value=value)
    return Routed(made, (Route("up", skip),))


async def read_living(store: Store, *, now: datetime) -> StatusReport:
    """How a store stands while `serve` runs on it."""
    await note_living(store, now)
    return await read_status(store, ConfiguredBridge(destinations=("up", "trial")), now=now)


def destination_state(tmp_path: Path, *results: Result, now: datetime = NOW) -> StatusReport:
    """How a store stands after one webhook came to each of the results."""

    async def told() -> StatusReport:
        store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
        try:
            for name in map(str, range(len(results))):
                identity = (dedupe_keys.signed_webhook_key("shop", name),)
                await store.keep([Webhook("shop", name, "t", NOW, b"{}", identity)])
            await apply_log(store, limit=100)
            claimed = await claim_rows(store, now=NOW, limit=100, lease=timedelta(seconds=10))
            await complete(store, [Outcome(*each) for each in zip(claimed, results, strict=True)], now=NOW)
            return await read_living(store, now=now)
        finally:
            await store.close()

    return asyncio.run(told())


def share(found: StatusReport) -> float:
    assert found.coverage
    return found.coverage.share


def test_a_store_in_which_all_went_well_needs_nobody(tmp_path: Path) -> None:
    found = destination_state(tmp_path, Ignored("no"), Ignored("no"))
    [source] = found.sources
    assert (source.name, source.last_webhook_at, source.today["ignored"], source.set_aside) == ("shop", NOW, 2, 0)
    assert (share(found), found.needs, found.notes) == (1.0, (), ())


def test_what_is_set_aside_needs_a_person_and_lowers_the_coverage(tmp_path: Path) -> None:
    found = destination_state(tmp_path, Ignored("no"), SetAside("broken"))
    [need] = found.needs
    assert "shop: 1 set aside" in str(need)
    assert share(found) == 0.5


def test_counts_of_today_end_at_midnight(tmp_path: Path) -> None:
    found = destination_state(tmp_path, SetAside("broken"), now=NOW + timedelta(days=1))
    assert (found.sources[0].today["set_aside"], found.sources[0].set_aside) == (0, 1)


def test_a_source_whose_events_were_all_skipped_as_tests_is_reported_with_the_remedy(tmp_path: Path) -> None:
    found = destination_state(tmp_path, (event("a", test=True, skip="test event"),))
    assert "BRIDGE_TRACK_TEST=1" in str(found.needs[0])
    (tmp_path / "b").mkdir()
    both = destination_state(tmp_path / "b", (event("a", test=True, skip="test event"),), (event("b"),))
    assert both.needs == ()


def test_one_test_among_a_sources_live_events_needs_nobody_however_much_others_send(tmp_path: Path) -> None:
    async def told() -> tuple[str, ...]:
        store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
        try:
            await store.keep([Webhook("shop", "1", "t", NOW, b"{}", (dedupe_keys.signed_webhook_key("shop", "1"),))])
            await store.accept_events([event("live")], now=NOW)
            for first in range(0, 2000, 500):
                made = [event(f"{number}") for number in range(first, first + 500)]
                await store.accept_events(
                    [replace(one, event=replace(one.event, origin="key:web")) for one in made], now=NOW
                )
            await store.accept_events([event("test", test=True, skip="test event")], now=NOW)
            return (await store.status_summary(now=NOW)).only_tests
        finally:
            await store.close()

    assert asyncio.run(told()) == ()


def test_a_quiet_source_of_tests_alone_is_told_however_much_others_send(tmp_path: Path) -> None:
    async def told() -> tuple[str, ...]:
        store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
        try:
            await store.keep([Webhook("shop", "1", "t", NOW, b"{}", (dedupe_keys.signed_webhook_key("shop", "1"),))])
            await store.accept_events([event("test", test=True, skip="test event")], now=NOW)
            for first in range(0, 2000, 500):
                made = [event(f"{number}") for number in range(first, first + 500)]
                await store.accept_events(
                    [replace(one, event=replace(one.event, origin="key:web")) for one in made], now=NOW
                )
            await apply_log(store, limit=9)
            return (await store.status_summary(now=NOW)).only_tests
        finally:
            await store.close()

    assert asyncio.run(told()) == ("shop",)


def test_a_clock_far_ahead_needs_a_person_from_when_the_bridge_meets_it_until_it_is_set_right(tmp_path: Path) -> None:
    ahead = NOW + timedelta(days=400)

    async def told() -> list[tuple[Finding, ...]]:
        store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
        try:
            said = []
            for now, runs in ((NOW, True), (ahead, False), (ahead, True), (NOW + timedelta(minutes=1), False)):
                if runs:
                    await claim_rows(store, now=now, limit=9, lease=timedelta(seconds=10))
                said.append((await read_living(store, now=now)).needs)
            return said
        finally:
            await store.close()

    before, nobody_runs, met, right = asyncio.run(told())
    assert before == nobody_runs == right == ()
    [need] = met
    assert f"the clock says {format_local(ahead)}, more than a day after {format_local(NOW)}" in str(need)
    assert f"nothing is purged, given up or expired before {format_local(ahead + timedelta(hours=1))}" in str(need)


def test_what_nobody_has_looked_at_yet_is_told_and_needs_nobody(tmp_path: Path) -> None:
    async def told() -> StatusReport:
        store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
        try:
            for name in ("1", "2"):
                await store.keep(
                    [Webhook("shop", name, "t", NOW, b"{}", (dedupe_keys.signed_webhook_key("shop", name),))]
                )
            return await read_living(store, now=NOW)
        finally:
            await store.close()

    found = asyncio.run(told())
    assert (found.sources, found.needs, share(found)) == ((), (), 0.0)
    [note] = found.notes
    assert str(note).startswith("2 more webhooks are kept and not translated yet, since ")


def test_files_of_the_ingest_log_that_cannot_be_opened_need_a_person_who_is_told_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    destination_state(tmp_path, Ignored("no"))
    monkeypatch.setenv("BRIDGE_STORE", f"sqlite:///{tmp_path / 'a.db'}")
    refused = [tmp_path / "a.db-inbox" / f"{number:020d}-00000000" for number in range(12)]
    usual = log_files.open_file

    def open_file(path: str) -> int | None:
        if Path(path) in refused:
            raise PermissionError(13, "Permission denied")
        return usual(path)

    monkeypatch.setattr(log_files, "open_file", open_file)
    asyncio.run(note_living_in(tmp_path / "a.db"))
    assert main(["status", "--format", "json"]) == 0
    for path in refused:
        path.write_bytes(b"webhooks of another user")
    capsys.readouterr()
    assert main(["status", "--format", "json"]) == 1
    needs = [need["sentence"] for need in json.loads(capsys.readouterr().out)["needs"]]
    assert needs[:11] == [
        *(
            f"{path} of the ingest log cannot be read (Permission denied); "
            "give this user access to it, and check the disk"
            for path in refused[:10]
        ),
        "2 more files of the ingest log cannot be read",
    ]


def test_work_that_is_overdue_needs_a_person_also_while_serve_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def told() -> None:
        store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
        due_at = datetime.now(UTC) - OVERDUE - timedelta(seconds=1)
        try:
            await store.keep([Webhook("shop", "1", "t", due_at, b"{}", (dedupe_keys.signed_webhook_key("shop", "1"),))])
            await apply_log(store, limit=9)
            await store.accept_events([event("a"), event("b")], now=due_at)
        finally:
            await store.close()

    asyncio.run(told())
    monkeypatch.setenv("BRIDGE_STORE", f"sqlite:///{tmp_path / 'a.db'}")
    assert main(["status", "--format", "json"]) == 1
    needs = {need["cause"]: need["sentence"] for need in json.loads(capsys.readouterr().out)["needs"]}
    assert needs["serve_gone"].startswith("`trackbridge serve` has not run on this store")
    assert needs["overdue"].startswith("up: 2 deliveries wait for a destination that is no longer set, since ")


def test_work_that_is_due_for_less_than_five_minutes_needs_nobody(tmp_path: Path) -> None:
    assert destination_state(tmp_path, (event("a"),), now=NOW + OVERDUE - timedelta(seconds=1)).needs == ()
    (tmp_path / "b").mkdir()
    [need] = destination_state(tmp_path / "b", (event("a"),), now=NOW + OVERDUE + timedelta(seconds=1)).needs
    assert str(need).startswith("up: 1 delivery overdue: due and not attempted, since ")


def test_tests_that_a_test_destination_takes_need_nobody(tmp_path: Path) -> None:
    taken = event("a", test=True, skip="test event")
    taken = replace(taken, routes=(*taken.routes, Route("trial")))
    assert destination_state(tmp_path, (taken,)).needs == ()


def test_duplicates_that_differ_are_flagged(tmp_path: Path) -> None:
    found = destination_state(tmp_path, (event("a", value="10"),), (event("b", value="11"),))
    [note] = found.notes
    assert note.text == "1 duplicate tells another value or currency than its original: evt_b"
    assert "`trackbridge list events --state differing` has all of them" in note.remedy
    assert "`trackbridge release ID` tells" in note.remedy


def test_a_week_before_they_go_set_aside_webhooks_are_told(tmp_path: Path) -> None:
    [note] = destination_state(
        tmp_path, SetAside("broken"), now=NOW + DEFAULT_RETENTION.events - timedelta(days=7)
    ).notes
    assert str(note).startswith("the oldest set aside webhook is deleted on")


def test_the_screen_shows_every_source_and_destination(tmp_path: Path) -> None:
    console = Console(width=160, record=True, file=(tmp_path / "out").open("w"))
    console.print(status_screen(destination_state(tmp_path, (event("a"),))))
    console.file.close()
    shown = console.export_text()
    assert "shop" in shown
    assert "up" in shown


def test_a_disk_with_too_little_room_needs_a_person(tmp_path: Path) -> None:
    async def told(bounds: AdmissionLimits) -> StatusReport:
        store = open_store(f"sqlite:///{tmp_path / 'a.db'}", bounds=bounds)
        try:
            return await read_living(store, now=NOW)
        finally:
            await store.close()

    assert asyncio.run(told(AdmissionLimits(min_free=1))).needs == ()
    [need] = asyncio.run(told(AdmissionLimits(min_free=1 << 60))).needs
    assert str(need).startswith("new requests get 503: the disk of the store")
    assert str(need).endswith("of BRIDGE_MIN_FREE; free some space")


def test_status_ends_with_1_where_the_settings_want_more_room_than_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRIDGE_STORE", f"sqlite:///{tmp_path / 'a.db'}")
    destination_state(tmp_path, Ignored("no"))
    asyncio.run(note_living_in(tmp_path / "a.db"))
    assert main(["status", "--format", "json"]) == 0
    monkeypatch.setenv("BRIDGE_MIN_FREE", "1000TiB")
    assert main(["status", "--format", "json"]) == 1
    assert "BRIDGE_MIN_FREE" in capsys.readouterr().out
