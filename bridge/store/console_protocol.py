"""The part of a store's promise that is about the web console's sessions, which all processes and nodes share."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class ConsoleStore(Protocol):
    """What signs sessions, and codes that log in once."""

    async def console_secret(self) -> bytes:
        """What sessions are signed with: 32 random bytes, made at the first question. No backup has it."""
        ...

    async def add_login_code(self, digest: bytes, *, key: bytes, until: datetime, now: datetime) -> None:
        """Keep the SHA-256 of a code that stands once for the key with the digest `key`; expired ones are deleted."""
        ...

    async def take_login_code(self, digest: bytes, *, now: datetime) -> bytes | None:
        """The digest of the key that a code stands for. It is no code from then on; None for one that is none now."""
        ...
