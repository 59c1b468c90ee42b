"""The nouns of access tokens: how one is asked for, what is answered. All are frozen values; nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One POST for a token. `secrets` are names and values of what must not be kept of an answer that repeats it."""

    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, and how long it is good."""

    text: str = field(repr=False)
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class TokenDenied:
    """There is no token: `pauses` where asking again would not mend it, else it is asked for again."""

    reason: str
    pauses: bool


class TokenSource(Protocol):
    """How a destination's access tokens are asked for."""

    def make_token_request(self, now: datetime) -> TokenRequest:
        """The request for a token."""
        ...

    def read_token_answer(self, status: int | None, text: str) -> AccessToken | TokenDenied:
        """The token of an answer, or why there is none; without a `status`, `text` is why there was no answer."""
        ...
