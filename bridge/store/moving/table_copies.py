"""What is copied, table by table: how its rows are read from SQLite, and what they become on PostgreSQL.

Numbers stay, so that `wh_12` is the same webhook on both sides: on PostgreSQL they are those of 2020-01-01, far below
any number that it draws itself. Attempts and claims get higher ones, since there they come after their deliveries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from bridge.store.moving import webhook_rows
from bridge.store.moving.insert_rows import Column, insert_rows

ATTEMPTS_FROM, CLAIMS_FROM = 1 << 45, 1 << 46
"""What is added to the numbers of attempts and of claims."""
Row = tuple[Any, ...]
Insert = Callable[[psycopg.Connection[Any], Sequence[Row]], None]

EVENT_GOES = """(
    e.created_at >= :since
    OR EXISTS (SELECT 1 FROM deliveries AS d WHERE d.event = e.number AND d.state IN ('pending', 'dead'))
    OR EXISTS (SELECT 1 FROM webhooks AS w WHERE w.number = e.webhook AND w.state IN ('received', 'set_aside'))
)"""
"""The SQL condition that an event `e` goes along: it is young enough, or somebody still waits for it."""
WEBHOOK_GOES = f"""(
    w.received_at >= :since OR w.state IN ('received', 'set_aside')
    OR (w.state = 'ignored' AND substr(w.reason, 1, 15) = 'privacy request')
    OR EXISTS (SELECT 1 FROM revisits AS r WHERE r.webhook = w.number)
    OR EXISTS (SELECT 1 FROM events AS e WHERE e.webhook = w.number AND {EVENT_GOES})
)"""  # noqa: S608  ours
"""The same of a webhook `w`."""


EVENT_STATE = "CASE WHEN duplicate_of IS NULL THEN 'fresh' ELSE 'duplicate' END"


@dataclass(frozen=True, slots=True)
class TableCopy:
    """One table: its rows by the columns of `key`, which come first in `select`, and who inserts them.

    `kind` is what people call the rows; `state` is the SQL by which they are counted, the same on both sides.
    """

    name: str
    kind: str
    key: str
    select: str
    insert: Insert
    counted: str
    state: str = "''"

    @property
    def keys(self) -> int:
        """How many columns the key has."""
        return len(self.key.split(","))


def _plain(table: str, *columns: str, above: int = 0) -> Insert:
    """Inserts rows as they are, but for `above`, which is added to their numbers.

    A column is `name` for a bigint, or `name type`.
    """
    typed = [Column(*one.split()) for one in columns]

    def insert(db: psycopg.Connection[Any], rows: Sequence[Row]) -> None:
        insert_rows(db, table, typed, [(row[0] + above, *row[1:]) for row in rows] if above else rows)

    return insert


_EVENT = """
    e.number, id, origin, event_type, test, text, occurred_at, created_at, order_id, value, currency, notes, hashed,
    claims, webhook, duplicate_of, differs, coalesce(given_id, ''), mapping, rank, dedupes, of_order,
    coalesce((SELECT max(revision) FROM deliveries AS d WHERE d.event = e.number), 0)
"""
_KNOWN = """
    number, id, origin, event_type, order_id, value, currency, webhook, mapping, rank, duplicate_of, created_at
