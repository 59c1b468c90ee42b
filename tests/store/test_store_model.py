"""Any sequence of verbs does to a store what it does to the model."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, cast

import psycopg
import pytest
from engines import delete_rows, sqlite_in
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from server_model import ServerModel
from store_machine import StoreMachine
from store_model import TRIAL, WINDOW, Model

from bridge.store.postgres.store import PostgresStore
from bridge.store.postgres.tables import parcels
from bridge.store.protocol import Store
from bridge.store.sqlite.ingest import log_writer
from bridge.store.sqlite.tables import ledger

T = TypeVar("T")
NEW_NUMBERS = """
    SELECT 'webhooks', number FROM webhooks WHERE number > ALL(%(webhooks)s::bigint[])
    UNION ALL SELECT 'events', number FROM events WHERE number > ALL(%(events)s::bigint[])
    UNION ALL SELECT 'deliveries', number FROM all_deliveries WHERE number > ALL(%(deliveries)s::bigint[]) ORDER BY 2
"""
"""Of rows that came after the last one known of each kind."""
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where the files lie: what is asked here is what the verbs do, not what a flush keeps."""


@pytest.fixture(autouse=True)
def files_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the ingest log that is applied is deleted, and the next webhook begins another."""
    monkeypatch.setattr(log_writer, "QUIET", 0.0)


@pytest.fixture(autouse=True)
def a_little_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the ledger learned is entered after a few keys, a few at a time, so that most verbs find it half entered."""
    monkeypatch.setattr(ledger, "FLUSH_FROM", 4)
    monkeypatch.setattr(ledger, "MOST_ENTRIES", 20)
    monkeypatch.setattr(ledger, "SEGMENT_ENTRIES", 3)


class SqliteMachine(StoreMachine):
    """Two processes on one file, and clocks that jump."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.opener = sqlite_in(self.folder)
        self.begin_with(Model())

    def teardown(self) -> None:
        super().teardown()
        with suppress(AttributeError):
            shutil.rmtree(self.folder)

    def ticks(self) -> float:
        """A clock that never goes back, in seconds."""
        return self.model.tick.total_seconds()

    def opened(self, who: int) -> Store:
        """A process that has read no clock yet."""
        del who
        return self.opener(ledger_window=WINDOW, ticks=self.ticks, trial=TRIAL)

    @rule(length=st.sampled_from([-86400 * 3, -7200, -61, -5, -2, 3600, 86400 * 3]))
    def the_clock_jumps(self, length: float) -> None:
        self.now += timedelta(seconds=length)


class PostgresMachine(StoreMachine):
    """Two nodes on one database. The model counts rows from 1; the store's numbers are learned in their order."""

    url: str

    @initialize()
    def begin(self) -> None:
        self.db = psycopg.connect(self.url, autocommit=True)
        self.numbers: dict[str, list[int]] = {"webhooks": [], "events": [], "deliveries": []}
        self.begin_with(ServerModel(number_in_store=self.number_in_store))
        delete_rows(self.db)  # the tables are there now

    def teardown(self) -> None:
        super().teardown()
        with suppress(AttributeError):
            self.db.close()

    def opened(self, who: int) -> Store:
        """A node of its own."""
        return cast("Store", PostgresStore(self.url, node=who, ledger_window=WINDOW, by_caller=True, durable=False))

    def done(self, asked: Awaitable[T]) -> T:
        """What a verb answers. Rows that it made are learned before another verb deletes them."""
        answer = super().done(asked)
        for kind, number in self.db.execute(NEW_NUMBERS, {kind: known[-1:] for kind, known in self.numbers.items()}):
            self.numbers[kind].append(number)
        return answer

    def number_in_model(self, kind: str, number: int) -> int:
        return self.numbers[kind].index(number) + 1

    def number_in_store(self, kind: str, number: int) -> int:
        return self.numbers[kind][number - 1]


USUAL = settings(max_examples=16, stateful_step_count=50)
ON_SERVER = settings(max_examples=8, stateful_step_count=40)
LONG = settings(max_examples=400, stateful_step_count=80)
"""With `STORE_MODEL=long`, which is for by hand."""


def run_machine(machine: type[RuleBasedStateMachine], *, usual: settings) -> None:
    chosen = LONG if os.environ.get("STORE_MODEL") == "long" else usual
    checks = [HealthCheck.too_slow]
    run_state_machine_as_test(machine, settings=settings(chosen, deadline=None, suppress_health_check=checks))


@pytest.mark.timeout(3600)  # a counterexample takes a while to be made small
def test_whatever_is_done_to_a_store_ends_as_in_the_model() -> None:
    run_machine(type("Machine", (SqliteMachine,), {}), usual=USUAL)


@pytest.mark.timeout(3600)
def test_whatever_is_done_to_two_nodes_on_a_database_ends_as_in_the_model(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "OTHERS_AFTER_MS", -60_000)  # each takes what the other has kept, too
    run_machine(type("Machine", (PostgresMachine,), {"url": postgres_url}), usual=ON_SERVER)
