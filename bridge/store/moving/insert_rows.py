"""Inserts rows of SQLite into tables of PostgreSQL, many in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from bridge.store.postgres.db.ledger_key import to_keys
from bridge.store.postgres.db.texts import to_columns

_ARRAY = "bigint[]"


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its type on the server. An array comes as its text: `{1,2}`."""

    name: str
    type: str = "bigint"


def insert_rows(
    db: psycopg.Connection[Any], table: str, columns: Sequence[Column], rows: Sequence[Sequence[Any]], then: str = ""
) -> None:
    """Insert the rows, whose values are in the order of the columns."""
    if not rows:
        return
    names = ", ".join(one.name for one in columns)
    values = ", ".join(f"{one.name}::{_ARRAY}" if one.type == _ARRAY else one.name for one in columns)
    arrays = ", ".join(f"%s::{'text' if one.type == _ARRAY else one.type}[]" for one in columns)
    statement = f"INSERT INTO {table} ({names}) SELECT {values} FROM unnest({arrays}) AS new ({names}) {then}"  # noqa: S608  ours
    db.execute(
        statement.encode(),
        [_as_sent(one, column) for one, column in zip(columns, to_columns(rows), strict=True)],
    )


def _as_sent(column: Column, values: Sequence[Any]) -> object:
    match column.type:
        case "uuid":
            return to_keys(values)
        case "boolean":
            return [bool(one) for one in values]
        case "bytea":
            return [None if one is None else bytes(one) for one in values]
        case _:
            return list(values)
