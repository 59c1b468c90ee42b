"""The verbs of a PostgreSQL store that are about followers: `bridge.store.follow_protocol.FollowStore`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bridge.core.delivery import FollowedEvent
from bridge.store.claims import ClaimedDeliveries
from bridge.store.postgres.db.link import DatabaseLink
from bridge.store.postgres.tables import followers


class PostgresFollowVerbs:
    """What `PostgresStore` has of that promise; the connection is its own."""

    _deliver: DatabaseLink

    async def find_followed(
        self, claimed: ClaimedDeliveries, numbers: Sequence[int], *, now: datetime
    ) -> Mapping[int, FollowedEvent]:
        """What is known of the event that each of these follows."""
        return await self._deliver.write(lambda one: followers.find_followed(one, claimed, numbers), now=now)

    async def keep_verdict(self, destination: str, numbers: Sequence[int], *, note: str, verdict: str) -> None:
        """Keep what a platform said later."""
        await self._deliver.write(
            lambda one: followers.keep_verdict(one, destination, numbers, note=note, verdict=verdict)
        )
