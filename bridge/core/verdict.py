"""What a platform says later of a request that it took, and the question for it. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.core.delivery import Delivery, DeliveryUpdate, Outgoing


@dataclass(frozen=True, slots=True)
class RequestVerdict:
    """What became of a request's events: how many were refused, by reason; `failure` is why nobody knows.

    `is_success` is whether every one of them was taken for sure.
    """

    is_pending: bool = False
    refused: Mapping[str, int] = field(default_factory=dict)
    failure: str | None = None
    is_success: bool = False

    @property
    def word(self) -> str | None:
        """What is known of each event of the request: "" taken, why it may not be, None while nothing is known."""
        if self.is_pending or self.failure is not None:
            return None
        return "" if self.is_success and not self.refused else ", ".join(self.refused) or "no success"


@dataclass(frozen=True, slots=True)
class VerdictQuestion:
    """What became of the request whose answer left `note`, for which `deliveries` wait.

    `waiting` has what becomes of each delivery that waits for a verdict where there is none yet: of these, and of
    `others`, which wait for another request's.
    """

    note: str
    outgoing: Outgoing
    deliveries: tuple[Delivery, ...]
    others: tuple[Delivery, ...]
    waiting: tuple[DeliveryUpdate, ...]
