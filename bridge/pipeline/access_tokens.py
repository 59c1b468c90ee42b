"""Access tokens in memory: fetched when a request needs one, renewed before they end, forgotten when one is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.core.access_token import AccessToken, RotatingTokenSource, TokenDenied, TokenSource
from bridge.core.delivery import Misconfigured, Outgoing, Response, Retryable
from bridge.pipeline.http_client import Send
from bridge.pipeline.kept_answer import remove_secrets
from bridge.pipeline.refresh_tokens import RefreshTokens

EARLY = timedelta(minutes=5)
"""How long before its end a token is renewed, one that is short-lived in the middle of its life.

Clocks differ, and a request takes its time.
"""
UNAUTHORIZED = 401


class TokenRefused(Exception):
    """There is no token; `outcome` is what becomes of the request that needs one."""

    def __init__(self, outcome: Misconfigured | Retryable) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class AccessTokens:
    """The token of one destination, shared by its senders: one fetch at a time.

    `refresh_tokens` are needed where the source is a RotatingTokenSource.
    """

    def __init__(self, clock: Callable[[], datetime], refresh_tokens: RefreshTokens | None = None) -> None:
        self._clock = clock
        self._refresh_tokens = refresh_tokens
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._renew_at = clock()

    async def send_with_token(
        self, outgoing: Outgoing, source: TokenSource | RotatingTokenSource, send: Send
    ) -> tuple[Response, Outgoing]:
        """Send with a token; one that is refused is renewed once, and the request made again at once.

        Returns the answer and the request that got it, whose secrets hold the token. Raises TokenRefused.
        """
        token = await self._get_token(source, send)
        signed = _with_token(outgoing, token)
        response = await send(signed)
        if response.status != UNAUTHORIZED:
            return response, signed
        await self._forget_token(token)
        signed = _with_token(outgoing, await self._get_token(source, send))
        return await send(signed), signed

    async def _get_token(self, source: TokenSource | RotatingTokenSource, send: Send) -> str:
        async with self._lock:
            now = self._clock()
            if self._token is None or now >= self._renew_at:
                answer = await self._fetch_token(source, send)
                if isinstance(answer, TokenDenied):
                    reason = answer.reason
                    raise TokenRefused(Misconfigured(reason) if answer.pauses else Retryable(reason, breaks=True))
                self._token = answer.text
                self._renew_at = now + answer.lasts - min(EARLY, answer.lasts / 2)
            return self._token

    async def _fetch_token(self, source: TokenSource | RotatingTokenSource, send: Send) -> AccessToken | TokenDenied:
        if not isinstance(source, RotatingTokenSource):
            return await self._ask_for_token(source, send)
        if self._refresh_tokens is None:
            return TokenDenied("its refresh token cannot be kept: BRIDGE_SEAL_KEY is not set", pauses=True)
        return await self._refresh_tokens.refresh(source, lambda chosen: self._ask_for_token(chosen, send))

    async def _ask_for_token(self, source: TokenSource, send: Send) -> AccessToken | TokenDenied:
        """One request for a token; its reason holds no secret."""
        asked = source.make_token_request(self._clock())
        outgoing = Outgoing(asked.url, asked.headers, asked.body, (), secrets=asked.secrets)
        response = await send(outgoing)
        told = response.text if response.status is not None else response.failure or ""
        answer = source.read_token_answer(response.status, told)
        return (
            replace(answer, reason=remove_secrets(answer.reason, outgoing))
            if isinstance(answer, TokenDenied)
            else answer
        )

    async def _forget_token(self, token: str) -> None:
        """Forget a token that was refused, unless another sender has renewed it meanwhile."""
        async with self._lock:
            if self._token == token:
                self._token = None


def _with_token(outgoing: Outgoing, token: str) -> Outgoing:
    headers = {**outgoing.headers, "authorization": f"Bearer {token}"}
    return replace(outgoing, headers=headers, secrets=(*outgoing.secrets, ("token", token)))
