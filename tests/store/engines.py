"""Every engine under the same promises: to add one, add its opener to ENGINES."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import psycopg
import pytest
from postgres_server import DEBIAN, running_postgres
from store_made import Opener, Story, Tell

from bridge.store.postgres.store import PostgresStore
from bridge.store.protocol import Store
from bridge.store.sqlite.db.clock_skew import ClockReadings
from bridge.store.sqlite.store import LEDGER_WINDOW, SqliteStore

NOT_BUILT: frozenset[str] = frozenset()
"""The verbs that PostgreSQL does not have yet: a test that needs one is expected to fail there."""
ABOUT = {
    "test_store_coverage": "read_outcomes", "test_store_mending": "retry",
    "test_store_purging": "purge", "test_store_quarters": "read_quarters", "test_store_release": "release_duplicates",
    "test_store_remap": "remap_events", "test_store_revising": "rewrite_events",
    "test_store_searching": "search_webhooks",
}  # fmt: skip
"""Test files by the verb that they are about: they run with every engine that has it."""
OF_SQLITE = frozenset({"test_store_clock_ahead"})
"""Test files about what SQLite promises alone: on PostgreSQL, the server's clock is believed."""


def sqlite(request: pytest.FixtureRequest) -> Opener:
    return sqlite_in(request.getfixturevalue("tmp_path"))


def sqlite_in(folder: Path) -> Opener:
    """Opens a SQLite store in a folder."""

    def opened(
        *, ledger_window: timedelta = LEDGER_WINDOW, ticks: Callable[[], float] = float, trial: timedelta = timedelta()
    ) -> Store:
        return SqliteStore(
            str(folder / "store.db"), ledger_window=ledger_window, clocks=ClockReadings(ticks, trial=trial)
        )

    return opened


def postgres(request: pytest.FixtureRequest) -> Opener:
    return opener_of(request.getfixturevalue("empty_database"))


def opener_of(url: str) -> Opener:
    """Opens a store in a database."""

    def opened(
        *, ledger_window: timedelta = LEDGER_WINDOW, ticks: Callable[[], float] = float, trial: timedelta = timedelta()
    ) -> Store:
        return cast("Store", PartialStore(url, ledger_window=ledger_window, by_caller=True, durable=False))

    return opened


class PartialStore(PostgresStore):
    """The engine as far as it is built."""

    def __getattr__(self, name: str) -> object:
        if name in NOT_BUILT:
            pytest.xfail(f"PostgreSQL has no verb {name} yet")
        raise AttributeError(name)


def debian(request: pytest.FixtureRequest) -> Opener:
    """The same with Debian's server, where it is installed."""
    return opener_of(emptied(request.getfixturevalue("debian_url")))


ENGINES: dict[str, Callable[[pytest.FixtureRequest], Opener]] = {"sqlite": sqlite, "postgres": postgres}
OPENERS = ENGINES | {"debian": debian}
ON_DEBIAN = frozenset({"test_store_webhooks", "test_store_questions"})
"""Test files that Debian's server runs, too. With TEST_POSTGRES=/usr/lib/postgresql/15 it runs all, and no other does."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "engines(*names): the engines that make this promise, where not all of them do")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "opener" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("engines")
        metafunc.parametrize("opener", marker.args if marker else _engines_of(metafunc.module.__name__), indirect=True)


def _engines_of(module: str) -> list[str]:
    is_late = module in OF_SQLITE or ABOUT.get(module) in NOT_BUILT
    if is_late:
        return ["sqlite"]
    return [*ENGINES, "debian"] if module in ON_DEBIAN and DEBIAN.exists() else list(ENGINES)


@pytest.fixture
def opener(request: pytest.FixtureRequest) -> Opener:
    """Opens one and the same store; the test closes it."""
    return OPENERS[request.param](request)


@pytest.fixture
def tell(opener: Opener) -> Tell:
    """Tells a story of one store, from its opening to its closing."""

    async def whole(story: Story) -> None:
        store = opener()
        try:
            await story(store)
        finally:
            await store.close()

    return lambda story: asyncio.run(whole(story))


# ------------------------------------------------------------------------------------------------------ PostgreSQL


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server of this session's own."""
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def debian_url() -> Iterator[str]:
    """Debian's server, of this session's own."""
    with running_postgres(tree=DEBIAN) as url:
        yield url


@pytest.fixture
def empty_database(postgres_url: str) -> str:
    """The URL of a database in which no store has anything."""
    return emptied(postgres_url)


def emptied(url: str) -> str:
    """The same database with nothing in it: rows are deleted, which takes a twentieth of TRUNCATE."""
    with psycopg.connect(url, autocommit=True) as db:
        delete_rows(db)
    return url


def delete_rows(db: psycopg.Connection) -> None:
    """Delete what stores have written. What a store makes once, when its tables are made, stays."""
    tables = db.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND NOT relispartition AND relname NOT IN ('steps_taken', 'names_key')"
    )
    db.execute("; ".join(f"DELETE FROM {name}" for (name,) in tables) or "SELECT 1")
