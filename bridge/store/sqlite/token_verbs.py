"""The verbs of a SQLite store that are about refresh tokens: `bridge.store.token_protocol.RefreshTokenStore`."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridge.store.sqlite.db.writer import WriterThread
from bridge.store.sqlite.tables import refresh_tokens
from bridge.store.token_protocol import HeldRefreshToken


class SqliteTokenVerbs:
    """What `SqliteStore` has of that promise; the thread is its own."""

    _writer: WriterThread

    async def hold_refresh_token(
        self, destination: str, *, holder: str, now: datetime, lease: timedelta
    ) -> HeldRefreshToken | None:
        """The refresh token, for one holder at a time."""
        return await self._writer.run_write(
            lambda db: refresh_tokens.hold_token(db, destination, holder=holder, now=now, lease=lease)
        )

    async def let_refresh_token_go(self, destination: str, *, holder: str) -> None:
        """Let the next one hold it."""
        await self._writer.run_write(lambda db: refresh_tokens.let_token_go(db, destination, holder=holder))

    async def keep_refresh_token(
        self, destination: str, sealed: bytes, *, given: bytes | None, version: int | None = None
    ) -> bool:
        """Keep a newer one, and let it go."""
        return await self._writer.run_write(
            lambda db: refresh_tokens.keep_token(db, destination, sealed, given=given, version=version)
        )
