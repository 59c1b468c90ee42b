"""What a destination decides about an event of which it makes no item now. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Skipped:
    """An event is not for a destination."""

    reason: str


@dataclass(frozen=True, slots=True)
class Early:
    """An event is not to be sent before `at`; `reason` says why."""

    at: datetime
    reason: str = "dated ahead of what the platform takes"


@dataclass(frozen=True, slots=True)
class VerdictWanted(Early):
    """An event is not to be sent before it is known what became of the request whose answer left `note`.

    It may be asked now.
    """

    note: str = ""


@dataclass(frozen=True, slots=True)
class Unmade:
    """An event from which no item can be made; the reason begins with the place in the file."""

    reason: str
