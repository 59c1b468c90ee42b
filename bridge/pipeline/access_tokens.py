"""Access tokens in memory: fetched when a request needs one, renewed before they end, forgotten when one is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.core.access_token import TokenDenied, TokenSource
from bridge.core.delivery import Misconfigured, Outgoing, Response, Retryable
from bridge.pipeline.http_client import Send
from bridge.pipeline.kept_answer import remove_secrets

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
    """The token of one destination, shared by its senders: one fetch at a time."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._renew_at = clock()

    async def send_with_token(self, outgoing: Outgoing, source: TokenSource, send: Send) -> tuple[Response, Outgoing]:
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

    async def _get_token(self, source: TokenSource, send: Send) -> str:
        async with self._lock:
            now = self._clock()
            if self._token is None or now >= self._renew_at:
                asked = source.make_token_request(now)
                outgoing = Outgoing(asked.url, asked.headers, asked.body, (), secrets=asked.secrets)
                response = await send(outgoing)
                told = response.text if response.status is not None else response.failure or ""
                answer = source.read_token_answer(response.status, told)
                if isinstance(answer, TokenDenied):
                    reason = remove_secrets(answer.reason, outgoing)
                    raise TokenRefused(Misconfigured(reason) if answer.pauses else Retryable(reason, breaks=True))
                self._token = answer.text
                self._renew_at = now + answer.lasts - min(EARLY, answer.lasts / 2)
            return self._token

    async def _forget_token(self, token: str) -> None:
        """Forget a token that was refused, unless another sender has renewed it meanwhile."""
        async with self._lock:
            if self._token == token:
                self._token = None


def _with_token(outgoing: Outgoing, token: str) -> Outgoing:
    headers = {**outgoing.headers, "authorization": f"Bearer {token}"}
    return replace(outgoing, headers=headers, secrets=(*outgoing.secrets, ("token", token)))
