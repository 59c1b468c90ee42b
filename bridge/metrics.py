"""GET /metrics: what happened in this process, and what stands in the store, for Prometheus.

Counts of states come from the store, so that they are the same from every process; counts of answers and latencies
are this process's. Not concerned with the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bridge.store import Standing, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one process; the loops and endpoints tell it what they saw."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._children: dict[tuple[Counter | str, ...], Counter] = {}
        self._webhook_answers = Counter(
            "trackbridge_webhook_requests",
            "Requests to /webhooks/{source} by what became of them.",
            ("source", "outcome"),
            registry=self._registry,
        )
        self._webhook_seconds = Histogram(
            "trackbridge_webhook_seconds",
            "From a webhook's arrival to its answer.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._track_answers = Counter(
            "trackbridge_track_requests",
            "Requests to /v1/track and /v1/track/batch by status and API key; no key for callers who are unknown.",
            ("endpoint", "status", "key"),
            registry=self._registry,
        )
        self._track_events = Counter(
            "trackbridge_track_events",
            "Events taken by /v1/track and /v1/track/batch.",
            ("key",),
            registry=self._registry,
        )
        self._track_seconds = Histogram(
            "trackbridge_track_seconds",
            "From a track request's arrival to its answer.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._translated = Counter(
            "trackbridge_translated",
            "Webhooks translated by this process, by what they came to.",
            ("source", "outcome"),
            registry=self._registry,
        )
        self._attempts = Counter(
            "trackbridge_attempts",
            "Requests made to destinations by outcome.",
            ("destination", "outcome"),
            registry=self._registry,
        )
        self._attempt_seconds = Histogram(
            "trackbridge_attempt_seconds",
            "How long a destination took to answer.",
            ("destination",),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def received(self, source: str, outcome: str, *, seconds: float) -> None:
        """A request to a source was answered."""
        self._child(self._webhook_answers, source, outcome).inc()
        self._webhook_seconds.observe(seconds)

    def tracked(self, endpoint: str, status: int, *, key: str | None, events: int, seconds: float) -> None:
        """A request with an API key of that name was answered; `events` of it were taken."""
        self._track_answers.labels(endpoint, str(status), key or "").inc()
        if key is not None:
            self._track_events.labels(key).inc(events)
        self._track_seconds.observe(seconds)

    def translated(self, source: str, outcome: str) -> None:
        """A webhook came to an outcome."""
        self._translated.labels(source, outcome).inc()

    def attempted(self, destination: str, outcome: str, *, seconds: float) -> None:
        """A request to a destination ended."""
        self._attempts.labels(destination, outcome).inc()
        self._attempt_seconds.labels(destination).observe(seconds)

    def _child(self, counter: Counter, *labels: str) -> Counter:
        """A counter of these labels, looked up once: the library looks for it under a lock."""
        found = self._children.get((counter, *labels))
        if found is None:
            found = self._children[counter, *labels] = counter.labels(*labels)
        return found

    def page(self, tally: Tally, standings: Iterable[Standing], *, ready: bool, now: datetime) -> bytes:
        """All of it in the text format of Prometheus."""
        stored = CollectorRegistry()
        stored.register(_Stored(tally, tuple(standings), ready, now))
        return generate_latest(self._registry) + generate_latest(stored)


class _Stored(Collector):
    """What stands in the store at one moment."""

    def __init__(self, tally: Tally, standings: tuple[Standing, ...], ready: bool, now: datetime) -> None:  # noqa: FBT001
        self._tally = tally
        self._standings = standings
        self._ready = ready
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield _family("trackbridge_ready", "1 when /readyz answers 200.", (), [((), float(self._ready))])
        yield _counted("trackbridge_webhooks", "Webhooks kept.", ("source", "state"), self._tally.webhooks)
        yield _counted("trackbridge_events", "Events made.", ("event_type", "kind"), self._tally.events)
        yield _counted("trackbridge_deliveries", "Deliveries.", ("destination", "state"), self._tally.deliveries)
        depth = [((source,), n) for (source, state), n in self._tally.webhooks.items() if state == "received"]
        yield _family("trackbridge_webhooks_waiting", "Webhooks not yet translated.", ("source",), depth)
        yield _family(
            "trackbridge_oldest_webhook_seconds",
            "Age of the oldest webhook not yet translated.",
            (),
            [((), self._age(self._tally.oldest_received))],
        )
        oldest = [((name,), self._age(at)) for name, at in self._tally.oldest_pending.items()]
        yield _family(
            "trackbridge_oldest_delivery_seconds", "Age of the oldest pending delivery.", ("destination",), oldest
        )
        paused = [((standing.destination,), float(standing.paused is not None)) for standing in self._standings]
        yield _family("trackbridge_destination_paused", "1 while nothing is sent.", ("destination",), paused)

    def _age(self, at: datetime | None) -> float:
        return max(0.0, (self._now - at).total_seconds()) if at else 0.0


def _counted(name: str, meaning: str, labels: tuple[str, ...], counts: dict[tuple[str, str], int]) -> GaugeMetricFamily:
    return _family(name, meaning, labels, [(key, float(count)) for key, count in counts.items()])


def _family(
    name: str, meaning: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, number in samples:
        family.add_metric(list(values), number)
    return family
