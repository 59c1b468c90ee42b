"""The texts of mappings and of destination files, each kept once under a number.

A webhook has the number of the mapping that made it what it is, an attempt that of the file that made its request.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime

from bridge.core.mapping_text import MappingText
from bridge.store.codec import compress
from bridge.store.codec.columns import storable_text, to_ms


def keep_texts(
    db: sqlite3.Connection, texts: Iterable[MappingText | None], *, now: datetime
) -> dict[MappingText | None, int | None]:
    """Returns the number of each text, under which it is kept; None for none."""
    numbers: dict[MappingText | None, int | None] = {None: None}
    for one in texts:
        if one not in numbers:
            numbers[one] = _keep_text(db, one, now=now) if one else None
    return numbers


def _keep_text(db: sqlite3.Connection, one: MappingText, *, now: datetime) -> int:
    row = db.execute("SELECT number FROM mapping_texts WHERE digest = ?", (one.digest,)).fetchone()
    if row is None:
        [(content, form)] = compress.compress_bodies([one.text])
        row = db.execute(
            "INSERT INTO mapping_texts (digest, name, first_at, bytes, form) VALUES (?, ?, ?, ?, ?) RETURNING number",
            (one.digest, storable_text(one.name), to_ms(now), content, form),
        ).fetchone()
    number: int = row[0]
    return number


def read_text(db: sqlite3.Connection, webhook: int) -> MappingText | None:
    """The text of the mapping that made a webhook what it is."""
    row = db.execute(
        """
        SELECT m.name, m.bytes, m.form FROM webhooks AS w JOIN mapping_texts AS m ON m.number = w.mapping
        WHERE w.number = ?
        """,
        (webhook,),
    ).fetchone()
    return None if row is None else MappingText(row[0], compress.decompress_body(row[1], row[2]))


def read_texts(db: sqlite3.Connection, numbers: Iterable[int | None]) -> dict[int | None, MappingText]:
    """The texts that are kept under these numbers."""
    rows = db.execute(
        "SELECT number, name, bytes, form FROM mapping_texts WHERE number IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted({one for one in numbers if one is not None})),),
    )
    return {number: MappingText(name, compress.decompress_body(content, form)) for number, name, content, form in rows}


def set_text(db: sqlite3.Connection, webhook: int, text: MappingText | None, *, now: datetime) -> None:
    """Note which mapping made a webhook what it is now."""
    number = keep_texts(db, [text], now=now)[text]
    db.execute("UPDATE webhooks SET mapping = ? WHERE number = ?", (number, webhook))
