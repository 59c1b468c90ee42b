"""Whether a store's tables are those that the steps of its version make, and what differs.

A store may have more: earlier commits made some of it sooner, and tools such as Litestream keep tables of their own.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import lru_cache

from bridge.store.sqlite.schema import Step

Shape = Mapping[tuple[str, str], str]
"""Each table, index and trigger by its kind and name, and the statement that made it, in one spelling."""
_COMMENT = re.compile(r"--[^\n]*")
_BLANK = re.compile(r"\s+")
_BESIDE_SIGN = re.compile(r" ?([(),;]) ?")


def schema_difference(db: sqlite3.Connection, steps: Sequence[Step]) -> str | None:
    """Returns in words what the store lacks of these steps, or has otherwise; None if it has all of it."""
    found = _read_shape(db)
    for (kind, name), made_by in _expected_shape(tuple(steps)).items():
        if (kind, name) not in found:
            return f"it has no {kind} {name}"
        if found[kind, name] != made_by:
            return _other_columns(db, name, made_by) if kind == "table" else f"its {kind} {name} is another one"
    return None


def run_step(db: sqlite3.Connection, step: Step) -> None:
    """Do a step, within the caller's transaction."""
    for one in step:
        if isinstance(one, str):
            db.execute(one)
        else:
            one(db)


@lru_cache(maxsize=32)
def _expected_shape(steps: tuple[Step, ...]) -> Shape:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for step in steps:
            run_step(db, step)
        return _read_shape(db)


def _read_shape(db: sqlite3.Connection) -> Shape:
    rows = db.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
    )
    return {(kind, name): _normalise_sql(sql) for kind, name, sql in rows}


def _normalise_sql(sql: str) -> str:
    """Returns SQL without comments and needless blanks: SQLite keeps a statement as it was written."""
    return _BESIDE_SIGN.sub(r"\1", _BLANK.sub(" ", _COMMENT.sub("", sql))).strip()


def _other_columns(db: sqlite3.Connection, table: str, made_by: str) -> str:
    found = _columns_of(db, table)
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute(made_by)
        expected = _columns_of(made, table)
    if missing := [one for one in expected if one not in found]:
        return f"its table {table} has no column {', '.join(missing)}"
    if more := [one for one in found if one not in expected]:
        return f"its table {table} has the column {', '.join(more)}, which is not of trackbridge"
    return f"the columns of its table {table} are of other types, or have other conditions"


def _columns_of(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[0] for row in db.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))]
