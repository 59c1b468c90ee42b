"""Values of every type come to a PostgreSQL server as they are, many in one parameter."""

from __future__ import annotations

import psycopg

from bridge.store.postgres.db.arrays import register_arrays, to_arrays, to_numbers

TYPES = ("bigint", "int", "boolean", "text", "bytea")
ROWS = [
    (1, -7, True, "ü,{}\"\\'NULL", b"\0\xff"),
    (2**63 - 1, 2**31 - 1, False, "", b""),
    (-(2**63), 0, None, None, None),
    (None, None, True, "NULL", b"NULL"),
]


def test_columns_come_to_the_server_as_they_are(empty_database: str) -> None:
    with psycopg.connect(empty_database) as db:
        register_arrays(db)
        arrays = ", ".join(f"%s::{one}[]" for one in TYPES)
        query = f"SELECT * FROM unnest({arrays})".encode()
        assert db.execute(query, to_arrays(ROWS, *TYPES), binary=True).fetchall() == ROWS


def test_a_nul_character_is_written_out_and_no_numbers_are_an_empty_array(empty_database: str) -> None:
    with psycopg.connect(empty_database) as db:
        register_arrays(db)
        assert db.execute("SELECT unnest(%s)", to_arrays([("a\0b",)], "text")).fetchall() == [("a\\x00b",)]
        assert db.execute("SELECT %s, 3 = ANY(%s)", (to_numbers([]), to_numbers([]))).fetchall() == [([], False)]
