"""The part of a store's promise that is about long lists: bounded searches, and failures grouped by reason.

They only look: nothing that is still in the ingest log is applied by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.store.row_filter import RowFilter, RowPage
from bridge.store.views import EventRow, FailureGroups, WebhookRow, WholeWebhook


class ListStore(Protocol):
    """What somebody asks who looks at lists. Each question reads one snapshot and a bounded number of rows."""

    async def search_webhooks(self, which: RowFilter, *, most: int) -> RowPage[WebhookRow]:
        """The newest webhooks that fit, among the newest `most` before the cursor, and how far it looked.

        Raises NotFound for a cursor that is none.
        """
        ...

    async def search_events(self, which: RowFilter, *, most: int) -> RowPage[EventRow]:
        """The same for events."""
        ...

    async def read_whole(self, ids: Sequence[str], *, most: int) -> tuple[WholeWebhook, ...]:
        """The webhooks of these ids whose bodies are there, in this order, until they have over `most` bytes together.

        An id that no webhook has is left out.
        """
        ...

    async def group_failures(self, *, most: int) -> FailureGroups:
        """The newest `most` dead deliveries and as many webhooks that are set aside, each grouped by their reasons."""
        ...
