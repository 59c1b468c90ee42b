"""The newest refresh token of each destination, sealed, and who may use it now: one holder over all nodes."""

from __future__ import annotations

from datetime import timedelta

from bridge.store.codec.columns import to_ms_up
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction
from bridge.store.token_protocol import HeldRefreshToken

_SKEW_MS = 60_000
"""How far the clock of a new primary may be behind: a lease that ends later than that was given by another clock."""


def hold_token(transaction: Transaction, destination: str, *, holder: str, lease: timedelta) -> HeldRefreshToken | None:
    """Returns the token for one holder; None where another one has it."""
    until = transaction.at + to_ms_up(lease)
    row = transaction.execute(
        """
        INSERT INTO refresh_tokens AS mine (destination, holder, held_until) VALUES (%s, %s, %s)
        ON CONFLICT (destination) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
            WHERE mine.holder IS NULL OR mine.held_until <= %s OR mine.held_until > %s
        RETURNING version, sealed, given
        """,
        (server_text(destination), server_text(holder), until, transaction.at, until + _SKEW_MS),
    ).fetchone()
    return HeldRefreshToken(*row) if row else None


def let_token_go(transaction: Transaction, destination: str, *, holder: str) -> None:
    """End a lease early."""
    transaction.execute(
        "UPDATE refresh_tokens SET holder = NULL, held_until = NULL WHERE destination = %s AND holder = %s",
        (server_text(destination), server_text(holder)),
    )


def keep_token(
    transaction: Transaction, destination: str, sealed: bytes, *, given: bytes | None, version: int | None
) -> bool:
    """Write a newer token; returns whether the one that it follows is still the newest."""
    done = transaction.execute(
        """
        INSERT INTO refresh_tokens AS mine (destination, version, sealed, given) VALUES (%s, 1, %s, %s)
        ON CONFLICT (destination) DO UPDATE SET
            version = mine.version + 1, sealed = excluded.sealed, given = coalesce(excluded.given, mine.given),
            holder = NULL, held_until = NULL
            WHERE %s::int IS NULL OR mine.version = %s::int
        """,
        (server_text(destination), sealed, given, version, version),
    )
    return done.rowcount == 1
