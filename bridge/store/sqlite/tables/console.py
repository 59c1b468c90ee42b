"""What the web console signs its sessions with, and the codes that log in once."""

from __future__ import annotations

import secrets
import sqlite3
from datetime import datetime

from bridge.store.codec.columns import to_ms

SECRET_BYTES = 32
_SIGNING = "signing"


def read_secret(db: sqlite3.Connection) -> bytes | None:
    """Returns the signing key; None if none was made yet."""
    row = db.execute("SELECT value FROM console_secrets WHERE name = ?", (_SIGNING,)).fetchone()
    return bytes(row[0]) if row else None


def make_secret(db: sqlite3.Connection) -> bytes:
    """Returns the signing key; makes it if another process has not."""
    made = secrets.token_bytes(SECRET_BYTES)
    db.execute("INSERT OR IGNORE INTO console_secrets VALUES (?, ?)", (_SIGNING, made))
    return read_secret(db) or made


def add_login_code(db: sqlite3.Connection, digest: bytes, *, key: bytes, until: datetime, now: datetime) -> None:
    """Keep a code, and delete those that have expired."""
    db.execute("DELETE FROM login_codes WHERE until <= ?", (to_ms(now),))
    db.execute("INSERT OR REPLACE INTO login_codes VALUES (?, ?, ?)", (digest, key, to_ms(until)))


def take_login_code(db: sqlite3.Connection, digest: bytes, *, now: datetime) -> bytes | None:
    """Delete a code; returns the digest of its key unless it has expired."""
    row = db.execute("DELETE FROM login_codes WHERE digest = ? RETURNING key, until", (digest,)).fetchone()
    return bytes(row[0]) if row and row[1] > to_ms(now) else None
