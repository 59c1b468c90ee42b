"""The part of a store's promise that is about events that follow others, as a refund follows its purchase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bridge.core.delivery import FollowedEvent
from bridge.store.claims import ClaimedDeliveries


class FollowStore(Protocol):
    """What a destination was told of an order. Only deliveries whose route said that they follow cost anything."""

    async def find_followed(
        self, claimed: ClaimedDeliveries, numbers: Sequence[int], *, now: datetime
    ) -> Mapping[int, FollowedEvent]:
        """What is known of the event that each of these claimed deliveries follows; one that follows none is left out.

        Of two followers of one event that are claimed at a time, the one claimed later, or with the larger number, is
        told that the other is under way: so the sum that each is told has all that were sent before it.
        """
        ...

    async def keep_verdict(self, destination: str, numbers: Sequence[int], *, note: str, verdict: str) -> None:
        """Keep what a platform said later of the request that left `note`: for all that follow what these follow.

        The numbers are those of deliveries. An empty `verdict` says that it took all of that request.
        """
        ...
