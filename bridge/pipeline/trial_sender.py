"""Sends one test event to one destination, now, beside all deliveries: nothing is kept but a new refresh token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bridge.core.delivery import Outgoing
from bridge.destinations.protocol import Destination
from bridge.destinations.tools.trial import TrialAnswer
from bridge.pipeline.access_tokens import AccessTokens, TokenRefused
from bridge.pipeline.http_client import open_client
from bridge.pipeline.kept_answer import clean_outcome, kept_answer, remove_request_key
from bridge.pipeline.refresh_tokens import RefreshTokens
from bridge.pipeline.retry_policy import RetryPolicy


async def send_trial(
    destination: Destination,
    made: Outgoing,
    *,
    clock: Callable[[], datetime],
    refresh_tokens: RefreshTokens | None = None,
) -> TrialAnswer:
    """The answer, what it means, and its beginning, without secrets."""
    async with open_client(RetryPolicy().timeout) as send:
        try:
            if made.token_source is not None:
                response, made = await AccessTokens(clock, refresh_tokens).send_with_token(
                    made, made.token_source, send
                )
            else:
                response = await send(made)
        except TokenRefused as error:
            return TrialAnswer(None, error.outcome, "")
    response = remove_request_key(response, made)
    outcome = destination.read_response(response, sent=1, now=clock())
    return TrialAnswer(response.status, clean_outcome(outcome, made), kept_answer(response, made))
