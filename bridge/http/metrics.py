"""GET /metrics: what happened in all processes of a bridge, and the counts of the store, for Prometheus.

Counts of states come from the store, and are left out while it is away on a node that keeps webhooks in a spool then.
Counts of answers and latencies are kept in each process: the process that answers adds its own exact counts to the last
published ones of the others, which may be a second old. Only the labels `event_type` and `reason` can hold any text,
and they are bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bridge.core.visible_text import make_visible
from bridge.store.protocol import DestinationState, OverdueWork, StateCounts
from bridge.store.spool import SpooledWebhooks
from bridge.store.status_views import OutcomeTotals

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_EVENT_TYPES = 200
"""Values of the label `event_type`, the commonest; events of all others are counted together."""
LONGEST_LABEL = 128
OTHER = "other"
_Rows = list[tuple[tuple[str, ...], list[int], float]]
"""The rows of one counter: labels, counts, and the sum of the seconds."""
_ENCODER = msgspec.msgpack.Encoder()
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class StoreState:
    """The state of the store, which is the same on each node."""

    counts: StateCounts
    totals: OutcomeTotals
    standings: Sequence[DestinationState]
    overdue: OverdueWork


@dataclass(frozen=True, slots=True)
class NodeState:
    """The state of this node at `now`, and of each loop.

    `loops` are the seconds since a round last succeeded, None if the loop does not run; `stalled` names those for
    which that is too long. `spooled` is what waits in the spool; None where there is none, or where it cannot be read.
    """

    loops: Mapping[str, float | None]
    stalled: AbstractSet[str]
    ready: bool
    now: datetime
    spooled: SpooledWebhooks | None = None


class Metrics:
    """The counters of one process; the loops and endpoints report to it."""

    def __init__(self) -> None:
        self._webhook_answers = _Counter(
            "trackbridge_webhook_requests",
            "Requests to /webhooks/{source} by what became of them.",
            ("source", "outcome"),
        )
        self._webhook_seconds = _Histogram("trackbridge_webhook_seconds", "From a webhook's arrival to its answer.")
        self._track_answers = _Counter(
            "trackbridge_track_requests",
            "Requests to /v1/track and /v1/track/batch by status and API key; no key for callers who are unknown.",
            ("endpoint", "status", "key"),
        )
        self._track_events = _Counter(
            "trackbridge_track_events", "Events taken by /v1/track and /v1/track/batch.", ("key",)
        )
        self._track_seconds = _Histogram("trackbridge_track_seconds", "From a track request's arrival to its answer.")
        self._translated = _Counter(
            "trackbridge_translated",
            "Webhooks translated, by outcome.",
            ("source", "outcome"),
        )
        self._attempts = _Counter(
            "trackbridge_attempts", "Requests made to destinations by outcome.", ("destination", "outcome")
        )
        self._attempt_seconds = _Histogram(
            "trackbridge_attempt_seconds", "How long a destination took to answer.", ("destination",)
        )
        self._counters: tuple[_Counter | _Histogram, ...] = (
            self._webhook_answers,
            self._webhook_seconds,
            self._track_answers,
            self._track_events,
            self._track_seconds,
            self._translated,
            self._attempts,
            self._attempt_seconds,
        )

    def encode_counts(self) -> bytes:
        """Returns all counts as bytes, for `add_counts` of another process."""
        return _ENCODER.encode([counter.rows() for counter in self._counters])

    def add_counts(self, shown: bytes) -> None:
        """Add the counts of another process, or of a former one; empty bytes add nothing."""
        if shown:
            for counter, rows in zip(self._counters, msgspec.msgpack.decode(shown, type=list[_Rows]), strict=True):
                counter.merge_rows(rows)

    def count_webhook_request(self, source: str, outcome: str, *, seconds: float) -> None:
        """A request to a source was answered."""
        self._webhook_answers.add_count((source, outcome))
        self._webhook_seconds.add_seconds(seconds)

    def count_track_request(self, endpoint: str, status: int, *, key: str | None, events: int, seconds: float) -> None:
        """A request with an API key of that name was answered; `events` of it were taken."""
        self._track_answers.add_count((endpoint, str(status), key or ""))
        if key is not None:
            self._track_events.add_count((key,), events)
        self._track_seconds.add_seconds(seconds)

    def count_translated(self, source: str, outcome: str) -> None:
        """A webhook was translated with an outcome."""
        self._translated.add_count((source, outcome))

    def count_attempt(self, destination: str, outcome: str, *, seconds: float) -> None:
        """A request to a destination ended."""
        self._attempts.add_count((destination, outcome))
        self._attempt_seconds.add_seconds(seconds, (destination,))

    def render_page(self, node: NodeState, stored: StoreState | None, *, others: Iterable[bytes] = ()) -> bytes:
        """Returns the page in the text format of Prometheus, with the counts of the `others`.

        What the store knows is left out where that could not be read.
        """
        total = Metrics()
        for shown in (self.encode_counts(), *others):
            total.add_counts(shown)
        registry = CollectorRegistry()
        gauges = [_NodeGauges(node), *([] if stored is None else [_StoreGauges(stored, node.now)])]
        for one in (*total._counters, *gauges):
            registry.register(one)
        return generate_latest(registry)


class _Counter(Collector):
    """A counter for one thread: the library's own, for several, costs a lock and a look-up more."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...]) -> None:
        self._named = name, meaning, labels
        self._counts: dict[tuple[str, ...], int] = {}

    def add_count(self, labels: tuple[str, ...], count: int = 1) -> None:
        self._counts[labels] = self._counts.get(labels, 0) + count

    def rows(self) -> _Rows:
        return [(labels, [count], 0.0) for labels, count in self._counts.items()]

    def merge_rows(self, rows: _Rows) -> None:
        for labels, (count,), _ in rows:
            self.add_count(labels, count)

    def collect(self) -> Iterator[Metric]:
        name, meaning, names = self._named
        family = CounterMetricFamily(name, meaning, labels=names)
        for labels, count in self._counts.items():
            family.add_metric(labels, count)
        yield family


