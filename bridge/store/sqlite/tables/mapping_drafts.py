"""Drafts of mappings that people work on in the console."""

from __future__ import annotations

import sqlite3

from bridge.store.codec import compress
from bridge.store.codec.columns import from_ms, storable_text, to_ms
from bridge.store.status_views import MappingDraft


def keep_draft(db: sqlite3.Connection, draft: MappingDraft) -> None:
    """Keep a draft in the place of the one that the person had; that keeps what it was begun from."""
    [(content, form)] = compress.compress_bodies([draft.text])
    db.execute(
        """
        INSERT INTO mapping_drafts VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET at = excluded.at, bytes = excluded.bytes, form = excluded.form
        """,
        (storable_text(draft.mapping), storable_text(draft.who), to_ms(draft.at), draft.begun_from, content, form),
    )


def drop_draft(db: sqlite3.Connection, mapping: str, *, who: str) -> bool:
    """Delete a draft; returns whether there was one."""
    gone = db.execute(
        "DELETE FROM mapping_drafts WHERE mapping = ? AND who = ?", (storable_text(mapping), storable_text(who))
    )
    return gone.rowcount > 0


def read_drafts(db: sqlite3.Connection) -> tuple[MappingDraft, ...]:
    """All of them, those that were worked on last first."""
    rows = db.execute("SELECT mapping, who, at, begun_from, bytes, form FROM mapping_drafts ORDER BY at DESC")
    return tuple(
        MappingDraft(mapping, who, from_ms(at), begun_from, compress.decompress_body(content, form))
        for mapping, who, at, begun_from, content, form in rows
    )
