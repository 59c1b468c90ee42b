"""The nouns of access tokens: how one is asked for, what is answered. All are frozen values; nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable


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
    refresh_token: str | None = field(default=None, repr=False)
    """The refresh token that takes the place of the one that was used; None where that stays."""


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


@runtime_checkable
class RotatingTokenSource(Protocol):
    """Tokens that are asked for with a refresh token which each answer may replace: the newest is kept in the store."""

    @property
    def destination(self) -> str:
        """Whose tokens they are."""
        ...

    @property
    def given_digest(self) -> bytes | None:
        """The SHA-256 of the refresh token in the settings; None where there is none."""
        ...

    def with_kept_token(self, kept: str | None) -> TokenSource | TokenDenied:
        """What asks with the kept refresh token, or with that of the settings where `kept` is None."""
        ...

    def write_kept_token(self, refresh_token: str) -> str:
        """The text to keep, from which `with_kept_token` reads it again."""
        ...
