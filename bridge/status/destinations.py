"""What keeps events from a destination: a pause, a check that failed, dead letters, overdue work, no destination."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bridge.core.delivery import DeliveryState
from bridge.core.local_time import format_local
from bridge.status.configured import ConfiguredBridge
from bridge.status.report import DestinationStatus, Finding, Findings, count_words
from bridge.store.protocol import DestinationState, OverdueWork, StateCounts
from bridge.store.status_views import DestinationCheck, EventCount

LONG_PAUSE = timedelta(hours=1)
"""How long a destination that does not answer is left to itself."""
_CIRCUIT = "circuit open: "
"""How the reason begins where a destination broke; it is tried again, and needs nobody if it comes back."""


def destination_status(state: DestinationState, counts: StateCounts, *, host: str = "") -> DestinationStatus:
    """One destination's status."""
    name = state.destination
    delivered, pending, dead = (
        counts.deliveries.get((name, one.value), 0)
        for one in (DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.DEAD)
    )
    return DestinationStatus(
        name,
        delivered,
        pending,
        counts.oldest_pending.get(name),
        dead,
        state.paused,
        state.paused_at,
        state.probe_at,
        resumes_itself=state.paused is None or state.paused.startswith(_CIRCUIT),
        host=host,
    )


def find_destination_troubles(
    destinations: Sequence[DestinationStatus],
    checks: Sequence[DestinationCheck],
    overdue: OverdueWork,
    configured: ConfiguredBridge,
    now: datetime,
) -> Findings:
    """Pauses, failed checks, dead letters and overdue deliveries."""
    needs: list[Finding] = []
    notes: list[Finding] = []
    for one in destinations:
        if one.paused is not None:
            (needs if _needs_person(one, now) else notes).append(_pause_finding(one, now))
    paused = {one.name for one in destinations if one.paused is not None}
    needs += _failed_checks(checks, paused, configured)
    needs += [_dead_letters(one) for one in destinations if one.dead]
    needs += _overdue_deliveries(overdue, configured)
    return Findings(tuple(needs), tuple(notes))


def events_without_destination(events: Sequence[EventCount], configured: ConfiguredBridge) -> Iterator[Finding]:
    """Kept events that go nowhere, where the settings do not say that this is meant."""
    meant = {f"source:{one.name}" for one in configured.sources if not one.delivers}
    count = sum(one.count for one in events if one.destination is None and one.origin not in meant)
    if not count:
        return
    if configured.destinations:
        name = configured.destinations[0]
        remedy = f"`trackbridge deliver {name}` gives them to {name}"
    else:
        remedy = (
            "set BRIDGE_TRACK_URL and BRIDGE_TRACK_KEY, restart serve, then `trackbridge deliver track` sends those "
            "that are kept"
        )
    yield Finding("no_destination", f"{count_words(count, 'event')} kept without a destination", remedy)


def _needs_person(one: DestinationStatus, now: datetime) -> bool:
    return not one.resumes_itself or (one.paused_at is not None and now - one.paused_at > LONG_PAUSE)


def _pause_finding(one: DestinationStatus, now: datetime) -> Finding:
    why = (one.paused or "").removeprefix(_CIRCUIT)
    probe = f"next probe {format_local(one.probe_at, seconds=True)}" if one.probe_at else "no probe is due"
    waiting = f", {count_words(one.pending, 'delivery', 'deliveries')} wait" if one.pending else ""
    if not _needs_person(one, now):
        remedy = f"it resumes by itself ({probe})"
    elif one.resumes_itself:
        remedy = (
            f"see whether it works at its address; it resumes by itself when it answers ({probe}), and "
            f"`trackbridge resume {one.name}` probes at once"
        )
    else:
        remedy = (
            f"it needs you: mend it here (restart serve for a new url or key) or at the destination, then "
            f"`trackbridge resume {one.name}` probes at once ({probe})"
        )
    return Finding("paused", f"{one.name}: paused: {why}{waiting}", remedy, subject=one.name, since=one.paused_at)


def _failed_checks(
    checks: Sequence[DestinationCheck], paused: set[str], configured: ConfiguredBridge
) -> Iterator[Finding]:
    for one in checks:
        if one.failed and one.destination not in paused and _is_configured(one.destination, configured):
            yield Finding(
                "unreachable",
                f"{one.destination}: it does not answer as it should: {one.failed}",
                "check its url and the network; it is asked again every 30 s, and events are tried all the same",
                subject=one.destination,
                since=one.checked_at,
            )


def _dead_letters(one: DestinationStatus) -> Finding:
    return Finding(
        "dead",
        f"{one.name}: {count_words(one.dead, 'dead letter')}",
        f"see `trackbridge list deliveries --state dead`, then `trackbridge retry --all-dead --destination {one.name}`",
        subject=one.name,
    )


def _overdue_deliveries(overdue: OverdueWork, configured: ConfiguredBridge) -> Iterator[Finding]:
    for name, count in overdue.deliveries.items():
        words = count_words(count, "delivery", "deliveries")
        if not _is_configured(name, configured):
            yield Finding(
                "overdue",
                f"{name}: {words} wait for a destination that is no longer set",
                f"set {name} again, and restart serve",
                subject=name,
                since=overdue.oldest_delivery[name],
            )
            continue
        yield Finding(
            "overdue",
            f"{name}: {words} overdue: due and not attempted",
            "check that `trackbridge serve` runs on this store; where it does, its log says why (deliver.…); after a "
            "long pause they drain at the destination's rate",
            subject=name,
            since=overdue.oldest_delivery[name],
        )


def _is_configured(name: str, configured: ConfiguredBridge) -> bool:
    return not configured.is_known or name in configured.destinations
