"""The steps from an empty database to the tables of this version.

One file each in `migrations/`, in the order of their names. A step is frozen as soon as a commit has it. It only adds
what earlier versions do not see, so that two versions run at once: a store with steps that this version does not know
is used as it is. What a release no longer needs is removed by a step in `migrations/finish/`, which
`trackbridge migrate --finish` takes when no node of an earlier version runs; after that, none of those opens the store.

The name of each step that was taken is kept in the table `steps_taken`. Several nodes may start at once: one takes a
step, the others wait for it. No step waits for a lock longer than LOCK_TIMEOUT, since all writers would wait behind it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors

from bridge.core.errors import StoreUnusable

FOLDER = Path(__file__).parent / "migrations"
STEPS: dict[str, str] = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.sql"))}
"""The SQL of each step, by its name."""
FINISHED = "finish:"
"""How the name of a step begins that removes something."""
FINISHING: dict[str, str] = {
    f"{FINISHED}{path.stem}": path.read_text(encoding="utf-8") for path in sorted((FOLDER / "finish").glob("*.sql"))
}
"""The same of the steps that remove something; there is none yet."""
DAYS_AHEAD = 3
"""For how many days from now there are partitions."""
OLDEST_SERVER = 140000
LOCK_TIMEOUT = "500ms"
PATIENCE = 60.0
"""Seconds for which a step is tried again where others hold what it needs."""
_LOCK = int.from_bytes(b"trkb", "big")
"""The advisory lock of a transaction that takes steps: it ends with the transaction, also behind pgbouncer."""


def migrate_database(db: psycopg.Connection[Any], *, where: str, durable: bool = True) -> None:
    """Take the steps that are missing, and make the partitions of the next days.

    Raises StoreUnusable, having changed nothing, for a server or a database that cannot hold a store. With `durable`
    also for one that may lose what it has committed.
    """
    _require_server(db, where=where, durable=durable)
    retry_on_lock(lambda: _make_table_of_steps(db))
    taken = _taken_steps(db)
    if unknown := sorted(name for name in taken - FINISHING.keys() if name.startswith(FINISHED)):
        raise StoreUnusable(
            f"the store {where} was finished by a newer trackbridge (step {unknown[-1]}); install that version"
        )
    for name, sql in STEPS.items():
        if name not in taken:
            retry_on_lock(lambda name=name, sql=sql: _take_step(db, name, sql))  # type: ignore[misc]
    retry_on_lock(lambda: _make_days_now(db))


def unfinished_steps(db: psycopg.Connection[Any]) -> tuple[str, ...]:
    """The steps of this version that remove something and were not taken yet."""
    taken = _taken_steps(db)
    return tuple(name.removeprefix(FINISHED) for name in FINISHING if name not in taken)


def finish_database(db: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Take the steps that remove what only earlier versions need; returns their names."""
    names = unfinished_steps(db)
    for name in names:
        retry_on_lock(lambda name=name: _take_step(db, f"{FINISHED}{name}", FINISHING[f"{FINISHED}{name}"]))  # type: ignore[misc]
    return names


def _make_table_of_steps(db: psycopg.Connection[Any]) -> None:
    with db.transaction():
        lock_schema(db)
        db.execute("CREATE TABLE IF NOT EXISTS steps_taken (name text PRIMARY KEY, at bigint NOT NULL)")


def _taken_steps(db: psycopg.Connection[Any]) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM steps_taken")}


def _take_step(db: psycopg.Connection[Any], name: str, sql: str) -> None:
    with db.transaction():
        lock_schema(db)
        if name not in _taken_steps(db):  # another node may just have taken it
            db.execute(sql.encode())
            db.execute("INSERT INTO steps_taken (name, at) VALUES (%s, clock_ms())", (name,))


def _make_days_now(db: psycopg.Connection[Any]) -> None:
    with db.transaction():
        make_days(db)


def retry_on_lock(run: Callable[[], None]) -> None:
    """Run a transaction, again and again while a lock is not to be had; in between, those who wait behind it go on."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return run()
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if time.monotonic() > ends:
                raise
            time.sleep(random.uniform(0.05, 0.5))  # noqa: S311  no secret


def lock_schema(db: psycopg.Connection[Any]) -> None:
    """Let no other node change tables until the transaction under way ends; wait `LOCK_TIMEOUT` for each lock."""
    db.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
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
