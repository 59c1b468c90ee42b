"""What came in gets its place and what it came to in one go: the way of nearly every webhook.

One that is known gets nothing, one that waits for an event is received and due later. Where somebody else was quicker,
nothing is done. Not concerned with webhooks that have their place: `making.py` settles those.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.model import Kept, Routed, Wanting, WebhookState
from bridge.store import Outcome, Placed
from bridge.stores.sqlite import inbox, making, unsorted, waiting
from bridge.stores.sqlite.columns import ms
from bridge.stores.sqlite.inbox import Place
from bridge.stores.sqlite.unsorted import Unsorted


def place(  # noqa: PLR0913  all that it needs to know
    db: sqlite3.Connection,
    folder: str,
    found: Unsorted,
    outcomes: Sequence[Outcome],
    *,
    now: datetime,
    since: datetime,
) -> tuple[Placed, ...] | None:
    """What became of each, in order; None where others have sorted them in meanwhile."""
    if not unsorted.is_current(db, found):
        return None
    kept = inbox.place(db, [(one.webhook, _place(one, now)) for one in outcomes])
    events = [_events(outcome, one) for outcome, one in zip(outcomes, kept, strict=True)]
    at = ms(now)
    made = [making.Made(event, at, one.number) for one, mine in zip(kept, events, strict=True) for event in mine]
    accepted = iter(making.take(db, made, since=since))
    for outcome, one in zip(outcomes, kept, strict=True):
        if isinstance(outcome.result, Wanting) and not one.again:
            waiting.postpone(db, one.number, outcome.result, now=now)
    unsorted.passed(db, folder, found)
    return tuple(Placed(one, tuple(next(accepted) for _ in mine)) for one, mine in zip(kept, events, strict=True))


def _events(outcome: Outcome, kept: Kept) -> tuple[Routed, ...]:
    return outcome.result if isinstance(outcome.result, tuple) and not kept.again else ()


def _place(outcome: Outcome, now: datetime) -> Place:
    if isinstance(outcome.result, Wanting):
        return Place(WebhookState.RECEIVED, due=ms(now))
    state, reason = making.state_of(outcome.result)
    return Place(state, reason)
