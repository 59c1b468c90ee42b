"""The verbs of a SQLite store that are about long lists: `bridge.store.list_protocol.ListStore`."""

from __future__ import annotations

from bridge.store.row_filter import RowFilter, RowPage
from bridge.store.sqlite.admin import failures, search
from bridge.store.sqlite.db.reader import ReaderPool
from bridge.store.views import EventRow, FailureGroups, WebhookRow


class SqliteListVerbs:
    """What `SqliteStore` has of that promise; the threads are its own."""

    _reader: ReaderPool

    async def search_webhooks(self, which: RowFilter, *, most: int) -> RowPage[WebhookRow]:
        """A page of webhooks."""
        return await self._reader.run_query(lambda db: search.search_webhooks(db, which, most=most))

    async def search_events(self, which: RowFilter, *, most: int) -> RowPage[EventRow]:
        """A page of events."""
        return await self._reader.run_query(lambda db: search.search_events(db, which, most=most))

    async def group_failures(self, *, most: int) -> FailureGroups:
        """What failed, by reason."""
        return await self._reader.run_query(lambda db: failures.group_failures(db, most=most))