class _Histogram(Collector):
    """A histogram of seconds, for one thread as well."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> None:
        self._named = name, meaning, labels
        self._counts: dict[tuple[str, ...], list[int]] = {} if labels else {(): [0] * (len(_SECONDS) + 1)}
        self._sums: dict[tuple[str, ...], float] = dict.fromkeys(self._counts, 0.0)

    def add_seconds(self, seconds: float, labels: tuple[str, ...] = ()) -> None:
        if labels not in self._counts:
            self._counts[labels], self._sums[labels] = [0] * (len(_SECONDS) + 1), 0.0
        self._counts[labels][bisect_left(_SECONDS, seconds)] += 1
        self._sums[labels] += seconds

    def rows(self) -> _Rows:
        return [(labels, counts, self._sums[labels]) for labels, counts in self._counts.items()]

    def merge_rows(self, rows: _Rows) -> None:
        for labels, counts, seconds in rows:
            before = self._counts.get(labels, [0] * len(counts))
            self._counts[labels] = [one + other for one, other in zip(before, counts, strict=True)]
            self._sums[labels] = self._sums.get(labels, 0.0) + seconds

    def collect(self) -> Iterator[Metric]:
        name, meaning, names = self._named
        family = HistogramMetricFamily(name, meaning, labels=names)
        bounds = [*map(str, _SECONDS), "+Inf"]
        for labels, counts in self._counts.items():
            family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), self._sums[labels])
        yield family


class _NodeGauges(Collector):
    """The state of this node at one moment, as gauges."""

    def __init__(self, node: NodeState) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        node = self._node
        yield _gauge_family("trackbridge_ready", "1 when /readyz answers 200.", (), [((), float(node.ready))])
        up = [((name,), float(name not in node.stalled)) for name in node.loops]
        yield _gauge_family("trackbridge_loop_up", "1 while the loop's rounds succeed.", ("loop",), up)
        silent = [((name,), seconds) for name, seconds in node.loops.items() if seconds is not None]
        yield _gauge_family(
            "trackbridge_loop_seconds_since_success", "Since a round of the loop last succeeded.", ("loop",), silent
        )
        if (spooled := node.spooled) is not None:
            yield _gauge_family(
                "trackbridge_spooled_webhooks",
                "Webhooks in the spool of this node that wait for the database.",
                (),
                [((), float(spooled.count))],
            )
            yield _gauge_family(
                "trackbridge_oldest_spooled_seconds",
                "Age of the oldest webhook in the spool of this node.",
                (),
                [((), _age_seconds(spooled.oldest_at, node.now))],
            )


class _StoreGauges(Collector):
    """The state of the store at one moment, as gauges."""

    def __init__(self, stored: StoreState, now: datetime) -> None:
        self._stored = stored
        self._counts = stored.counts
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield _count_family("trackbridge_webhooks", "Webhooks kept.", ("source", "state"), self._counts.webhooks)
        yield _count_family(
            "trackbridge_events", "Events made.", ("event_type", "kind"), bounded_event_types(self._counts.events)
        )
        yield _count_family("trackbridge_deliveries", "Deliveries.", ("destination", "state"), self._counts.deliveries)
        yield from self._outcome_families()
        yield _gauge_family(
            "trackbridge_webhooks_unsorted",
            "Webhooks kept that are not applied yet, repeated ones too.",
            (),
            [((), float(self._counts.unapplied))],
        )
        depth = [((source,), n) for (source, state), n in self._counts.webhooks.items() if state == "received"]
        yield _gauge_family(
            "trackbridge_webhooks_waiting", "Webhooks looked at and not yet translated.", ("source",), depth
        )
        yield _gauge_family(
            "trackbridge_oldest_webhook_seconds",
            "Age of the oldest webhook not yet translated.",
            (),
            [((), _age_seconds(self._counts.oldest_received, self._now))],
        )
        oldest = [((name,), _age_seconds(at, self._now)) for name, at in self._counts.oldest_pending.items()]
        yield _gauge_family(
            "trackbridge_oldest_delivery_seconds", "Age of the oldest pending delivery.", ("destination",), oldest
        )
        paused = [
            ((destination_state.destination,), float(destination_state.paused is not None))
            for destination_state in self._stored.standings
        ]
        yield _gauge_family("trackbridge_destination_paused", "1 while nothing is sent.", ("destination",), paused)
        yield from self._overdue_families()

    def _outcome_families(self) -> Iterator[Metric]:
        reached = CounterMetricFamily(
            "trackbridge_deliveries",
            "Deliveries that came to be delivered, rejected or skipped, by reason.",
            labels=("destination", "state", "reason"),
        )
        for (destination, state, reason), count in sorted(self._stored.totals.deliveries.items()):
            reached.add_metric([destination, state, make_visible(reason)], float(count))
        yield reached
        keys = CounterMetricFamily(
            "trackbridge_match_key", "Events told, by the match keys that they have.", labels=("key",)
        )
        for key, count in sorted(self._stored.totals.match_keys.items()):
            keys.add_metric([key], float(count))
        yield keys

    def _overdue_families(self) -> Iterator[Metric]:
        overdue = self._stored.overdue
        meaning = "due and unclaimed for over five minutes, counted to 100000"
        yield _gauge_family(
            "trackbridge_overdue_webhooks", f"Webhooks {meaning}.", (), [((), float(overdue.webhooks))]
        )  # fmt: skip
        names = {name for name, _ in self._counts.deliveries} | {one.destination for one in self._stored.standings}
        counts = [((name,), float(overdue.deliveries.get(name, 0))) for name in sorted(names)]
        yield _gauge_family(
            "trackbridge_overdue_deliveries",
            f"Deliveries {meaning}; none of a paused destination.",
            ("destination",),
            counts,
        )


def _age_seconds(at: datetime | None, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds()) if at else 0.0


def bounded_event_types(counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Returns counts by (event_type, kind), bounded however many event types callers use.

    An event type is cut to LONGEST_LABEL characters, and those beyond the MOST_EVENT_TYPES commonest become OTHER.
    """
    cut: Counter[tuple[str, str]] = Counter()
    totals: Counter[str] = Counter()
    for (event_type, kind), count in counts.items():
        name = make_visible(event_type)[:LONGEST_LABEL]
        cut[name, kind] += count
        totals[name] += count
    named = set(sorted(totals, key=lambda name: (-totals[name], name))[:MOST_EVENT_TYPES])
    bounded: Counter[tuple[str, str]] = Counter()
    for (name, kind), count in cut.items():
        bounded[name if name in named else OTHER, kind] += count
    return dict(bounded)


def _count_family(
    name: str, meaning: str, labels: tuple[str, ...], counts: dict[tuple[str, str], int]
) -> GaugeMetricFamily:
    return _gauge_family(name, meaning, labels, [(key, float(count)) for key, count in counts.items()])


def _gauge_family(
    name: str, meaning: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, number in samples:
        family.add_metric(list(values), number)
    return family
