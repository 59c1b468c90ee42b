"""The verbs of a SQLite store that list and show rows, such as those of `bridge.store.list_protocol.ListStore`."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.store.row_filter import RowFilter, RowPage
from bridge.store.sqlite.admin import failures, queries, search
from bridge.store.sqlite.db.reader import ReaderPool
from bridge.store.views import (
    DeliveryDetail,
    DeliveryRow,
    EventDetail,
    EventRow,
    FailureGroups,
    WebhookDetail,
    WebhookRow,
    WholeWebhook,
)


class SqliteListVerbs:
    """What `SqliteStore` has of them; the threads are its own."""

    _reader: ReaderPool

    async def webhooks(self, which: RowFilter) -> list[WebhookRow]:
        """Webhooks, newest first."""
        return await self._reader.run_query(lambda db: queries.list_webhooks(db, which))

    async def events(self, which: RowFilter) -> list[EventRow]:
        """Events, newest first."""
        return await self._reader.run_query(lambda db: queries.list_events(db, which))

    async def deliveries(self, which: RowFilter) -> list[DeliveryRow]:
        """Deliveries, newest first."""
        return await self._reader.run_query(lambda db: queries.list_deliveries(db, which))

    async def show_detail(self, public_id: str) -> list[WebhookDetail | EventDetail | DeliveryDetail]:
        """Returns what has that id."""
        return await self._reader.run_query(lambda db: queries.show_detail(db, public_id))

    async def search_webhooks(self, which: RowFilter, *, most: int) -> RowPage[WebhookRow]:
        """A page of webhooks."""
        return await self._reader.run_query(lambda db: search.search_webhooks(db, which, most=most))

    async def search_events(self, which: RowFilter, *, most: int) -> RowPage[EventRow]:
        """A page of events."""
        return await self._reader.run_query(lambda db: search.search_events(db, which, most=most))

    async def read_whole(self, ids: Sequence[str], *, most: int) -> tuple[WholeWebhook, ...]:
        """Webhooks with their bodies."""
        return await self._reader.run_query(lambda db: queries.read_whole(db, ids, most=most))

    async def group_failures(self, *, most: int) -> FailureGroups:
        """What failed, by reason."""
        return await self._reader.run_query(lambda db: failures.group_failures(db, most=most))
