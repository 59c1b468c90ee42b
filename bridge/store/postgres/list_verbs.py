"""The verbs of a PostgreSQL store that list and show rows."""

from __future__ import annotations

from bridge.store.postgres.admin import queries
from bridge.store.postgres.db.link import DatabaseLink
from bridge.store.row_filter import RowFilter
from bridge.store.views import DeliveryDetail, DeliveryRow, EventDetail, EventRow, WebhookDetail, WebhookRow


class PostgresListVerbs:
    """What `PostgresStore` has of them; the connection is its own."""

    _reader: DatabaseLink

    async def webhooks(self, which: RowFilter) -> list[WebhookRow]:
        """Webhooks, newest first."""
        return await self._reader.read(lambda db: queries.list_webhooks(db, which))

    async def events(self, which: RowFilter) -> list[EventRow]:
        """Events, newest first."""
        return await self._reader.read(lambda db: queries.list_events(db, which))

    async def deliveries(self, which: RowFilter) -> list[DeliveryRow]:
        """Deliveries, newest first."""
        return await self._reader.read(lambda db: queries.list_deliveries(db, which))

    async def show_detail(self, public_id: str) -> list[WebhookDetail | EventDetail | DeliveryDetail]:
        """Returns what has that id."""
        return await self._reader.read(lambda db: queries.show_detail(db, public_id))
