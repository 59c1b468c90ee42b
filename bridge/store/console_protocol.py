"""The part of a store's promise that is about the web console: sessions and drafts, which all processes share."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bridge.store.status_views import MappingDraft


class ConsoleStore(Protocol):
    """What signs sessions, codes that log in once, and the drafts that people work on."""

    async def console_secret(self) -> bytes:
        """What sessions are signed with: 32 random bytes, made at the first question. No backup has it."""
        ...

    async def add_login_code(self, digest: bytes, *, key: bytes, until: datetime, now: datetime) -> None:
        """Keep the SHA-256 of a code that stands once for the key with the digest `key`; expired ones are deleted."""
        ...

    async def take_login_code(self, digest: bytes, *, now: datetime) -> bytes | None:
        """The digest of the key that a code stands for. It is no code from then on; None for one that is none now."""
        ...

    async def keep_draft(self, draft: MappingDraft) -> None:
        """Keep a draft in the place of the one that the person had of this mapping; that keeps `begun_from`."""
        ...

    async def drop_draft(self, mapping: str, *, who: str) -> bool:
        """Delete a person's draft of a mapping; returns whether there was one."""
        ...

    async def read_drafts(self) -> tuple[MappingDraft, ...]:
        """All drafts, those that were worked on last first."""
        ...
