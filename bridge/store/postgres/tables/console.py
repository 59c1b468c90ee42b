"""What the web console signs its sessions with, and the codes that log in once: the same on all nodes."""

from __future__ import annotations

import secrets
from datetime import datetime

from bridge.store.postgres.db.transaction import Transaction, select

SECRET_BYTES = 32
_SIGNING = "signing"


def keep_secret(transaction: Transaction) -> bytes:
    """Returns the signing key; makes it if no other node has."""
    find = "SELECT value FROM console_secrets WHERE name = %s"
    rows = select(transaction.db, find, (_SIGNING,))
    if not rows:
        made = secrets.token_bytes(SECRET_BYTES)
        transaction.execute("INSERT INTO console_secrets VALUES (%s, %s) ON CONFLICT DO NOTHING", (_SIGNING, made))
        rows = select(transaction.db, find, (_SIGNING,))
    secret: bytes = rows[0][0]
    return secret


def add_login_code(transaction: Transaction, digest: bytes, *, key: bytes, until: datetime) -> None:
    """Keep a code, and delete those that have expired."""
    transaction.execute("DELETE FROM login_codes WHERE until <= %s", (transaction.at,))
    transaction.execute(
        "INSERT INTO login_codes VALUES (%s, %s, %s) "
        "ON CONFLICT (digest) DO UPDATE SET key = excluded.key, until = excluded.until",
        (digest, key, transaction.at_least(until)),
    )


def take_login_code(transaction: Transaction, digest: bytes) -> bytes | None:
    """Delete a code; returns the digest of its key unless it has expired."""
    row = transaction.execute("DELETE FROM login_codes WHERE digest = %s RETURNING key, until", (digest,)).fetchone()
    return row[0] if row and row[1] > transaction.at else None
