"""Writes what webhooks became: events, a reason why there is none, or that they wait, all in one transaction.

Webhooks of parcels get their rows by it, others have theirs already.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.conversions import NO_EFFECTS
from bridge.core.model import Accepted, EventNeeded, Ignored, Kept, Routed, SetAside, Webhook, WebhookState
from bridge.store.codec.columns import to_ms
from bridge.store.postgres.db.arrays import to_arrays, to_numbers
from bridge.store.postgres.db.texts import maybe_server_text, server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import conversions, mapping_texts, parcels, quarters, recall_waits
from bridge.store.postgres.tables.counts import count_webhooks
from bridge.store.postgres.tables.events import find_known_event, insert_events
from bridge.store.postgres.tables.ledger import Ledger
from bridge.store.postgres.tables.parcels import TakenParcels
from bridge.store.postgres.tables.webhooks import NewWebhook, identity_keys, insert_webhooks
from bridge.store.protocol import Completed, Outcome
from bridge.store.rules.event_decisions import NewEvent

AHEAD_MS = 60_000
"""How far ahead a node's clock may be and still give the order of what it received."""
_Result = tuple[Routed, ...] | Ignored | SetAside | EventNeeded


def apply_outcomes(
    transaction: Transaction, taken: TakenParcels, outcomes: Sequence[Outcome], *, window: int
) -> tuple[Completed, ...] | None:
    """Give the webhooks of parcels their rows and outcomes; None, and nothing has changed, if the lease was lost."""
    ledger = Ledger(transaction)
    lease = parcels.AskedLease(transaction, taken)
    asked = mapping_texts.AskedTexts(transaction, (one.mapping for one in outcomes))
    ledger.ask_keys(identity_keys(one.webhook for one in outcomes))
    events = [routed for one in outcomes for routed in _events_of(one.result)]
    transaction.ask_numbers(len(outcomes) + sum(1 + len(one.routes) for one in events) + 1)  # one for the counts
    if not lease.end():
        return None
    texts = asked.keep()
    new = [
        _new_webhook(transaction, outcome, place, texts[outcome.mapping])
        for outcome, place in zip(outcomes, taken.places, strict=True)
    ]
    kept = insert_webhooks(transaction, ledger, new)
    fresh = [(one, outcome) for one, outcome in zip(kept, outcomes, strict=True)]
    for one, outcome in fresh:
        if not one.is_known and not isinstance(outcome.result, EventNeeded):
            quarters.count_decided(transaction, "webhook", server_text(one.source), _state_of(outcome.result)[0].value)
    made = [
        NewEvent(routed, transaction.at, one.number)
        for one, outcome in fresh
        if not one.is_known
        for routed in _events_of(outcome.result)
    ]
    accepted = iter(
        _write(
            transaction, ledger, made, [(one.number, each) for one, each in fresh if not one.is_known], window=window
        )
    )
    return tuple(
        Completed(one, () if one.is_known else tuple(next(accepted) for _ in _events_of(outcome.result)))
        for one, outcome in fresh
    )


def _new_webhook(transaction: Transaction, outcome: Outcome, place: tuple[int, int], mapping: int | None) -> NewWebhook:
    if isinstance(outcome.result, EventNeeded):
        return NewWebhook(outcome.webhook, *place, WebhookState.RECEIVED, due=transaction.at)
    state, reason = _state_of(outcome.result)
    return NewWebhook(outcome.webhook, *place, state, reason, mapping=mapping)


def split_parcels(transaction: Transaction, taken: TakenParcels, webhooks: Sequence[Webhook]) -> tuple[Kept, ...]:
    """Give each webhook a row of its own, received and due; nothing if the lease was lost."""
    if not parcels.AskedLease(transaction, taken).end():
        return ()
    ledger = Ledger(transaction)
    kept = insert_webhooks(
        transaction,
        ledger,
        [
            NewWebhook(one, *place, WebhookState.RECEIVED, due=_due_of(one, transaction.at))
            for one, place in zip(webhooks, taken.places, strict=True)
        ],
    )
    ledger.write_all()
    return kept


def _due_of(webhook: Webhook, at: int) -> int:
    """When a webhook is due: in the order of receipt, and now if its node's clock is ahead."""
    received_at = to_ms(webhook.received_at)
    return received_at if received_at <= at + AHEAD_MS else at


