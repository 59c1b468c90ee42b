"""What is kept of an upstream's answer: its beginning and its reasons, without the secrets of the request."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from bridge.core.delivery import (
    Delivered,
    Misconfigured,
    Mixed,
    Outcome,
    Outgoing,
    Rejected,
    Resend,
    Response,
    Retryable,
)
from bridge.destinations.answer_words import cut_words
from bridge.pipeline.key_removal import remove_key

_One = TypeVar("_One", bound=Delivered | Rejected | Retryable | Resend | Misconfigured)

ANSWER = 2048
"""Bytes of an upstream's answer that are kept with the attempt."""
_LOOKED_AT = 64 * 1024
"""Characters that are searched: a secret that begins within what is kept may be spelt with many."""


def remove_request_key(response: Response, outgoing: Outgoing) -> Response:
    """The answer without the key of its request, which it may repeat; of a request with named secrets, as it is.

    These have large answers, which would take long to search: `kept_answer` and `clean_outcome` search what is kept.
    """
    text = response.text if outgoing.secrets else _without_bearer(response.text, outgoing)
    return response if text == response.text else replace(response, text=text)


def kept_answer(response: Response, outgoing: Outgoing) -> str:
    """The beginning of an answer, or why there is none."""
    if response.status is None:
        return _cut_text(response.failure or "")
    text = remove_secrets(response.text[:_LOOKED_AT], outgoing) if outgoing.secrets else response.text
    return _cut_text(text)


def clean_outcome(outcome: Outcome, outgoing: Outgoing) -> Outcome:
    """The outcome with reasons of a few words that hold no named secret of the request."""
    if not outgoing.secrets:
        return outcome
    match outcome:
        case Mixed(outcomes):
            return Mixed(tuple(_clean_one(one, outgoing) for one in outcomes))
        case Delivered() | Rejected() | Retryable() | Misconfigured():
            return _clean_one(outcome, outgoing)


def _clean_one(outcome: _One, outgoing: Outgoing) -> _One:
    if isinstance(outcome, Delivered):
        return replace(outcome, note=None if outcome.note is None else _clean_words(outcome.note, outgoing))
    return replace(outcome, reason=_clean_words(outcome.reason, outgoing))


def _clean_words(text: str, outgoing: Outgoing) -> str:
    return cut_words(remove_secrets(text, outgoing))


def remove_secrets(text: str, outgoing: Outgoing) -> str:
    """The text without the secrets of a request, and without its key."""
    for name, value in outgoing.secrets:
        text = remove_key(text, value, removed=f"[{name}]")
    return _without_bearer(text, outgoing)


def _without_bearer(text: str, outgoing: Outgoing) -> str:
    return remove_key(text, outgoing.headers.get("authorization", "").removeprefix("Bearer "))


def _cut_text(text: str) -> str:
    return text.encode("utf-8", "replace")[:ANSWER].decode("utf-8", "ignore")
