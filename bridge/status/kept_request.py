"""The request that carried a kept delivery, made again from its event by the destination file that made it. Pure.

Requests are never stored: they hold secrets, and people's data once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.core.delivery import Attempt, Delivery, DeliveryState, Outgoing, Unsent
from bridge.core.errors import BridgeError
from bridge.core.json_text import Json
from bridge.core.mapping_text import MappingText
from bridge.destinations.protocol import Destination, FollowingDestination
from bridge.destinations.tools.described import describe_request, describe_unsent
from bridge.destinations.tools.trial import join_words
from bridge.store.protocol import DeliveryDetail

MakeMasked = Callable[[str, MappingText | None], tuple[Destination, MappingText | None]]
"""Makes a destination by its name, with masked secrets: by another version of its file, or by the one in use."""


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """The request of the last attempt that made one, as if it had carried this delivery alone.

    `request` has method, url, headers and body; None where it cannot be made, which `missing` says. `made_by` is the
    destination file, None for a kind that has none; `is_kept` whether it is the one that made the request, else it is
    the one in use; `is_in_use` whether it is in use now. `address` has nothing that depends on the event.
    """

    request: dict[str, Json] | None
    address: str = ""
    made_by: MappingText | None = None
    is_kept: bool = False
    is_in_use: bool = False
    missing: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def headline(self) -> str:
        """By what it is made, in a few words."""
        if self.made_by is None:
            return "made again"
        if not self.is_kept:
            return f"made again by the file in use, {self.made_by}, as the one that made it was not kept"
        return f"made again by {self.made_by}{'' if self.is_in_use else ', which is not the file in use now'}"


def rebuild_request(kept: DeliveryDetail, make_masked: MakeMasked) -> KeptRequest | None:
    """The request of a delivery with the options that are set now; None where no attempt made one.

    It is made as of the time of the attempt. Where a destination file is changed, it takes some 30 ms to read.
    """
    sent = next((one for one in reversed(kept.attempts) if one.had_request), None)
    if sent is None:
        return None
    try:
        return _rebuild(kept, sent, make_masked)
    except (BridgeError, OSError) as error:
        return KeptRequest(None, made_by=sent.made_by, is_kept=sent.made_by is not None, missing=str(error))


def _rebuild(kept: DeliveryDetail, sent: Attempt, make_masked: MakeMasked) -> KeptRequest:
    destination, text = make_masked(sent.destination, sent.made_by)
    made = destination.make_requests([kept.claimed], now=sent.started_at)[0]
    is_kept = sent.made_by is not None
    return KeptRequest(
        request=describe_request(made) if isinstance(made, Outgoing) else None,
        address=destination.address,
        made_by=text,
        is_kept=is_kept,
        is_in_use=not is_kept or _find_text_in_use(sent.destination, make_masked) == text,
        missing="" if isinstance(made, Outgoing) else _why_unmade(destination, kept.claimed, made),
        notes=("the event was written over since it was made: an earlier attempt may have sent its earlier text",)
        if kept.claimed.revision
        else (),
    )


def _why_unmade(destination: Destination, delivery: Delivery, made: Unsent) -> str:
    follows = isinstance(destination, FollowingDestination) and destination.find_followers([delivery])
    if follows and made.updates[0].state is DeliveryState.PENDING:
        return "it said what was left of the event that it follows, which is not kept"
    return f"by the options of now: {join_words(describe_unsent(made)[0])}"


def _find_text_in_use(name: str, make_masked: MakeMasked) -> MappingText | None:
    try:
        return make_masked(name, None)[1]
    except (BridgeError, OSError):
        return None
