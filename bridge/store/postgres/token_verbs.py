"""The verbs of a PostgreSQL store that are about refresh tokens: `bridge.store.token_protocol.RefreshTokenStore`."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridge.store.postgres.db.link import DatabaseLink
from bridge.store.postgres.tables import refresh_tokens
from bridge.store.token_protocol import HeldRefreshToken


class PostgresTokenVerbs:
    """What `PostgresStore` has of that promise; the connection is its own."""

    _deliver: DatabaseLink

    async def hold_refresh_token(
        self, destination: str, *, holder: str, now: datetime, lease: timedelta
    ) -> HeldRefreshToken | None:
        """The refresh token, for one holder at a time."""
        return await self._deliver.write(
            lambda one: refresh_tokens.hold_token(one, destination, holder=holder, lease=lease), now=now
        )

    async def let_refresh_token_go(self, destination: str, *, holder: str) -> None:
        """Let the next one hold it."""
        await self._deliver.write(lambda one: refresh_tokens.let_token_go(one, destination, holder=holder))

    async def keep_refresh_token(
        self, destination: str, sealed: bytes, *, given: bytes | None, version: int | None = None
    ) -> bool:
        """Keep a newer one, and let it go."""
        return await self._deliver.write(
            lambda one: refresh_tokens.keep_token(one, destination, sealed, given=given, version=version)
        )
