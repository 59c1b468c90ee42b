"""Whether an event that follows another may be sent now, and what is left of the value of the other. Pure.

A refund follows its purchase: a platform that puts the refund's value in the place of the purchase's is told what is
left, and only of a purchase that it surely took. It would count an order that it does not know as another sale.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from bridge.core import skip_reasons
from bridge.core.delivery import DeliveryState, FollowedEvent
from bridge.destinations.engine.decisions import Early, Skipped, VerdictWanted

SHORTEST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)
"""How long a follower waits before it is looked at again, while the other is not delivered."""
BUSY_WAIT = timedelta(seconds=30)
"""How long it waits for another follower under way: longer than the lease of that one's claim."""
LONGEST_ASKED = timedelta(hours=6)
GIVE_UP = timedelta(days=3)
"""How long a follower waits for a verdict."""


def judge_follower(
    followed: FollowedEvent | None, followed_types: tuple[str, ...], *, now: datetime, verdict_after: timedelta | None
) -> Decimal | Skipped | Early:
    """What is left of the followed event's value if the follower is sent now; else what becomes of the follower.

    `verdict_after` is how long after a request its verdict is known at the earliest; None: there is none to wait for.
    """
    if followed is None:
        surely = "" if verdict_after is None else ", and the platform has said that it took that"
        told = f"it is sent after the {' or '.join(followed_types)} of its order was delivered here{surely}"
        return Early(now + SHORTEST_WAIT, told)
    its = f"its {followed.event_type or ' or '.join(followed_types)}"
    unsent = _judge_state(followed, its, now=now)
    if unsent is not None:
        return unsent
    if verdict_after is not None and followed.verdict != "":
        return _judge_verdict(followed, its, now=now, after=verdict_after)
    if followed.is_busy:
        return Early(now + BUSY_WAIT, "another event of its order is under way")
    return _value_left(followed, its)


def _judge_state(followed: FollowedEvent, its: str, *, now: datetime) -> Skipped | Early | None:
    """What becomes of the follower by the state of the followed event's delivery; None where that was delivered."""
    match followed.state:
        case None:
            return Skipped(f"{its} {skip_reasons.NOT_SENT_HERE}")
        case DeliveryState.SKIPPED:
            return Skipped(f"{its} {skip_reasons.WAS_SKIPPED}")
        case DeliveryState.DEAD:
            return Skipped(f"{its} {skip_reasons.WAS_DEAD}")
        case DeliveryState.PENDING:
            due = followed.due or now
            at = max(now + SHORTEST_WAIT, min(due, now + LONGEST_WAIT))
            return Early(at, f"{its} is not delivered yet")
        case DeliveryState.DELIVERED:
            return None


def _judge_verdict(followed: FollowedEvent, its: str, *, now: datetime, after: timedelta) -> Skipped | Early:
    if followed.verdict is not None:
        return Skipped(f"{its} {skip_reasons.MAYBE_REFUSED}")
    delivered_at = followed.delivered_at or now
    asked_since = max(delivered_at, followed.since or delivered_at)
    if not followed.note or now - asked_since > GIVE_UP:
        return Skipped(f"{skip_reasons.VERDICT_UNKNOWN} {its}")
    waits = f"the platform has not said yet what became of {its}"
    if now < delivered_at + after:
        return Early(delivered_at + after, waits)
    again = now + max(min(after, LONGEST_WAIT), min(now - asked_since, LONGEST_ASKED))
    return VerdictWanted(again, waits, followed.note)


def _value_left(followed: FollowedEvent, its: str) -> Decimal | Skipped:
    if followed.of_order > 1:
        return Skipped(f"{its} {skip_reasons.SEVERAL_PAYMENTS}")
    if followed.value is None or followed.own_value is None:
        return Skipped(
            f"{skip_reasons.LACKS}the value of {its}" if followed.value is None else f"{skip_reasons.LACKS}value"
        )
    if not followed.currency or followed.currency != followed.own_currency:
        return Skipped(f"{its} {skip_reasons.OTHER_CURRENCY}")
    told = followed.told + abs(Decimal(followed.own_value))
    return max(Decimal(0), Decimal(followed.value) - told)
