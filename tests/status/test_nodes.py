"""The nodes that share a store are listed by the signs of life of their processes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from bridge import __version__
from bridge.app import utc_now
from bridge.cli.status import status_screen
from bridge.core.errors import SettingsError
from bridge.runtime.heartbeat_writer import make_heartbeat
from bridge.runtime.node_id import keep_node_id, node_id_file
from bridge.status.nodes import find_version_troubles, node_statuses
from bridge.status.processes import SILENT_AFTER
from bridge.status.read import read_status
from bridge.status.report import NodeStatus
from bridge.store.engines import beside_store, open_store
from bridge.store.postgres.store import PostgresStore
from bridge.store.status_views import ProcessHeartbeat

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEGAN = NOW - timedelta(hours=2)
SILENT = NOW - SILENT_AFTER - timedelta(seconds=1)
FIRST = ProcessHeartbeat("first", "web-1", "web", 7, BEGAN, NOW, version="0.10.0")
SECOND = replace(FIRST, node="second")


def test_a_node_that_was_not_heard_of_for_30_seconds_is_gone_and_one_that_was_stopped_is_not_listed() -> None:
    third = replace(FIRST, node="third", stopped=True)
    assert node_statuses([FIRST, replace(SECOND, at=SILENT), third], NOW) == (
        NodeStatus("first", BEGAN, "0.10.0", NOW, is_gone=False),
        NodeStatus("second", BEGAN, "0.10.0", SILENT, is_gone=True),
    )
    assert node_statuses([FIRST, replace(SECOND, at=NOW - timedelta(days=2))], NOW) == node_statuses([FIRST], NOW)


def test_an_older_version_beside_a_newer_one_is_a_note_while_both_run() -> None:
    for version, said in (("0.9.1", "trackbridge 0.9.1"), ("", "a version of trackbridge that does not tell it")):
        older = replace(SECOND, version=version)
        found = find_version_troubles(node_statuses([FIRST, older], NOW))
        assert [one.text for one in found.notes] == [f"the node second runs {said}, and another one runs 0.10.0"]
        assert found.needs == ()
        assert find_version_troubles(node_statuses([FIRST, replace(older, at=SILENT)], NOW)).notes == ()
    assert find_version_troubles(node_statuses([FIRST, SECOND], NOW)).notes == ()


def test_status_lists_the_nodes_of_a_server_and_none_of_a_file(tmp_path: Path, empty_database: str) -> None:
    async def story() -> None:
        stores = [PostgresStore(empty_database, node=node, by_caller=True, durable=False) for node in (1, 2)]
        file = open_store(f"sqlite:///{tmp_path}/track.db")
        here = make_heartbeat("web-1", "web", now=NOW)
        try:
            for store, name in zip(stores, ("first", "second"), strict=True):
                await store.record_heartbeat(replace(here, node=name))
            await stores[1].record_heartbeat(replace(here, node="old", at=SILENT))
            await file.record_heartbeat(here)
            found = await read_status(stores[0], now=NOW)
            assert [(one.node, one.version, one.is_gone) for one in found.nodes] == [
                ("first", __version__, False), ("old", __version__, True), ("second", __version__, False),
            ]  # fmt: skip
            assert (await read_status(file, now=NOW)).nodes == ()
        finally:
            for one in (*stores, file):
                await one.close()
        console = Console(width=120)
        with console.capture() as screen:
            console.print(status_screen(found))
        lines = [line.split() for line in screen.get().splitlines()]
        assert [(line[0], line[-1]) for line in lines if __version__ in line] == [
            ("first", "runs"), ("old", "gone"), ("second", "runs"),
        ]  # fmt: skip

    asyncio.run(story())


def test_nodes_of_one_host_name_are_told_apart_by_their_ids_while_both_may_run(empty_database: str) -> None:
    async def story() -> None:
        store = PostgresStore(empty_database, by_caller=True, durable=False)
        here = make_heartbeat("web-1", "web", now=NOW, node_id="aaaaaaaa")
        first = replace(here, node="shop")
        try:
            await store.record_heartbeat(first)
            assert await names_in(store) == [("shop", False)]
            await store.record_heartbeat(replace(first, node_id="bbbbbbbb", at=SILENT))
            assert await names_in(store) == [("shop/aaaaaaaa", False), ("shop/bbbbbbbb", True)]
            await store.record_heartbeat(replace(first, node_id="bbbbbbbb", stopped=True))
            assert await names_in(store) == [("shop", False)], "the only one that runs has the name alone"
        finally:
            await store.close()

    asyncio.run(story())


@pytest.mark.parametrize("wrong", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_node_whose_clock_is_an_hour_off_runs_by_the_clock_of_the_server(
    empty_database: str, wrong: timedelta
) -> None:
    async def story() -> None:
        store = PostgresStore(empty_database, durable=False)
        there = make_heartbeat("web-1", "web", now=utc_now() + wrong)
        began = there.started_at - timedelta(hours=2)
        try:
            await store.record_heartbeat(replace(there, started_at=began))
            [node] = (await read_status(store, now=utc_now())).nodes
            assert not node.is_gone
            assert abs(utc_now() - node.last_seen_at) < timedelta(minutes=1)
            assert abs(utc_now() - node.since - timedelta(hours=2)) < timedelta(minutes=1)
        finally:
            await store.close()

    asyncio.run(story())


async def names_in(store: PostgresStore) -> list[tuple[str, bool]]:
    return [(one.node, one.is_gone) for one in (await read_status(store, now=NOW)).nodes]


def test_a_folder_is_one_node_for_as_long_as_it_keeps_its_id(tmp_path: Path) -> None:
    first, second = (tmp_path / name / beside_store("postgresql:///track") for name in ("first", "second"))
    for one in (first, second):
        one.parent.mkdir()
    assert keep_node_id(first) == keep_node_id(first) != keep_node_id(second)
    node_id_file(first).write_text("host-1")
    with pytest.raises(SettingsError, match="holds no id of a node; delete the file"):
        keep_node_id(first)
