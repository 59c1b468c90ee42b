"""The part of a store's promise that is about refresh tokens, which all processes and nodes share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HeldRefreshToken:
    """A destination's refresh token, held by one who refreshes: `sealed` None where none was kept yet.

    `given` is the SHA-256 of the one in the settings that it took the place of.
    """

    version: int
    sealed: bytes | None = field(default=None, repr=False)
    given: bytes | None = None


class RefreshTokenStore(Protocol):
    """The newest refresh token of each destination, sealed. A backup has it."""

    async def hold_refresh_token(
        self, destination: str, *, holder: str, now: datetime, lease: timedelta
    ) -> HeldRefreshToken | None:
        """The refresh token, which nobody else gets until the holder lets it go or the lease is over.

        None where another one holds it.
        """
        ...

    async def let_refresh_token_go(self, destination: str, *, holder: str) -> None:
        """Let the next one hold it; nothing changes where this holder's lease was over and another one has it."""
        ...

    async def keep_refresh_token(
        self, destination: str, sealed: bytes, *, given: bytes | None, version: int | None = None
    ) -> bool:
        """Keep a newer one, and let it go; `given` None leaves that as it is.

        With `version`, only if the one that was held is still the newest: else nothing changes, and it says False.
        """
        ...