def complete_webhooks(transaction: Transaction, outcomes: Sequence[Outcome], *, window: int) -> tuple[Completed, ...]:
    """Write the outcomes of webhooks. One that is no longer received only gets the answers for its known events."""
    ledger = Ledger(transaction)
    found = _lock_received(transaction, [outcome.webhook.number for outcome in outcomes])
    received = set(found)
    made: list[list[NewEvent]] = []
    left: list[tuple[int, str, str | None, int | None]] = []
    texts = mapping_texts.keep_texts(transaction, (one.mapping for one in outcomes))
    for outcome in outcomes:
        number = outcome.webhook.number
        routed = _events_of(outcome.result) if number in received else ()
        made.append([NewEvent(one, transaction.at, number, outcome.webhook.waited) for one in routed])
        if number in received and not isinstance(outcome.result, EventNeeded):
            received.discard(number)  # the second time it is here, it is no longer
            state, reason = _state_of(outcome.result)
            left.append((number, state.value, maybe_server_text(reason), texts[outcome.mapping]))
            source, received_at = found[number]
            count_webhooks(transaction, source, "received", received_at, -1)
            count_webhooks(transaction, source, state.value, received_at)
            quarters.count_decided(transaction, "webhook", source, state.value)
    _set_states(transaction, left)
    changed = [(one.webhook.number, one) for one in outcomes if one.webhook.number in found]
    accepted = iter(_write(transaction, ledger, [one for each in made for one in each], changed, window=window))
    return tuple(
        Completed(
            Kept(one.webhook.number, is_known=False, source=one.webhook.source, topic=one.webhook.topic),
            tuple(next(accepted) for _ in each) if each else _known_answers(transaction, ledger, one.result),
        )
        for each, one in zip(made, outcomes, strict=True)
    )


def _write(
    transaction: Transaction,
    ledger: Ledger,
    made: Sequence[NewEvent],
    changed: Sequence[tuple[int, Outcome]],
    *,
    window: int,
) -> tuple[Accepted, ...]:
    """Write events and all that webhooks, given by number, tell beside them; then what waited for that is due."""
    accepted, woken = insert_events(transaction, ledger, made, since=transaction.at - window)
    told = [(number, one.effects) for number, one in changed if one.effects != NO_EFFECTS]
    woken += [(key, transaction.at) for key in conversions.apply_effects(transaction, ledger, told)]
    recall_waits.defer_webhooks(
        transaction, ledger, [(number, one.result) for number, one in changed if isinstance(one.result, EventNeeded)]
    )
    ledger.write_all()
    recall_waits.make_due(transaction, woken)
    conversions.revisit_told(transaction, ledger, told)
    return accepted


def _events_of(result: _Result) -> tuple[Routed, ...]:
    return result if isinstance(result, tuple) else ()


def _lock_received(transaction: Transaction, numbers: Sequence[int]) -> dict[int, tuple[str, int]]:
    """Source and receipt of those webhooks that are still received, by number; nobody else changes them meanwhile."""
    rows = select(
        transaction.db,
        """
        SELECT number, source, received_at FROM webhooks
        WHERE state = 'received' AND number = ANY(%s) ORDER BY number FOR UPDATE
        """,
        (to_numbers(numbers),),
    )
    return {number: (source, received_at) for number, source, received_at in rows}


def _state_of(result: tuple[Routed, ...] | Ignored | SetAside) -> tuple[WebhookState, str | None]:
    match result:
        case Ignored(reason):
            return WebhookState.IGNORED, reason
        case SetAside(reason):
            return WebhookState.SET_ASIDE, reason
        case _:
            return WebhookState.TRANSLATED, None


def _set_states(transaction: Transaction, left: Sequence[tuple[int, str, str | None, int | None]]) -> None:
    if not left:
        return
    transaction.execute(
        """
        UPDATE webhooks SET state = new.state, reason = new.reason, due = NULL, mapping = new.mapping
        FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[]) AS new (number, state, reason, mapping)
        WHERE webhooks.number = new.number
        """,
        to_arrays(left, "bigint", "text", "text", "bigint"),
    )
    recall_waits.delete_waits(transaction, [number for number, *_ in left])


def _known_answers(transaction: Transaction, ledger: Ledger, result: _Result) -> tuple[Accepted, ...]:
    """Returns the answers for the events of a webhook that was completed before."""
    return tuple(
        find_known_event(transaction, ledger, one.event) or Accepted(one.event.id) for one in _events_of(result)
    )
