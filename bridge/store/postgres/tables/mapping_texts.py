"""The texts of mappings and of destination files, each kept once under a number.

A webhook has the number of the mapping that made it what it is, an attempt that of the file that made its request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg

from bridge.core.mapping_text import MappingText
from bridge.store.codec import compress
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select

_FIND = "SELECT number FROM mapping_texts WHERE digest = %s"


class AskedTexts:
    """Texts whose numbers were asked for: nobody has waited for the answer yet."""

    def __init__(self, transaction: Transaction, texts: Iterable[MappingText | None]) -> None:
        self._transaction = transaction
        wanted = sorted({text for text in texts if text is not None}, key=lambda text: text.digest)
        self._found = {one: transaction.execute(_FIND, (one.digest,)) for one in wanted}

    def keep(self) -> dict[MappingText | None, int | None]:
        """Returns the number of each text, under which it is kept; None for none."""
        numbers: dict[MappingText | None, int | None] = {None: None}
        for one, found in self._found.items():
            numbers[one] = _keep_text(self._transaction, one, found.fetchall())
        return numbers


def keep_texts(transaction: Transaction, texts: Iterable[MappingText | None]) -> dict[MappingText | None, int | None]:
    """Returns the number of each text, under which it is kept; None for none."""
    return AskedTexts(transaction, texts).keep()


def _keep_text(transaction: Transaction, one: MappingText, rows: list[tuple[Any, ...]]) -> int:
    if not rows:
        [(content, form)] = compress.compress_bodies([one.text])
        transaction.execute(
            """
            INSERT INTO mapping_texts (number, digest, name, first_at, bytes, form) VALUES (%s, %s, %s, %s, %s, %s)
            ON CONFLICT DO NOTHING
            """,
            (transaction.draw_numbers(1)[0], one.digest, server_text(one.name), transaction.at, content, form),
        )
        rows = select(transaction.db, _FIND, (one.digest,))
    number: int = rows[0][0]
    return number


def read_text(db: psycopg.Connection[Any], webhook: int) -> MappingText | None:
    """The text of the mapping that made a webhook what it is."""
    rows = select(
        db,
        """
        SELECT m.name, m.bytes, m.form FROM webhooks AS w JOIN mapping_texts AS m ON m.number = w.mapping
        WHERE w.number = %s
        """,
        (webhook,),
    )
    return MappingText(rows[0][0], compress.decompress_body(rows[0][1], rows[0][2])) if rows else None


def read_texts(db: psycopg.Connection[Any], numbers: Iterable[int | None]) -> dict[int | None, MappingText]:
    """The texts that are kept under these numbers."""
    wanted = sorted({one for one in numbers if one is not None})
    rows = (
        select(db, "SELECT number, name, bytes, form FROM mapping_texts WHERE number = ANY(%s)", (wanted,))
        if wanted
        else []
    )
    return {number: MappingText(name, compress.decompress_body(content, form)) for number, name, content, form in rows}


def set_text(transaction: Transaction, webhook: int, text: MappingText | None) -> None:
    """Note which mapping made a webhook what it is now."""
    number = keep_texts(transaction, [text])[text]
    transaction.execute("UPDATE webhooks SET mapping = %s WHERE number = %s", (number, webhook))
