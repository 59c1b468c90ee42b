"""What is asked often, or when little is found, is answered from an index: nothing walks through a million rows."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from store_made import NOW, accepted, applied, webhook

from bridge.store.protocol import RowFilter
from bridge.store.sqlite.admin import overdue, queries, search, summary
from bridge.store.sqlite.db import open_file
from bridge.store.sqlite.store import SqliteStore

FOUND_BY_INDEX = {
    "webhooks": (RowFilter(state="received", limit=50), RowFilter(state="set_aside", limit=50)),
    "events": (RowFilter(source="quiet", limit=50), RowFilter(state="duplicate", limit=50)),
    "deliveries": (RowFilter(state="pending", limit=50), RowFilter(state="dead", limit=50)),
}


def plans(db: sqlite3.Connection, what: str, which: RowFilter) -> list[str]:
    """The plan of every question that a list asks."""
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    getattr(queries, f"list_{what}")(db, which)
    db.set_trace_callback(None)
    return [row[3] for sql in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]


@pytest.mark.parametrize(("what", "which"), [(what, one) for what, each in FOUND_BY_INDEX.items() for one in each])
def test_a_list_of_what_few_rows_are_walks_through_no_table(tmp_path: Path, what: str, which: RowFilter) -> None:
    path = str(tmp_path / "x.db")
    open_file.prepare_file(path)
    with closing(sqlite3.connect(path)) as db:
        for step in plans(db, what, which):
            assert not step.startswith("SCAN") or "INDEX" in step, step


@pytest.mark.parametrize("what", ["webhooks", "events"])
def test_a_search_walks_through_the_newest_rows_alone(tmp_path: Path, what: str) -> None:
    path = str(tmp_path / "x.db")

    async def filled() -> None:
        store = SqliteStore(path)
        await store.keep([webhook("a")])
        await applied(store)
        await accepted(store, "evt_1")
        await store.close()

    asyncio.run(filled())
    with closing(sqlite3.connect(path)) as db:
        asked: list[str] = []
        db.set_trace_callback(asked.append)
        getattr(search, f"search_{what}")(db, RowFilter(source="quiet", reason="rare", limit=50), most=5)
        db.set_trace_callback(None)
        steps = [row[3] for sql in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert not [step for step in steps if step.startswith("SCAN") and "CONSTANT ROW" not in step], steps


def test_a_status_walks_through_no_table_of_webhooks_events_or_deliveries(tmp_path: Path) -> None:

    path = str(tmp_path / "x.db")
    open_file.prepare_file(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO lasts VALUES ('shop', 0)")
        asked: list[str] = []
        db.set_trace_callback(asked.append)
        queries.count_states(db)
        summary.read_summary(db, now=NOW)
        db.execute("INSERT INTO counts VALUES ('deliveries', 'track', 'pending', 1)")
        overdue.find_overdue(db, str(tmp_path / "none"), before=NOW)
        db.set_trace_callback(None)
        steps = [row[3] for sql in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    walks = [step for step in steps if step.startswith("SCAN") and "INDEX" not in step and "(subquery" not in step]
    assert set(walks) <= {"SCAN counts", "SCAN lasts", "SCAN days", "SCAN unreadable", "SCAN e"}, walks


def test_a_list_is_newest_first_however_it_was_found(tmp_path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(tmp_path / "x.db"))

        await store.keep([webhook(name) for name in "abc"])
        await accepted(store, "evt_1", "evt_2", "evt_3")
        assert [row.id for row in await (await applied(store)).webhooks(RowFilter(state="received", limit=2))] == [
            "wh_3",
            "wh_2",
        ]
        assert [row.id for row in await store.deliveries(RowFilter(state="pending", limit=2))] == ["dlv_3", "dlv_2"]
        await store.close()

    asyncio.run(story())
