"""Applies webhooks of the ingest log: each gets its row and its outcome in one transaction.

A webhook that is known gets no row; one that needs an event is received and deferred. Where another process has applied
them meanwhile, nothing is done. Webhooks that have a row already are completed in `tables/outcomes.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.core.conversions import NO_EFFECTS
from bridge.core.model import EventNeeded, Kept, Routed, Webhook, WebhookState
from bridge.store.codec.columns import to_ms
from bridge.store.protocol import Completed, Outcome
from bridge.store.rules.event_decisions import NewEvent
from bridge.store.sqlite.db import clock_skew
from bridge.store.sqlite.ingest import log_reader
from bridge.store.sqlite.ingest.log_reader import UnappliedLog
from bridge.store.sqlite.tables import conversions, mapping_texts, quarters, recall_waits, webhooks
from bridge.store.sqlite.tables import events as making
from bridge.store.sqlite.tables.outcomes import count_outcomes, state_of
from bridge.store.sqlite.tables.webhooks import RowState


def apply_outcomes(  # noqa: PLR0913  all that it needs to know
    db: sqlite3.Connection,
    folder: str,
    found: UnappliedLog,
    outcomes: Sequence[Outcome],
    *,
    now: datetime,
    since: datetime,
) -> tuple[Completed, ...] | None:
    """Apply webhooks with their outcomes; returns what became of each, None if another process has applied them."""
    if not log_reader.is_current(db, found):
        return None
    texts = mapping_texts.keep_texts(db, (one.mapping for one in outcomes), now=now)
    kept = webhooks.insert_webhooks(db, [(one.webhook, _row_state(one, now, texts[one.mapping])) for one in outcomes])
    fresh = [outcome for outcome, one in zip(outcomes, kept, strict=True) if not one.is_known]
    quarters.count_decided(db, "webhook", count_outcomes(fresh), now=now)
    events = [_routed_events(outcome, one) for outcome, one in zip(outcomes, kept, strict=True)]
    at = to_ms(now)
    made = [NewEvent(event, at, one.number) for one, mine in zip(kept, events, strict=True) for event in mine]
    accepted = iter(making.insert_events(db, made, since=since))
    told = [
        (one.number, outcome.effects)
        for outcome, one in zip(outcomes, kept, strict=True)
        if outcome.effects != NO_EFFECTS and not one.is_known
    ]
    conversions.apply_effects(db, told, now=now)
    wanting = [
        (one.number, outcome.result)
        for outcome, one in zip(outcomes, kept, strict=True)
        if isinstance(outcome.result, EventNeeded) and not one.is_known
    ]
    recall_waits.defer_webhooks(db, wanting, now=now)
    log_reader.advance_offsets(db, folder, found)
    return tuple(Completed(one, tuple(next(accepted) for _ in mine)) for one, mine in zip(kept, events, strict=True))


def _routed_events(outcome: Outcome, kept: Kept) -> tuple[Routed, ...]:
    return outcome.result if isinstance(outcome.result, tuple) and not kept.is_known else ()


def _row_state(outcome: Outcome, now: datetime, mapping: int | None) -> RowState:
    if isinstance(outcome.result, EventNeeded):
        return RowState(WebhookState.RECEIVED, due=to_ms(now))
    state, reason = state_of(outcome.result)
    return RowState(state, reason, mapping=mapping)


def split_log(db: sqlite3.Connection, folder: str, found: UnappliedLog) -> tuple[Kept, ...]:
    """Give each webhook a row of its own, received and due; does nothing if another process has applied them."""
    if not log_reader.is_current(db, found):
        return ()
    latest = _latest_due(db)
    kept = webhooks.insert_webhooks(
        db, [(one, RowState(WebhookState.RECEIVED, due=_due_of(one, latest))) for one in found.webhooks]
    )
    log_reader.advance_offsets(db, folder, found)
    return kept


def _latest_due(db: sqlite3.Connection) -> int | None:
    """Returns the latest time at which a webhook may be due: one received before the clock was set back is due now."""
    found = db.execute("SELECT at FROM probes").fetchone()
    return found[0] + clock_skew.STEP_MS if found else None


def _due_of(webhook: Webhook, latest: int | None) -> int:
    at = to_ms(webhook.received_at)
    return at if latest is None else min(at, latest)
