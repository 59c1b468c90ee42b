"""The newest refresh token of each destination, sealed, and who may use it now."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from bridge.store.codec.columns import to_ms
from bridge.store.token_protocol import HeldRefreshToken

_SKEW = timedelta(minutes=1)
"""How far the clocks of two holders may differ."""


def hold_token(
    db: sqlite3.Connection, destination: str, *, holder: str, now: datetime, lease: timedelta
) -> HeldRefreshToken | None:
    """Returns the token for one holder. A lease that could not have begun by now is over: the clock was set back."""
    row = db.execute(
        """
        INSERT INTO refresh_tokens (destination, version, holder, held_until) VALUES (:destination, 0, :holder, :until)
        ON CONFLICT (destination) DO UPDATE SET holder = :holder, held_until = :until
            WHERE holder IS NULL OR held_until <= :now OR held_until > :latest
        RETURNING version, sealed, given
        """,
        {
            "destination": destination,
            "holder": holder,
            "now": to_ms(now),
            "until": to_ms(now + lease),
            "latest": to_ms(now + lease + _SKEW),
        },
    ).fetchone()
    return HeldRefreshToken(*row) if row else None


def let_token_go(db: sqlite3.Connection, destination: str, *, holder: str) -> None:
    """End a lease early."""
    db.execute(
        "UPDATE refresh_tokens SET holder = NULL, held_until = NULL WHERE destination = ? AND holder = ?",
        (destination, holder),
    )


def keep_token(
    db: sqlite3.Connection, destination: str, sealed: bytes, *, given: bytes | None, version: int | None
) -> bool:
    """Write a newer token; returns whether the one that it follows is still the newest."""
    done = db.execute(
        """
        INSERT INTO refresh_tokens (destination, version, sealed, given) VALUES (:destination, 1, :sealed, :given)
        ON CONFLICT (destination) DO UPDATE SET
            version = version + 1, sealed = :sealed, given = coalesce(:given, given), holder = NULL, held_until = NULL
            WHERE :version IS NULL OR version = :version
        """,
        {"destination": destination, "sealed": sealed, "given": given, "version": version},
    )
    return done.rowcount == 1
