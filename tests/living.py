"""Signs of life of a `serve` that does not run, for tests that are about something else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from bridge.store.engines import open_store
from bridge.store.protocol import Store
from bridge.store.status_views import ProcessHeartbeat

PROCESSES = {"web-1": "web", "worker-translate": "worker", "worker-deliver": "worker"}


async def note_living(store: Store, now: datetime) -> None:
    """All processes of `serve` give a sign of life."""
    for process, role in PROCESSES.items():
        await store.record_heartbeat(ProcessHeartbeat("here", process, role, 1, now, now))


async def note_living_in(path: Path) -> None:
    """The same in the store at a path, now."""
    store = open_store(f"sqlite:///{path}")
    try:
        await note_living(store, datetime.now(UTC))
    finally:
        await store.close()