"""
_EVENT_OF_DELIVERY = f"FROM deliveries AS d JOIN events AS e ON e.number = d.event WHERE {EVENT_GOES}"
_ATTEMPT_GOES = "FROM attempts AS a WHERE EXISTS (SELECT 1 FROM temp.of_attempts AS o WHERE o.attempt = a.number)"

COPIES: tuple[TableCopy, ...] = (
    TableCopy(
        "mapping_texts", "texts of mappings", "number",
        "SELECT number, digest, name, first_at, bytes, form FROM mapping_texts",
        _plain("mapping_texts", "number", "digest bytea", "name text", "first_at", "bytes bytea", "form smallint"),
        "mapping_texts",
    ),
    TableCopy(
        "ledger", "keys by which duplicates are known", "key", "SELECT key, number, at FROM ledger",
        _plain("ledger", "key uuid", "number", "at"), "ledger",
    ),
    TableCopy(
        "idempotency", "idempotency keys", "key", "SELECT key, body_hash, answer, at FROM idempotency",
        _plain("idempotency", "key uuid", "body_hash bytea", "answer text", "at"), "idempotency",
    ),
    TableCopy(
        "webhooks", "webhooks", "number",
        f"{webhook_rows.SELECT} WHERE {WEBHOOK_GOES}", webhook_rows.insert_webhook_rows, "webhooks", "state",
    ),
    TableCopy(
        "events", "events", "number", f"SELECT {_EVENT} FROM events AS e WHERE {EVENT_GOES}",  # noqa: S608  ours
        _plain(
            "events", "number", "id text", "origin text", "event_type text", "test boolean", "text bytea",
            "occurred_at", "created_at", "order_id text", "value text", "currency text", "notes text", "hashed text",
            "claims bytea", "webhook", "duplicate_of", "differs boolean", "given_id text", "mapping text", "rank int",
            "dedupes int", "of_order int", "revision int",
        ),
        "events", EVENT_STATE,
    ),
    TableCopy(
        "purged_events", "events of which only the conversion is known", "number",
        f"""
        SELECT {_KNOWN} FROM purged_events UNION ALL
        SELECT {_KNOWN} FROM events AS e WHERE length(claims) > 0 AND NOT {EVENT_GOES}
        """,  # noqa: S608  ours
        _plain(
            "purged_events", "number", "id text", "origin text", "event_type text", "order_id text", "value text",
            "currency text", "webhook", "mapping text", "rank int", "duplicate_of", "created_at",
        ),
        "purged_events",
    ),
    TableCopy(
        "outbox", "pending deliveries", "number",
        f"""
        SELECT d.number, d.event, d.destination, d.reason,
            coalesce((SELECT due FROM temp.held WHERE delivery = d.number), d.due), d.attempts, d.together,
            d.first_attempt_at, d.paused_for, d.last_attempt + {ATTEMPTS_FROM}, d.created_at, e.event_type,
            coalesce(d.revision, 0) {_EVENT_OF_DELIVERY} AND d.state = 'pending'
        """,  # noqa: S608  ours
        _plain(
            "outbox", "number", "event", "destination text", "reason text", "due", "attempts int", "together int",
            "first_attempt_at", "paused_for", "last_attempt", "created_at", "event_type text", "revision int",
        ),
        "outbox", "destination",
    ),
    TableCopy(
        "deliveries", "deliveries that have ended", "number",
        f"""
        SELECT d.number, d.event, d.destination, d.state, d.reason, d.attempts, d.last_attempt + {ATTEMPTS_FROM},
            d.created_at,
            coalesce(
                d.delivered_at, (SELECT a.started_at + a.took FROM attempts AS a WHERE a.number = d.last_attempt),
                d.created_at
            ), e.event_type, coalesce(d.revision, 0) {_EVENT_OF_DELIVERY} AND d.state <> 'pending'
        """,  # noqa: S608  ours
        _plain(
            "deliveries", "number", "event", "destination text", "state text", "reason text", "attempts int",
            "last_attempt", "created_at", "ended_at", "event_type text", "revision int",
        ),
        "deliveries", "state",
    ),
    TableCopy(
        "followers", "notes of what refunds follow", "destination, key, event",
        f"""
        SELECT f.destination, f.key, f.event, f.note, f.verdict FROM followers AS f
        JOIN events AS e ON e.number = f.event WHERE {EVENT_GOES}
        """,  # noqa: S608  ours
        _plain("followers", "destination text", "key uuid", "event", "note text", "verdict text"), "followers",
    ),
    TableCopy(
        "attempts", "attempts", "number",
        f"""
        SELECT a.number, a.destination, a.started_at, a.took, a.status, a.outcome,
            a.answer, a.counted, a.ambiguous,
            '{{' || (
                SELECT group_concat(delivery) FROM temp.of_attempts AS o WHERE o.attempt = a.number
            ) || '}}', a.made_by
        {_ATTEMPT_GOES}
        """,  # noqa: S608  ours
        _plain(
            "attempts", "number", "destination text", "started_at", "took", "status int", "outcome text",
            "answer text", "counted boolean", "ambiguous boolean", "deliveries bigint[]", "made_by",
            above=ATTEMPTS_FROM,
        ),
        "attempts", "outcome",
    ),
    TableCopy(
        "claims", "claims under way", "token",
        """
        SELECT c.token, c.destination, 0, c.until,
            min(c.until, (SELECT max(due) FROM temp.held AS h WHERE h.token = c.token)),
            '{' || (SELECT group_concat(delivery) FROM temp.held AS h WHERE h.token = c.token) || '}'
        FROM claims AS c WHERE EXISTS (SELECT 1 FROM temp.held AS h WHERE h.token = c.token)
        """,
        _plain(
            "claims", "token", "destination text", "node int", "until", "started_at", "held bigint[]",
            above=CLAIMS_FROM,
        ),
        "claims",
    ),
    TableCopy(
        "waiting", "keys that webhooks wait for", "key, webhook", "SELECT key, webhook FROM waiting",
        _plain("waiting", "key uuid", "webhook"), "waiting",
    ),
    TableCopy(
        "deferred", "webhooks deferred to richer ones", "webhook", "SELECT webhook, at, rank, lends FROM deferred",
        _plain("deferred", "webhook", "at", "rank int", "lends bytea"), "deferred",
    ),
    TableCopy(
        "aliases", "keys that belong to others", "key, belongs_to",
        "SELECT key, belongs_to, created_at FROM aliases",
        _plain("aliases", "key uuid", "belongs_to uuid", "at"), "aliases",
    ),
    TableCopy(
        "remembered", "conversions that were remembered", "number",
        "SELECT number, webhook, reason, rank, lends, created_at FROM remembered",
        _plain("remembered", "number", "webhook", "reason text", "rank int", "lends bytea", "created_at"),
        "remembered",
    ),
    TableCopy(
        "revisits", "keys for which ignored webhooks are looked at again", "key, webhook",
        "SELECT key, webhook FROM revisits", _plain("revisits", "key uuid", "webhook"), "revisits",
    ),
    TableCopy(
        "standings", "states of destinations", "destination",
        """
        SELECT destination, paused, paused_at, probe_at, probes, failures, refused, paused_for, held_until,
            last_claim_at, version, checked_at, check_failed FROM standings
        """,
        _plain(
            "standings", "destination text", "paused text", "paused_at", "probe_at", "probes int", "failures int",
            "refused int", "paused_for", "held_until", "last_claim_at", "version int", "checked_at",
            "check_failed text",
        ),
        "standings", "CASE WHEN paused IS NULL THEN 'open' ELSE 'paused' END",
    ),
    TableCopy(
        "refusals", "counts of refused requests", "source, cause, detail",
        "SELECT source, cause, detail, n, first_at, last_at, skew FROM refusals",
        _plain("refusals", "source text", "cause text", "detail text", "n", "first_at", "last_at", "skew"),
        "refusals",
    ),
    TableCopy(
        "mapping_drafts", "drafts of mappings", "mapping, who",
        "SELECT mapping, who, at, begun_from, bytes, form FROM mapping_drafts",
        _plain(
            "mapping_drafts", "mapping text", "who text", "at", "begun_from bytea", "bytes bytea", "form smallint"
        ),
        "mapping_drafts",
    ),
    TableCopy(
        "actions", "actions of people", "number", "SELECT number, at, who, what, subject, n FROM actions",
        _plain("actions", "number", "at", "who text", "what text", "subject text", "n"), "actions",
    ),
    TableCopy(
        "console_secrets", "secrets of the console", "name", "SELECT name, value FROM console_secrets",
        _plain("console_secrets", "name text", "value bytea"), "console_secrets",
    ),
    TableCopy(
        "refresh_tokens", "refresh tokens, sealed", "destination",
        "SELECT destination, version, sealed, given FROM refresh_tokens",
        _plain("refresh_tokens", "destination text", "version int", "sealed bytea", "given bytea"),
        "refresh_tokens",
    ),
    TableCopy(
        "earlier_versions", "marks of an earlier version", "last_webhook", "SELECT last_webhook FROM earlier_versions",
        _plain("earlier_versions", "last_webhook"), "earlier_versions",
    ),
    TableCopy(
        "earlier_repeated", "events of an earlier version that were told again", "event",
        "SELECT event FROM earlier_repeated", _plain("earlier_repeated", "event"), "earlier_repeated",
    ),
    TableCopy(
        "unreadable", "damaged parts of the ingest log", "number", "SELECT number, count, packed FROM unreadable",
        _plain("unreadable", "number", "count int", "packed bytea"), "unreadable",
    ),
)  # fmt: skip
"""In the order in which they are copied: what others refer to comes first."""
COUNTED = ("counts", "days", "lasts", "quarters", "delivery_reasons", "match_keys")
"""Tables of counters, which are written at the end (`counters.py`)."""
STAYING = {
    "attempted": "the deliveries of an attempt are a column of it",
    "bodies": "bodies go along with their webhooks",
    "recent": "the ledger's write buffer is emptied before",
    "inbox_files": "what is in the ingest log gets rows before",
    "probes": "the server has a clock of its own",
    "heartbeats": "they are of processes that have ended",
    "login_codes": "a code logs in once, within minutes",
    "event_names": "keyed hashes, which PostgreSQL makes of its own",
    "people_key": "the same",
    "moved_to": "it says where the store was moved",
}
"""Tables that are not copied, and why."""
STAYING_COLUMNS = {
    ("deliveries", "token"): "claims under way have their deliveries",
    ("standings", "last_due"): "PostgreSQL orders deliveries by number",
    ("refresh_tokens", "holder"): "who held a token has ended",
    ("refresh_tokens", "held_until"): "the same",
}
"""Columns of tables that are copied which are not, and why."""
