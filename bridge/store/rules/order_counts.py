"""Which one of its order and type a told event is, by the count that the ledger keeps of them.

The count is in the ledger, so that it holds when the earlier events were purged. It is looked up only where the order
is known: most events are the first of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.core.dedupe_keys import order_count_key
from bridge.core.model import Event


def count_keys(event: Event, known: Mapping[bytes, object]) -> list[bytes]:
    """The key under which the events of its order and type are counted; none where the order has none or is new."""
    return [order_count_key(key) for key in event.conversion_keys[event.dedupes : event.dedupes + 1] if key in known]


def next_count(before: int | None, *, is_held: bool) -> int | None:
    """Which one the next told event is: 2, 3, …; None for the first.

    `before` is what was counted, None where nothing was; `is_held` whether another event holds the order.
    """
    if before is None and not is_held:
        return None
    return (before or 1) + 1
