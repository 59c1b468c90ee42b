"""What people do by hand, from a command or the console: each is done, and then written into the record of actions.

Whoever calls says who acts, and shows a dry run first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.core.model import Routed
from bridge.store.in_steps import replay_all, retry_all
from bridge.store.protocol import RowFilter, Store
from bridge.store.status_views import ActionTaken


@dataclass(frozen=True, slots=True)
class ActingPerson:
    """Who acts, and when: the name of a user or of a console key."""

    who: str
    now: datetime


async def retry_by_hand(store: Store, which: RowFilter, by: ActingPerson, *, subject: str) -> int:
    """Make dead (or waiting) deliveries due now; returns how many. Raises NotFound for an id that nothing has."""
    count = await retry_all(store, which, now=by.now)
    await _record_count(store, ActionTaken(by.now, by.who, "retry", subject, count))
    return count


async def replay_by_hand(
    store: Store, which: Sequence[RowFilter], by: ActingPerson, *, subject: str, more: int = 0
) -> int:
    """Make webhooks `received` again; returns how many. `more` were replayed otherwise, and are recorded with them.

    Raises NotFound for an id that nothing has, and BodyGone.
    """
    count = sum([await replay_all(store, one, now=by.now) for one in which])
    await _record_count(store, ActionTaken(by.now, by.who, "replay", subject, count + more))
    return count


async def release_by_hand(store: Store, chosen: Sequence[Routed], by: ActingPerson) -> int:
    """Tell duplicates as conversions of their own, all or none; returns how many were duplicates until now."""
    return len(await store.release_duplicates(chosen, who=by.who, now=by.now))


async def resume_by_hand(store: Store, destination: str, by: ActingPerson) -> bool:
    """Make the probe of a paused destination due now; returns whether it was paused."""
    if not await store.resume_destination(destination, now=by.now):
        return False
    await store.record_action(ActionTaken(by.now, by.who, "resume", destination))
    return True


async def _record_count(store: Store, action: ActionTaken) -> None:
    if action.count:
        await store.record_action(action)
