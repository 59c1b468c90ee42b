"""The steps from an empty database to the tables of this version.

One file each in `migrations/`, in the order of their names. A step is frozen as soon as a commit has it. The name of
each step that was taken is kept in the table `steps_taken`. Several nodes may start at once: one takes the steps, the
others wait for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from bridge.core.errors import StoreUnusable

FOLDER = Path(__file__).parent / "migrations"
STEPS: dict[str, str] = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.sql"))}
"""The SQL of each step, by its name."""
DAYS_AHEAD = 3
"""For how many days from now there are partitions."""
OLDEST_SERVER = 140000
_LOCK = int.from_bytes(b"trkb", "big")
"""The advisory lock of a transaction that takes steps: it ends with the transaction, also behind pgbouncer."""


def migrate_database(db: psycopg.Connection[Any], *, where: str, durable: bool = True) -> None:
    """Take the steps that are missing, and make the partitions of the next days.

    Raises StoreUnusable, having changed nothing, for a server or a database that cannot hold a store. With `durable`
    also for one that may lose what it has committed.
    """
    _require_server(db, where=where, durable=durable)
    with db.transaction():
        lock_schema(db)
        db.execute("CREATE TABLE IF NOT EXISTS steps_taken (name text PRIMARY KEY, at bigint NOT NULL)")
        taken = {name for (name,) in db.execute("SELECT name FROM steps_taken")}
        if unknown := sorted(taken - STEPS.keys()):
            raise StoreUnusable(
                f"the store {where} was changed by a newer trackbridge (step {unknown[-1]}); install that version again"
            )
        for name, sql in STEPS.items():
            if name not in taken:
                db.execute(sql.encode())
                db.execute("INSERT INTO steps_taken VALUES (%s, clock_ms())", (name,))
        db.execute("SELECT make_days(%s)", (DAYS_AHEAD,))


def lock_schema(db: psycopg.Connection[Any]) -> None:
    """Let no other node change tables until the transaction under way ends; wait five seconds at most."""
    db.execute("SET LOCAL lock_timeout = '5s'")
    db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def make_days(db: psycopg.Connection[Any]) -> None:
    """Make the partitions of the next days that are missing, in a transaction under way; no writer waits for it."""
    db.execute("SET LOCAL lock_timeout = '2s'")
    db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    db.execute("SELECT make_days(%s)", (DAYS_AHEAD,))


def _require_server(db: psycopg.Connection[Any], *, where: str, durable: bool) -> None:
    if db.info.server_version < OLDEST_SERVER:
        raise StoreUnusable(
            f"the server of {where} is PostgreSQL {db.info.server_version // 10000}; the store needs 14"
        )
    wanted = {"server_encoding": "UTF8"} | ({"fsync": "on", "full_page_writes": "on"} if durable else {})
    for name, value in wanted.items():
        row = db.execute("SELECT current_setting(%s)", (name,)).fetchone()
        if row is not None and row[0] != value:
            raise StoreUnusable(f"the server of {where} has {name} = {row[0]}; the store needs {name} = {value}")
