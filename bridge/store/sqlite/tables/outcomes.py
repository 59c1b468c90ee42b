"""Writes what received webhooks became: events, a reason why there is none, or that they wait."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from bridge.core.conversions import NO_EFFECTS
from bridge.core.model import Accepted, EventNeeded, Ignored, Kept, Routed, SetAside, WebhookState
from bridge.store.codec.columns import maybe_text, storable_text, to_ms
from bridge.store.protocol import Completed, Outcome
from bridge.store.rules.event_decisions import NewEvent
from bridge.store.sqlite.tables import conversions, mapping_texts, quarters, recall_waits
from bridge.store.sqlite.tables.events import find_known_event, insert_events


def complete_webhooks(
    db: sqlite3.Connection, outcomes: Sequence[Outcome], *, now: datetime, since: datetime
) -> tuple[Completed, ...]:
    """Write the outcomes of webhooks. One that is no longer received only gets the answers for its known events."""
    at = to_ms(now)
    received = _still_received(db, [outcome.webhook.number for outcome in outcomes])
    changed = frozenset(received)
    made: list[list[NewEvent]] = []
    left: list[tuple[int, WebhookState, str | None, int | None]] = []
    decided: list[Outcome] = []
    texts = mapping_texts.keep_texts(db, (one.mapping for one in outcomes), now=now)
    for outcome in outcomes:
        number = outcome.webhook.number
        routed = outcome.result if isinstance(outcome.result, tuple) else ()
        made.append([NewEvent(one, at, number, outcome.webhook.waited) for one in routed] if number in received else [])
        if number in received and not isinstance(outcome.result, EventNeeded):
            received.discard(number)  # the second time it is here, it is no longer
            left.append((number, *state_of(outcome.result), texts[outcome.mapping]))
            decided.append(outcome)
    _set_states(db, left)
    quarters.count_decided(db, "webhook", count_outcomes(decided), now=now)
    accepted = iter(insert_events(db, [one for each in made for one in each], since=since))
    told = [(one.webhook.number, one.effects) for one in outcomes if one.effects != NO_EFFECTS]
    conversions.apply_effects(db, [(number, effects) for number, effects in told if number in changed], now=now)
    wanting = [(one.webhook.number, one.result) for one in outcomes if isinstance(one.result, EventNeeded)]
    recall_waits.defer_webhooks(db, wanting, now=now)  # after the events of the batch, which may be what they need
    return tuple(
        Completed(
            Kept(one.webhook.number, is_known=False, source=one.webhook.source, topic=one.webhook.topic),
            tuple(next(accepted) for _ in each) if each else _known_answers(db, one.result),
        )
        for each, one in zip(made, outcomes, strict=True)
    )


def _still_received(db: sqlite3.Connection, numbers: Sequence[int]) -> set[int]:
    rows = db.execute(
        "SELECT number FROM webhooks WHERE state = 'received' AND number IN (SELECT value FROM json_each(?))",
        (json.dumps(numbers),),
    )
    return {number for (number,) in rows.fetchall()}


def state_of(result: tuple[Routed, ...] | Ignored | SetAside) -> tuple[WebhookState, str | None]:
    """Returns the state of a webhook with this outcome, and the reason."""
    match result:
        case Ignored(reason):
            return WebhookState.IGNORED, maybe_text(reason)
        case SetAside(reason):
            return WebhookState.SET_ASIDE, maybe_text(reason)
        case _:
            return WebhookState.TRANSLATED, None


def count_outcomes(outcomes: Sequence[Outcome]) -> Counter[tuple[str, str]]:
    """How many webhooks came to which state, by their sources; those that wait for an event came to none."""
    return Counter(
        [
            (storable_text(one.webhook.source), state_of(one.result)[0].value)
            for one in outcomes
            if not isinstance(one.result, EventNeeded)
        ]
    )


def _set_states(db: sqlite3.Connection, left: Sequence[tuple[int, WebhookState, str | None, int | None]]) -> None:
    """Set the states of webhooks, those with the same state, reason and mapping in one statement."""
    alike: dict[tuple[WebhookState, str | None, int | None], list[int]] = {}
    for number, state, reason, mapping in left:
        alike.setdefault((state, reason, mapping), []).append(number)
    for (state, reason, mapping), numbers in alike.items():
        db.execute(
            """
            UPDATE webhooks SET state = ?, reason = ?, due = NULL, mapping = ?
            WHERE number IN (SELECT value FROM json_each(?))
            """,
            (state.value, reason, mapping, json.dumps(numbers)),
        )
    recall_waits.delete_waits(db, [number for number, *_ in left])


def _known_answers(
    db: sqlite3.Connection, result: tuple[Routed, ...] | Ignored | SetAside | EventNeeded
) -> tuple[Accepted, ...]:
    """Returns the answers for the events of a webhook that was completed before."""
    if not isinstance(result, tuple):
        return ()
    return tuple(find_known_event(db, one.event) or Accepted(one.event.id) for one in result)
