"""Every engine under the same promises: to add one, add its opener to ENGINES."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from store_made import Opener, Story, Tell

from bridge.store.protocol import Store
from bridge.store.sqlite.db.clock_skew import ClockReadings
from bridge.store.sqlite.store import LEDGER_WINDOW, SqliteStore


def sqlite(folder: Path) -> Opener:
    def opened(
        *, ledger_window: timedelta = LEDGER_WINDOW, ticks: Callable[[], float] = float, trial: timedelta = timedelta()
    ) -> Store:
        return SqliteStore(
            str(folder / "store.db"), ledger_window=ledger_window, clocks=ClockReadings(ticks, trial=trial)
        )

    return opened


ENGINES: dict[str, Callable[[Path], Opener]] = {"sqlite": sqlite}


@pytest.fixture(params=ENGINES)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens one and the same store; the test closes it."""
    return ENGINES[request.param](tmp_path)


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
