"""The protocol of a destination: which requests it wants, and what their answers mean. It does no I/O itself.

The kinds are the other files here; `pipeline/` makes the requests and decides about retries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from bridge.core.delivery import Delivery, Outcome, Outgoing, Response, Unsent
from bridge.core.model import Event
from bridge.core.verdict import RequestVerdict, VerdictQuestion


class Destination(Protocol):
    """One place that events are delivered to."""

    @property
    def name(self) -> str:
        """Its name in lists and settings."""
        ...

    @property
    def rate(self) -> int:
        """Requests a minute it takes; 0 means no limit."""
        ...

    @property
    def batch(self) -> int:
        """Deliveries that one request may carry."""
        ...

    @property
    def concurrency(self) -> int:
        """Requests under way at a time; order is kept only with 1."""
        ...

    @property
    def is_costly(self) -> bool:
        """Whether a request of many deliveries takes so long to make that it is made beside the event loop."""
        ...

    @property
    def quotes_answers(self) -> bool:
        """Whether it may be paused for a reason in the upstream's words, which may hold personal data."""
        ...

    @property
    def address(self) -> str:
        """Where it is, for people: scheme, host and path, no query and no key."""
        ...

    def skip_reason(self, event: Event) -> str | None:
        """Why this event is not for it (`test event`), or None where it is."""
        ...

    def make_requests(self, deliveries: Sequence[Delivery], *, now: datetime) -> tuple[Outgoing | Unsent, ...]:
        """The requests that carry these deliveries, in order, each within the upstream's limits.

        What is not to be sent now comes first, as one Unsent.
        """
        ...

    def read_response(self, response: Response, *, sent: int, now: datetime) -> Outcome:
        """What an answer to a request of `sent` deliveries means."""
        ...


@runtime_checkable
class CheckableDestination(Destination, Protocol):
    """A destination that can be asked, without an event, whether its address and key are right."""

    def check_request(self) -> Outgoing:
        """The request that carries no event; `read_response` says what its answer means, where Rejected is good."""
        ...


@runtime_checkable
class FollowingDestination(Destination, Protocol):
    """A destination to which some events go only after the event that they follow, as a refund after its purchase."""

    @property
    def follows(self) -> Mapping[str, tuple[str, ...]]:
        """The types that each event type follows, by their order; empty where none does."""
        ...

    def find_followers(self, deliveries: Sequence[Delivery]) -> tuple[int, ...]:
        """The numbers of deliveries whose events may follow another: `make_requests` needs their `followed`."""
        ...

    def next_question(self, deliveries: Sequence[Delivery], *, now: datetime) -> VerdictQuestion | None:
        """The question whose answer the first of these deliveries waits for that may be asked now.

        Raises RequestFault where it cannot be built.
        """
        ...

    def read_verdict(self, response: Response) -> RequestVerdict:
        """What an answer to such a question means."""
        ...


MOST_RETRY_AFTER = timedelta(hours=24)
"""No upstream may hold a delivery longer by one answer."""
