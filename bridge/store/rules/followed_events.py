"""What a follower is told of the event that it follows, put together from what an engine has read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from bridge.core.delivery import DeliveryState, FollowedEvent


class Follower(NamedTuple):
    """A delivery that follows what has a key. `claim` is the token of the claim that holds it, None where none does."""

    key: bytes
    delivery: int
    state: str
    value: str | None
    currency: str | None
    claim: int | None
    note: str | None
    verdict: str | None
    created_at: datetime


class FollowedDelivery(NamedTuple):
    """An event that is followed, and its delivery to the destination; `state` is None where it has none."""

    event_type: str
    value: str | None
    currency: str | None
    state: str | None
    reason: str | None
    due: datetime | None
    delivered_at: datetime | None
    of_order: int


def gather_followed(
    followers: Iterable[Follower], followed: Mapping[bytes, FollowedDelivery], *, numbers: Sequence[int], claim: int
) -> dict[int, FollowedEvent]:
    """What is known of the event that each of the deliveries with these numbers follows, under that claim."""
    by_key: dict[bytes, list[Follower]] = {}
    by_number: dict[int, list[Follower]] = {number: [] for number in numbers}
    for one in followers:
        by_key.setdefault(one.key, []).append(one)
        if one.delivery in by_number:
            by_number[one.delivery].append(one)
    return {number: _describe(mine, followed, by_key, claim=claim) for number, mine in by_number.items() if mine}


def _describe(
    mine: Sequence[Follower],
    followed: Mapping[bytes, FollowedDelivery],
    by_key: Mapping[bytes, Sequence[Follower]],
    *,
    claim: int,
) -> FollowedEvent:
    known = [one for one in mine if one.key in followed]
    if not known:
        return FollowedEvent(own_value=mine[0].value, own_currency=mine[0].currency, since=mine[0].created_at)
    me = next((one for one in known if followed[one.key].state is not None), known[0])
    other = followed[me.key]
    beside = [one for one in by_key[me.key] if one.delivery != me.delivery]
    verdicts = [one.verdict for one in by_key[me.key] if one.verdict is not None and one.note == other.reason]
    return FollowedEvent(
        event_type=other.event_type,
        state=None if other.state is None else DeliveryState(other.state),
        note=other.reason,
        due=other.due,
        delivered_at=other.delivered_at,
        value=other.value,
        currency=other.currency,
        of_order=other.of_order,
        told=sum((_told_value(one) for one in beside), Decimal(0)),
        is_busy=any(_is_before(one, me, claim) for one in beside),
        verdict=verdicts[0] if verdicts else None,
        own_value=me.value,
        own_currency=me.currency,
        since=me.created_at,
    )


def _told_value(one: Follower) -> Decimal:
    return abs(Decimal(one.value)) if one.state == DeliveryState.DELIVERED and one.value is not None else Decimal(0)


def _is_before(one: Follower, me: Follower, claim: int) -> bool:
    """Whether another follower may be under way: an earlier claim holds it, or the same one before this one."""
    if one.state != DeliveryState.PENDING or one.claim is None:
        return False
    return one.claim < claim or (one.claim == claim and one.delivery < me.delivery)
