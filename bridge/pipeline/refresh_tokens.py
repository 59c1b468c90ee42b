"""Refresh tokens that are good once: the newest is kept sealed in the store, and one process at a time uses it.

An answer's new refresh token is kept before its access token is used. One gap cannot be closed: a process that is
killed between the platform's answer and its write loses the only good one. A stop waits for that write.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from bridge.core import log
from bridge.core.access_token import AccessToken, RotatingTokenSource, TokenDenied, TokenSource
from bridge.core.errors import StoreUnavailable
from bridge.core.sealing import NONCE_BYTES, SealKeys
from bridge.store.token_protocol import HeldRefreshToken, RefreshTokenStore

LEASE = timedelta(seconds=20)
"""How long one process may hold a refresh token: twice as long as a request takes at most."""
LOOK = timedelta(milliseconds=100)
"""How often one that waits for it looks again."""
_WRONG_KEY = (
    "the refresh token in the store was sealed with another BRIDGE_SEAL_KEY; set that key again, behind a comma where "
    "there is a newer one, or get another refresh token"
)
AskForToken = Callable[[TokenSource], Awaitable[AccessToken | TokenDenied]]


class RefreshTokens:
    """The refresh tokens of all destinations."""

    def __init__(
        self,
        store: RefreshTokenStore,
        seal_keys: SealKeys,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._seal_keys = seal_keys
        self._clock = clock
        self._sleep = sleep

    async def refresh(self, source: RotatingTokenSource, ask: AskForToken) -> AccessToken | TokenDenied:
        """An access token; a refresh token that came with it is kept. Who is cancelled still keeps it first."""
        refreshing = asyncio.ensure_future(self._refresh(source, ask))
        try:
            return await asyncio.shield(refreshing)
        except asyncio.CancelledError:
            await asyncio.wait([refreshing])
            raise

    async def keep_token(
        self, source: RotatingTokenSource, refresh_token: str, *, held: HeldRefreshToken | None = None
    ) -> bool:
        """Keep a refresh token; False where another one was kept since it was `held`. Raises StoreUnavailable."""
        text = source.write_kept_token(refresh_token)
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._seal_keys.seal_text(text, purpose=_purpose(source), nonce=nonce)
        version = held.version if held is not None else None
        return await self._store.keep_refresh_token(
            source.destination, sealed, given=source.given_digest, version=version
        )

    async def _refresh(self, source: RotatingTokenSource, ask: AskForToken) -> AccessToken | TokenDenied:
        holder = secrets.token_hex(8)
        try:
            held = await self._hold_token(source.destination, holder)
        except StoreUnavailable:
            return TokenDenied("no token: the store is unavailable", pauses=False)
        if held is None:
            return TokenDenied("no token: another process is asking for one", pauses=False)
        try:
            chosen = self._choose_token(source, held)
            answer = chosen if isinstance(chosen, TokenDenied) else await ask(chosen)
            if isinstance(answer, AccessToken) and answer.refresh_token is not None:
                await self._keep_surely(source, answer.refresh_token, held)
            return answer
        finally:
            with suppress(StoreUnavailable):  # the lease ends by itself
                await self._store.let_refresh_token_go(source.destination, holder=holder)

    async def _hold_token(self, destination: str, holder: str) -> HeldRefreshToken | None:
        """The token, as soon as nobody else holds it; None where that does not end with the lease."""
        until = self._clock() + LEASE + LOOK
        while True:
            now = self._clock()
            held = await self._store.hold_refresh_token(destination, holder=holder, now=now, lease=LEASE)
            if held is not None or now >= until:
                return held
            await self._sleep(LOOK.total_seconds())

    def _choose_token(self, source: RotatingTokenSource, held: HeldRefreshToken) -> TokenSource | TokenDenied:
        """The kept one, unless the settings have another than the one that it took the place of."""
        if held.sealed is None or source.given_digest not in {None, held.given}:
            return source.with_kept_token(None)
        kept = self._seal_keys.open_sealed(held.sealed, purpose=_purpose(source))
        return TokenDenied(_WRONG_KEY, pauses=True) if kept is None else source.with_kept_token(kept)

    async def _keep_surely(self, source: RotatingTokenSource, refresh_token: str, held: HeldRefreshToken) -> None:
        """Keep it, also where the store is unavailable for a while: the one before is good no longer."""
        warned = False
        while True:
            try:
                await self.keep_token(source, refresh_token, held=held)
            except StoreUnavailable as error:
                if not warned:
                    log.log_warning("token.waits", destination=source.destination, why=str(error))
                warned = True
                await self._sleep(LOOK.total_seconds())
            else:
                return


def _purpose(source: RotatingTokenSource) -> str:
    return f"refresh token of {source.destination}"
