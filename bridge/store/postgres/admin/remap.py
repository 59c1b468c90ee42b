"""Events whose mapping was mended. What becomes of each is decided in `rules/remap_events.py`."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.model import Ignored, Routed
from bridge.store.codec.columns import split_keys, unpack_list
from bridge.store.postgres.admin.event_changes import PostgresEventChanges
from bridge.store.postgres.db.texts import maybe_server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import conversions
from bridge.store.postgres.tables.destinations import lock_state
from bridge.store.rules.remap_events import EventRemapping
from bridge.store.rules.remap_pairs import GONE, KeptEvent, pair_events
from bridge.store.status_views import RemappedEvent


def remap_events(
    transaction: Transaction, webhook: int, events: Sequence[Routed], *, since: int, ignored: Ignored | None = None
) -> tuple[RemappedEvent, ...]:
    """Make a webhook's events what `events` says, which its mapping makes now; returns those that changed by it.

    And the duplicates of those that lost a key, which the caller decides on. A webhook that is `ignored` now and has no
    event left is kept as ignored, with what that tells the ledger.
    """
    changes = PostgresEventChanges(transaction, since)
    remapping = EventRemapping(changes, webhook)
    pairs = pair_events(_lock_kept_events(transaction, webhook), events)
    remapping.remap_all(pairs, has_purged=_has_purged(transaction, webhook))
    told = [(webhook, ignored.effects)] if ignored is not None and _set_ignored(transaction, webhook, ignored) else []
    effects = conversions.apply_effects(transaction, changes.ledger, told)
    changes.make_due(effects)
    changes.write_all()
    conversions.revisit_told(transaction, changes.ledger, told)
    return tuple(remapping.done)


def _lock_kept_events(transaction: Transaction, webhook: int) -> list[KeptEvent]:
    """A webhook's events, in the order in which they were made. Until this transaction ends none of them is claimed.

    What the locks guard is read by the last statement.
    """
    transaction.execute("SELECT 1 FROM events WHERE webhook = %s ORDER BY number FOR UPDATE", (webhook,))
    for (destination,) in select(
        transaction.db,
        """
        SELECT DISTINCT destination FROM outbox WHERE event IN (SELECT number FROM events WHERE webhook = %s)
        ORDER BY destination
        """,
        (webhook,),
    ):
        lock_state(transaction, destination)
    rows = select(
        transaction.db,
        """
        SELECT number, id, given_id, origin, event_type, text, claims, duplicate_of, EXISTS (
            SELECT 1 FROM all_deliveries AS d WHERE d.event = e.number AND (
                d.attempts > 0 OR d.last_attempt IS NOT NULL
                OR EXISTS (SELECT 1 FROM claims AS c WHERE c.destination = d.destination AND d.number = ANY(c.held))
            )
        ), notes
        FROM events AS e WHERE webhook = %s ORDER BY number
        """,
        (webhook,),
    )
    return [
        KeptEvent(
            number, name, given, origin, kind, text, split_keys(claims), original, attempted,
            GONE in unpack_list(notes),
        )
        for number, name, given, origin, kind, text, claims, original, attempted, notes in rows
    ]  # fmt: skip


def _set_ignored(transaction: Transaction, webhook: int, ignored: Ignored) -> bool:
    changed = transaction.execute(
        """
        UPDATE webhooks AS w SET state = 'ignored', reason = %s, due = NULL
        WHERE number = %s AND state = 'translated' AND NOT EXISTS (SELECT 1 FROM events WHERE webhook = w.number)
        RETURNING source
        """,
        (maybe_server_text(ignored.reason), webhook),
    ).fetchall()
    for (source,) in changed:
        transaction.counts["webhooks", source, "translated"] -= 1
        transaction.counts["webhooks", source, "ignored"] += 1
    return bool(changed)


def _has_purged(transaction: Transaction, webhook: int) -> bool:
    [(found,)] = select(transaction.db, "SELECT EXISTS (SELECT 1 FROM purged_events WHERE webhook = %s)", (webhook,))
    return bool(found)
