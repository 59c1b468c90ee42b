"""What is done with a database before it is used as a store: tables are made, or brought to this version."""

from __future__ import annotations

from typing import Any

import psycopg

from bridge.core.errors import StoreUnusable
from bridge.store.postgres import schema
from bridge.store.postgres.db.server_connection import ServerAddress, open_connection
from bridge.store.postgres.db.server_errors import server_error
from bridge.store.postgres.tables import days


def prepare_database(address: ServerAddress, *, durable: bool) -> None:
    """Make the tables, or bring them to this version.

    `durable` refuses a server that may lose what it has committed. Raises StoreUnusable or StoreUnavailable.
    """
    try:
        with open_connection(address).db as db:
            schema.migrate_database(db, where=address.shown, durable=durable)
            _prepare_moved(db, where=address.shown)
    except psycopg.Error as error:
        raise (server_error(error, address.shown) or error) from error


def _prepare_moved(db: psycopg.Connection[Any], *, where: str) -> None:
    """Where a SQLite store was moved here, let tables that are new since then have its numbers, too.

    Raises StoreUnusable for a store of which a part is still to come: it would not know its duplicates.
    """
    for source, finished_at in db.execute("SELECT source, finished_at FROM moves").fetchall():
        if finished_at is None:
            raise StoreUnusable(
                f"the SQLite store {source} is being moved into the store {where}, and a part of it is not there yet; "
                "type the same `trackbridge move` again to go on"
            )
        schema.retry_on_lock(lambda: _make_moved_partitions(db))


def _make_moved_partitions(db: psycopg.Connection[Any]) -> None:
    with db.transaction():
        schema.lock_schema(db)
        days.make_moved_partitions(db)
