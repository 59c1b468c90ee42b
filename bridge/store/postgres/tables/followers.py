"""Events that follow another one of their order at a destination, and what is known there of that other one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridge.core.dedupe_keys import order_count_key
from bridge.core.delivery import FollowedEvent
from bridge.core.model import Route
from bridge.store.claims import ClaimedDeliveries
from bridge.store.postgres.db.ledger_key import to_keys
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables.ledger import read_entries
from bridge.store.rules.followed_events import FollowedDelivery, Follower, gather_followed

_DELIVERIES = """(
    SELECT number, event, destination, 'pending' AS state, reason, due, NULL::bigint AS ended_at, created_at FROM outbox
    UNION ALL SELECT number, event, destination, state, reason, NULL::bigint, ended_at, created_at FROM deliveries
)"""
_KEYS = """
    SELECT DISTINCT f.key FROM outbox AS o JOIN followers AS f ON f.event = o.event AND f.destination = o.destination
    WHERE o.number = ANY(%s)
"""
_FOLLOWERS = f"""
    SELECT f.key, d.number, d.state, e.value, e.currency,
        (SELECT min(token) FROM claims AS c WHERE c.destination = f.destination AND c.until > %s
            AND d.number = ANY(c.held)),
        f.note, f.verdict, d.created_at
    FROM followers AS f JOIN events AS e ON e.number = f.event
    JOIN {_DELIVERIES} AS d ON d.event = f.event AND d.destination = f.destination
    WHERE f.destination = %s AND f.key = ANY(%s)
"""  # noqa: S608  a query that stands above
_FOLLOWED = f"""
    SELECT e.number, e.event_type, e.value, e.currency, d.state, d.reason, d.due, d.ended_at
    FROM events AS e LEFT JOIN {_DELIVERIES} AS d ON d.event = e.number AND d.destination = %s
    WHERE e.number = ANY(%s)
"""  # noqa: S608  the same


def insert_followers(transaction: Transaction, routes: Iterable[tuple[int, Route]]) -> None:
    """Note what the events, given by number, follow by their routes."""
    rows = [(server_text(route.destination), key, event) for event, route in routes for key in route.follows]
    if rows:
        transaction.execute(
            "INSERT INTO followers (destination, key, event) "
            "SELECT * FROM unnest(%s::text[], %s::uuid[], %s::bigint[]) ON CONFLICT DO NOTHING",
            ([name for name, _, _ in rows], to_keys(key for _, key, _ in rows), [event for _, _, event in rows]),
        )


def renew_followers(transaction: Transaction, event: int, routes: Iterable[Route]) -> None:
    """Note what an event that was written over follows now."""
    transaction.execute("DELETE FROM followers WHERE event = %s", (event,))
    insert_followers(transaction, [(event, route) for route in routes])


def find_followed(
    transaction: Transaction, claimed: ClaimedDeliveries, numbers: Sequence[int]
) -> dict[int, FollowedEvent]:
    """What is known of the event that each of these deliveries follows."""
    destination = server_text(claimed.destination_state.destination)
    keys = [key for (key,) in select(transaction.db, _KEYS, (list(numbers),))]
    rows = select(transaction.db, _FOLLOWERS, (transaction.at, destination, to_keys(keys))) if keys else []
    followers = [Follower._make((*row, transaction.for_caller(created_at))) for *row, created_at in rows]
    followed = _read_followed(transaction, destination, keys) if keys else {}
    return gather_followed(followers, followed, numbers=numbers, claim=claimed.token)


def _read_followed(transaction: Transaction, destination: str, keys: Sequence[bytes]) -> dict[bytes, FollowedDelivery]:
    """What has each key, and its delivery; a key that no event is told under is left out."""
    counts = {key: order_count_key(key) for key in keys}
    known = read_entries(transaction.db, [*counts, *counts.values()])
    entries = {key: number for key, number, _ in known if number is not None}
    told: dict[int, int] = dict(
        select(
            transaction.db,
            "SELECT number, coalesce(duplicate_of, number) FROM events WHERE number = ANY(%s)",
            ([entries[key] for key in keys if entries.get(key, 0) > 0],),
        )
    )
    found = {}
    for number, event_type, value, currency, state, reason, due, ended_at in select(
        transaction.db, _FOLLOWED, (destination, list(told.values()))
    ):
        due_at = None if due is None else transaction.for_caller(due)
        delivered_at = None if ended_at is None else transaction.for_caller(ended_at)
        found[number] = FollowedDelivery(event_type, value, currency, state, reason, due_at, delivered_at, 1)
    return {
        key: found[told[entries[key]]]._replace(of_order=entries.get(counts[key], 1))
        for key in keys
        if told.get(entries.get(key, 0)) in found
    }


def keep_verdict(
    transaction: Transaction, destination: str, numbers: Sequence[int], *, note: str, verdict: str
) -> None:
    """Keep a verdict beside all that follow what these deliveries follow."""
    name = server_text(destination)
    transaction.execute(
        """
        UPDATE followers SET note = %s, verdict = %s WHERE destination = %s AND key IN (
            SELECT key FROM followers
            WHERE destination = %s AND event IN (SELECT event FROM outbox WHERE number = ANY(%s))
        )
        """,
        (server_text(note), server_text(verdict), name, name, list(numbers)),
    )


def forget_followers(transaction: Transaction, *, below: int) -> None:
    """Forget those of events that were purged, which have a number below that."""
    transaction.execute(
        "DELETE FROM followers AS f WHERE event < %s AND NOT EXISTS (SELECT 1 FROM events WHERE number = f.event)",
        (below,),
    )
