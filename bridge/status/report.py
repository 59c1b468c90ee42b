"""The values of a status: sources, destinations, roles, the coverage, and what needs a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.core.local_time import format_local
from bridge.core.skip_reasons import is_meant

BROKEN_MAPPING_CAUSE = "broken_mapping"
"""The cause of a finding about a source whose mapping has errors."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person must act on, or should know.

    `cause` is one word of a fixed list, `subject` what it is about: a source, a destination, a webhook. `text` says
    what is wrong, `remedy` what to do; `since` is when it began. No secret and no personal data is in any of them.
    """

    cause: str
    text: str
    remedy: str = ""
    subject: str | None = None
    since: datetime | None = None

    def __str__(self) -> str:
        began = f", since {format_local(self.since)}" if self.since else ""
        return f"{self.text}{began}{f'; {self.remedy}' if self.remedy else ''}"


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings of one kind of trouble: `needs` must be acted on, `notes` are worth knowing."""

    needs: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        return Findings((*self.needs, *other.needs), (*self.notes, *other.notes))


NOTHING_FOUND = Findings()
"""No trouble of that kind."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source: its last webhook, today's by outcome, how many are set aside in all, and how many were refused.

    `refused` counts requests since the last genuine webhook.
    """

    name: str
    last_webhook_at: datetime | None
    today: Mapping[str, int]
    set_aside: int
    refused: int = 0


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """One destination. `resumes_itself` is whether a pause ends without a person.

    `host` is where it really sends to, also where an option replaces its own address; empty if nothing is known of it.
    """

    name: str
    delivered: int
    pending: int
    oldest_pending: datetime | None
    dead: int
    paused: str | None
    paused_at: datetime | None = None
    probe_at: datetime | None = None
    resumes_itself: bool = True
    host: str = ""


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """One role of `serve`: since when it runs; None where it does not."""

    role: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node of a store that several may share: a host that runs `serve`, or that is gone and was not stopped.

    `version` is the oldest of its processes, empty where it is not known.
    """

    node: str
    since: datetime
    version: str
    last_seen_at: datetime
    is_gone: bool


ON_THEIR_WAY = ("just kept", "received", "pending")
"""Why conversions are not delivered yet, though nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of the newest conversions: how many of each; `share` is the part that is as it should be."""

    delivered: int
    ignored: int
    missing: Mapping[str, int]
    """Those that are neither, by why, such as dead or set aside; see `measure_coverage`."""

    @property
    def on_their_way(self) -> int:
        """Those for which nobody has to do anything."""
        return sum(self.missing.get(why, 0) for why in ON_THEIR_WAY)

    @property
    def total(self) -> int:
        """All that carry conversions."""
        return self.delivered + self.ignored + sum(self.missing.values())

    @property
    def share(self) -> float:
        """(delivered + rightly ignored) / all that carry conversions."""
        return (self.delivered + self.ignored) / self.total


@dataclass(frozen=True, slots=True)
class DestinationOutcomes:
    """What became of the deliveries to one destination; `rejected` and `skipped` count them by reason."""

    name: str
    delivered: int
    waiting: int
    rejected: Mapping[str, int]
    skipped: Mapping[str, int]

    @property
    def reached(self) -> float | None:
        """(delivered + rightly skipped) / (all - waiting); None where all wait."""
        missed = sum(self.missed.values())
        settled = self.delivered + sum(self.rejected.values()) + sum(self.skipped.values())
        return (settled - missed) / settled if settled else None

    @property
    def missed(self) -> Mapping[str, int]:
        """What was neither delivered nor rightly skipped, by reason."""
        missed = Counter({reason: count for reason, count in self.skipped.items() if not is_meant(reason)})
        missed.update(self.rejected)
        return dict(missed.most_common())


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """All of it, for the days from `since` on; counts begin at `counted_since`, None where nothing is counted yet.

    `events` are those that were told and are no tests; `known` counts those of `known_type` (None: of every type) that
    have each match key, of `known_of`; `advice` says what would make more of them known.
    """

    since: datetime
    counted_since: datetime | None
    event_type: str | None
    events: int
    destinations: tuple[DestinationOutcomes, ...]
    known_type: str | None
    known_of: int
    known: Mapping[str, int]
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """All of it. `coverage` is None while nothing came that carries a conversion.

    `needs` are warnings that a person must act on, `notes` are worth knowing.
    """

    sources: tuple[SourceStatus, ...] = ()
    destinations: tuple[DestinationStatus, ...] = ()
    roles: tuple[RoleStatus, ...] = ()
    nodes: tuple[NodeStatus, ...] = ()
    coverage: Coverage | None = None
    outcomes: OutcomeReport | None = None
    needs: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()


def needs_by_cause(report: StatusReport) -> dict[str, str]:
    """The sentence of each need, by its cause and what it is about: the same need has the same name in each report."""
    return {f"{one.cause}:{one.subject}" if one.subject else one.cause: str(one) for one in report.needs}


def count_words(count: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 event`, `2 events`; `many` is a plural that is not made with an s."""
    return f"{count} {one}" if count == 1 else f"{count} {many or f'{one}s'}"
