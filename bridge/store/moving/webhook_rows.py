"""Copies webhooks: rows as they are, and their bodies packed together in parcels.

The bodies of webhooks that are still needed are kept each alone, as `rescued`: so the others of their parcel go when
they were kept long enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from bridge.core.model import Webhook
from bridge.store.codec import packed_requests
from bridge.store.moving.insert_rows import Column, insert_rows
from bridge.store.sqlite.tables.webhooks import webhook_of

SELECT = """
    SELECT w.number, w.source, w.id, w.topic, w.state, w.reason, w.received_at, w.due, w.mapping, w.looked_at,
        w.waits_until, w.headers, w.query, w.item, w.identity, b.bytes, b.form,
        EXISTS (SELECT 1 FROM revisits AS r WHERE r.webhook = w.number) AS is_revisited
    FROM webhooks AS w LEFT JOIN bodies AS b ON b.number = w.body
"""
PARCEL_WEBHOOKS, PARCEL_BYTES = 100, 4 * 1024 * 1024
"""What a parcel holds at most: all of it is unpacked where one of its webhooks is shown."""
NO_PARCEL = 0
"""The parcel of a webhook whose body is in none: no webhook of SQLite has this number."""
_COLUMNS = [
    Column("number"), Column("source", "text"), Column("id", "text"), Column("topic", "text"), Column("state", "text"),
    Column("reason", "text"), Column("received_at"), Column("due"), Column("mapping"), Column("looked_at", "boolean"),
    Column("waits_until"), Column("parcel"), Column("place", "int"),
]  # fmt: skip
_BODIES = (Column("number"), Column("packed", "bytea"))
_PARCELS = (Column("number"), Column("count", "int"), Column("packed", "bytea"))
_NEEDED = frozenset({"received", "set_aside"})
_OWN = 11
"""How many columns of SELECT are those of the row itself."""


def insert_webhook_rows(db: psycopg.Connection[Any], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert the rows of SELECT, with parcels that have the number of their first webhook."""
    alone = [row for row in rows if row[15] is not None and (row[4] in _NEEDED or row[17])]
    insert_rows(db, "rescued", _BODIES, [(row[0], _pack([_webhook_in(row)])) for row in alone])
    single = {row[0] for row in alone}
    places: dict[int, tuple[int, int]] = {}
    parcels = []
    for mine in _split_parcels([row for row in rows if row[15] is not None and row[0] not in single]):
        number = mine[0].number
        parcels.append((number, len(mine), _pack(mine)))
        places.update({one.number: (number, place) for place, one in enumerate(mine)})
    insert_rows(db, "parcels", _PARCELS, parcels)
    insert_rows(db, "webhooks", _COLUMNS, [(*row[:_OWN], *places.get(row[0], (NO_PARCEL, 0))) for row in rows])


def _webhook_in(row: tuple[Any, ...]) -> Webhook:
    number, source, name, topic, _, _, received_at = row[:7]
    return webhook_of((number, source, name, topic, received_at, *row[11:17]))


def _split_parcels(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[Webhook]]:
    mine: list[Webhook] = []
    size = 0
    for row in rows:
        webhook = _webhook_in(row)
        if mine and (len(mine) >= PARCEL_WEBHOOKS or size + len(webhook.body) > PARCEL_BYTES):
            yield mine
            mine, size = [], 0
        mine.append(webhook)
        size += len(webhook.body)
    if mine:
        yield mine


def _pack(webhooks: Sequence[Webhook]) -> bytes:
    return packed_requests.pack_requests([packed_requests.pack_request(webhooks)])
