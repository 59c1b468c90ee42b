"""Drafts of mappings that people work on in the console."""

from __future__ import annotations

from typing import Any

import psycopg

from bridge.store.codec import compress
from bridge.store.codec.columns import from_ms, to_ms
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.status_views import MappingDraft


def keep_draft(transaction: Transaction, draft: MappingDraft) -> None:
    """Keep a draft in the place of the one that the person had; that keeps what it was begun from."""
    [(content, form)] = compress.compress_bodies([draft.text])
    transaction.execute(
        """
        INSERT INTO mapping_drafts VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT (mapping, who) DO UPDATE SET at = excluded.at, bytes = excluded.bytes, form = excluded.form
        """,
        (server_text(draft.mapping), server_text(draft.who), to_ms(draft.at), draft.begun_from, content, form),
    )


def drop_draft(transaction: Transaction, mapping: str, *, who: str) -> bool:
    """Delete a draft; returns whether there was one."""
    gone = transaction.execute(
        "DELETE FROM mapping_drafts WHERE mapping = %s AND who = %s", (server_text(mapping), server_text(who))
    )
    return gone.rowcount > 0


def read_drafts(db: psycopg.Connection[Any]) -> tuple[MappingDraft, ...]:
    """All of them, those that were worked on last first."""
    rows = select(db, "SELECT mapping, who, at, begun_from, bytes, form FROM mapping_drafts ORDER BY at DESC")
    return tuple(
        [
            MappingDraft(mapping, who, from_ms(at), begun_from, compress.decompress_body(content, form))
            for mapping, who, at, begun_from, content, form in rows
        ]
    )
