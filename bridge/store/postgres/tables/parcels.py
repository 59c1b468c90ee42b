"""Parcels: the webhooks of one group commit, packed together in one row, and which of them have no rows yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from msgspec import structs

from bridge.core.model import Webhook
from bridge.store.codec import packed_requests
from bridge.store.codec.columns import to_ms, to_ms_up
from bridge.store.postgres.db.arrays import to_numbers
from bridge.store.postgres.db.transaction import DURABLY, Transaction, select

HAS_BODY = (
    "(EXISTS (SELECT 1 FROM parcels WHERE parcels.number = w.parcel) "
    "OR EXISTS (SELECT 1 FROM rescued WHERE rescued.number = w.number))"
)
"""The SQL condition that the body of a webhook `w` is kept."""
NEEDED = """
    SELECT number, parcel, place FROM webhooks WHERE state IN ('received', 'set_aside')
    UNION SELECT w.number, w.parcel, w.place FROM revisits AS r JOIN webhooks AS w ON w.number = r.webhook
"""
"""The webhooks that are to be translated, or may be after a remedy, or when their sale is told."""
_INSERT = f"""
    WITH durably AS MATERIALIZED ({DURABLY}), parcel AS (
        INSERT INTO parcels (number, count, packed) SELECT draw_block(), %s, %s FROM durably RETURNING number
    )
    INSERT INTO unapplied (parcel, node, count, oldest) SELECT number, %s, %s, %s FROM parcel
"""  # noqa: S608  ours
OTHERS_AFTER_MS = 500
"""How old a parcel of another node is before it is taken: that node is late, or gone."""


@dataclass(frozen=True, slots=True)
class TakenParcels:
    """Parcels under a lease: its token, their numbers, and where each of their webhooks lies."""

    token: int
    numbers: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


def insert_parcel(db: psycopg.Connection[Any], requests: Sequence[Sequence[Webhook]], *, node: int) -> None:
    """Keep the webhooks of several requests: one statement, a transaction by itself, which draws the number, too.

    No walk goes by that number.
    """
    packed = packed_requests.pack_requests([packed_requests.pack_request(webhooks) for webhooks in requests])
    count = sum(map(len, requests))
    if not count:
        return
    oldest = min(to_ms(one.received_at) for webhooks in requests for one in webhooks)
    db.execute(_INSERT, (count, packed, node, count, oldest), binary=True)


def probe_commit(transaction: Transaction) -> None:
    """Write something that is flushed and then gone."""
    transaction.write_marker()


def take_parcels(
    transaction: Transaction, *, node: int, limit: int, lease: timedelta
) -> tuple[TakenParcels, tuple[Webhook, ...]]:
    """Take parcels with about `limit` webhooks: this node's, and others' that are late."""
    (token,) = transaction.draw_numbers(1)
    rows = transaction.execute(
        """
        WITH free AS (
            SELECT parcel, sum(count) OVER (ORDER BY parcel) - count AS before FROM (
                SELECT parcel, count FROM unapplied
                WHERE until <= %(at)s AND (node = %(node)s OR parcel < ((clock_ms() - 1577836800000 - %(late)s) << 21))
                ORDER BY parcel LIMIT %(limit)s FOR UPDATE SKIP LOCKED
            ) AS first
        ), taken AS (
            UPDATE unapplied SET until = %(at)s + %(lease)s, token = %(token)s FROM free
            WHERE unapplied.parcel = free.parcel AND free.before < %(limit)s RETURNING unapplied.parcel
        )
        SELECT number, packed FROM taken JOIN parcels ON number = parcel ORDER BY number
        """,
        {
            "at": transaction.at,
            "node": node,
            "late": OTHERS_AFTER_MS,
            "limit": limit,
            "lease": to_ms_up(lease),
            "token": token,
        },
    ).fetchall()
    webhooks, places = [], []
    for number, packed in rows:
        for place, webhook in enumerate(packed_requests.unpack_webhooks(packed)):
            webhooks.append(webhook)
            places.append((number, place))
    return TakenParcels(token, tuple(number for number, _ in rows), tuple(places)), tuple(webhooks)


class AskedLease:
    """Parcels that were locked as far as they are still under their lease; nobody has waited for the answer yet."""

    def __init__(self, transaction: Transaction, taken: TakenParcels) -> None:
        self._transaction = transaction
        self._mine = (to_numbers(taken.numbers), taken.token)
        self._held = transaction.execute(
            "SELECT parcel FROM unapplied WHERE parcel = ANY(%s) AND token = %s ORDER BY parcel FOR UPDATE", self._mine
        )

    def end(self) -> bool:
        """Give up the parcels, whose webhooks get rows now; returns whether all of them were still under the lease.

        Otherwise nothing has changed: another node may have taken some of them, and the rest still waits for one.
        """
        if len(self._held.fetchall()) < len(self._mine[0]):
            return False
        self._transaction.execute("DELETE FROM unapplied WHERE parcel = ANY(%s) AND token = %s", self._mine)
        return True


def read_webhooks(db: psycopg.Connection[Any], rows: Iterable[tuple[int, int, int]]) -> dict[int, Webhook]:
    """Webhooks by number, given number, parcel and place of each; those whose parcel is gone are left out."""
    of_parcel: dict[int, list[tuple[int, int]]] = {}
    for number, parcel, place in rows:
        of_parcel.setdefault(parcel, []).append((number, place))
    found: dict[int, Webhook] = {}
    for parcel, packed in select(
        db, "SELECT number, packed FROM parcels WHERE number = ANY(%s)", (to_numbers(of_parcel),)
    ):
        webhooks = packed_requests.unpack_webhooks(packed)
        for number, place in of_parcel.pop(parcel):
            found[number] = structs.replace(webhooks[place], number=number)
    if left := [number for each in of_parcel.values() for number, _ in each]:
        for number, packed in select(
            db, "SELECT number, packed FROM rescued WHERE number = ANY(%s)", (to_numbers(left),)
        ):
            (webhook,) = packed_requests.unpack_webhooks(packed)
            found[number] = structs.replace(webhook, number=number)
    return found


def rescue_webhooks(db: psycopg.Connection[Any], table: str, numbers: range) -> None:
    """Copy the webhooks that are still needed out of the parcels with these numbers, which are in a table.

    Those that are received, set aside, or looked at again when their sale is told. The bodies of the others go.
    """
    needed: dict[int, list[tuple[int, int]]] = {}
    for number, parcel, place in select(
        db,
        f"""
        SELECT number, parcel, place FROM ({NEEDED}) AS w
        WHERE parcel >= %(first)s AND parcel < %(last)s AND NOT EXISTS (SELECT 1 FROM rescued WHERE number = w.number)
        """,  # noqa: S608  webhooks as they stand above
        {"first": numbers.start, "last": numbers.stop},
    ):
        needed.setdefault(parcel, []).append((number, place))
    for parcel, mine in needed.items():
        rows = select(db, f"SELECT packed FROM {table} WHERE number = %s", (parcel,))  # noqa: S608  a table of ours
        webhooks = packed_requests.unpack_webhooks(rows[0][0]) if rows else []
        for number, place in mine if webhooks else ():
            alone = packed_requests.pack_requests([packed_requests.pack_request([webhooks[place]])])
            db.execute("INSERT INTO rescued VALUES (%s, %s) ON CONFLICT DO NOTHING", (number, alone))
