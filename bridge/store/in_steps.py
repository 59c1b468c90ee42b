"""Retry and replay of everything that a filter names, in steps: between two of them other writers get their turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from bridge.store.protocol import ChangeStep, RowFilter, Store

STEP_ROWS = 1000
"""Rows that one step changes."""


async def retry_all(store: Store, which: RowFilter, *, now: datetime) -> int:
    """Make dead (or waiting) deliveries due now; returns how many. Raises NotFound for an id that nothing has."""
    return await _change_all(
        lambda below, limit: store.retry(which, now=now, below=below, limit=limit), limit=which.limit
    )


async def replay_all(store: Store, which: RowFilter, *, now: datetime) -> int:
    """Make webhooks `received` again; returns how many. Raises NotFound for an id that nothing has, and BodyGone."""
    return await _change_all(
        lambda below, limit: store.replay(which, now=now, below=below, limit=limit), limit=which.limit
    )


async def _change_all(change: Callable[[int | None, int], Awaitable[ChangeStep]], *, limit: int | None) -> int:
    """Take steps until nothing is left, or as many rows are changed as the filter's limit allows."""
    count, below = 0, None
    while limit is None or count < limit:
        step = await change(below, STEP_ROWS if limit is None else min(STEP_ROWS, limit - count))
        count, below = count + step.count, step.below
        if below is None:
            break
    return count
