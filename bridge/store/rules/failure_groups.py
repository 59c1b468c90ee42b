"""Failures grouped by their reasons, by what is the same in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from bridge.store.codec.columns import from_ms
from bridge.store.views import FailureGroup, FailureGroups

_PLACE = re.compile(r"\S+?:\d+:\d+: ")
_FIELD = re.compile(r"`(event_type|timestamp|require: \[\]|(properties|user_data|context|consent)(\.[a-z_]{1,40})?)`")
"""What of a reason says which field of the events failed: it stays."""
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\S+@\S+|\b(?=\S*\d)[\w.:+-]{8,}|\d{4,}")
"""What differs between two failures of one kind: quoted values, addresses, ids, long numbers."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A dead delivery, with the value of its event, or a webhook that is set aside."""

    state: str
    name: str
    reason: str
    id: str
    at: int
    value: str | None = None
    currency: str | None = None


def group_failures(*kinds: Iterable[Failure], most: int) -> FailureGroups:
    """The groups, the largest first; of each kind the newest `most` come, newest first."""
    found: dict[tuple[str, str, str], _Group] = {}
    read = [0] * len(kinds)
    for at, failures in enumerate(kinds):
        for one in failures:
            read[at] += 1
            key = (one.state, one.name, shorten_reason(one.reason))
            found.setdefault(key, _Group()).add_failure(one)
    groups = [each.as_group(*key) for key, each in found.items()]
    return FailureGroups(
        tuple(sorted(groups, key=lambda one: (-one.count, one.state, one.name, one.reason))), complete=max(read) < most
    )


def shorten_reason(reason: str) -> str:
    """A reason without what differs between failures of one kind; the mapping's line that it begins with stays."""
    place = _PLACE.match(reason)
    begins = place.end() if place else 0
    return reason[:begins] + _VARYING.sub(_without_value, reason[begins:])


def _without_value(found: re.Match[str]) -> str:
    return found[0] if _FIELD.fullmatch(found[0]) else "…"


@dataclass(slots=True)
class _Group:
    """Failures of one kind, which come newest first."""

    ids: list[str] = field(default_factory=list)
    first_at: int = 0
    last_at: int = 0
    value: dict[str, Decimal] = field(default_factory=dict)

    def add_failure(self, one: Failure) -> None:
        """Count one more."""
        self.first_at = min(self.first_at, one.at) if self.ids else one.at
        self.last_at = max(self.last_at, one.at)
        self.ids.append(one.id)
        if one.value and one.currency and (amount := _read_amount(one.value)) is not None:
            self.value[one.currency] = self.value.get(one.currency, Decimal()) + amount

    def as_group(self, state: str, name: str, reason: str) -> FailureGroup:
        """The group as a value."""
        return FailureGroup(
            state=state,
            name=name,
            reason=reason,
            count=len(self.ids),
            first_at=from_ms(self.first_at),
            last_at=from_ms(self.last_at),
            newest_id=self.ids[0],
            value=self.value,
            ids=tuple(self.ids),
        )


def _read_amount(value: str) -> Decimal | None:
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
