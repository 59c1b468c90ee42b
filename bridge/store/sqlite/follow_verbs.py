"""The verbs of a SQLite store that are about followers: `bridge.store.follow_protocol.FollowStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bridge.core.delivery import FollowedEvent
from bridge.store.claims import ClaimedDeliveries
from bridge.store.sqlite.db.reader import ReaderPool
from bridge.store.sqlite.db.writer import WriterThread
from bridge.store.sqlite.tables import followers


class SqliteFollowVerbs:
    """What `SqliteStore` has of that promise; the threads are its own."""

    _reader: ReaderPool
    _writer: WriterThread

    async def find_followed(
        self, claimed: ClaimedDeliveries, numbers: Sequence[int], *, now: datetime
    ) -> Mapping[int, FollowedEvent]:
        """What is known of the event that each of these follows."""
        return await self._reader.run_query(lambda db: followers.find_followed(db, claimed, numbers, now=now))

    async def keep_verdict(self, destination: str, numbers: Sequence[int], *, note: str, verdict: str) -> None:
        """Keep what a platform said later."""
        await self._writer.run_write(
            lambda db: followers.keep_verdict(db, destination, numbers, note=note, verdict=verdict)
        )
