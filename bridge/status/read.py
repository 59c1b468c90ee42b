"""Reads how everything stands, by a few bounded questions: it costs the same at a million rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.core.errors import StoreUnavailable
from bridge.core.model import WebhookState
from bridge.status.configured import ConfiguredBridge
from bridge.status.destinations import destination_status, events_without_destination, find_destination_troubles
from bridge.status.nodes import find_version_troubles, node_statuses
from bridge.status.outcomes import DAYS, first_day, outcome_findings, report_outcomes
from bridge.status.processes import find_process_troubles, is_living, role_statuses
from bridge.status.report import BROKEN_MAPPING_CAUSE, Finding, Findings, SourceStatus, StatusReport
from bridge.status.requests import find_request_troubles, standing_refusals
from bridge.status.store_state import find_store_troubles
from bridge.status.webhooks import (
    double_findings,
    find_ignored_money,
    ignored_money_findings,
    measure_coverage,
    only_test_findings,
    privacy_findings,
    set_aside_findings,
    waiting_notes,
)
from bridge.store.protocol import StateCounts, StatusSummary, Store
from bridge.store.status_views import StatusDetails

UNKNOWN = ConfiguredBridge()


async def read_status(store: Store, configured: ConfiguredBridge = UNKNOWN, *, now: datetime) -> StatusReport:
    """How everything stands, in a store and by the settings."""
    counts, summary = await store.state_counts(), await store.status_summary(now=now)
    overdue, details = await store.overdue_work(now=now), await store.status_details()
    since, nodes = first_day(now, DAYS), node_statuses(details.processes, now)
    outcomes = await store.read_outcomes(since=since)
    sources = _source_statuses(counts, summary, details, now)
    names = sorted({*(name for name, _ in counts.deliveries), *configured.destinations})
    destinations = tuple(
        [
            destination_status(
                await store.destination_state(name, now=now), counts, host=configured.hosts.get(name, "")
            )
            for name in names
        ]
    )
    ignored = await find_ignored_money(store, configured, details.recent)
    broken = {one.subject for one in configured.findings.needs if one.cause == BROKEN_MAPPING_CAUSE and one.subject}
    found = (
        _start_troubles(configured, details, now)
        + find_process_troubles(details.processes, configured, now)
        + find_version_troubles(nodes)
        + find_store_troubles(summary, counts, overdue, configured.keeping, now)
        + find_request_troubles(details.refused, configured.sources, summary.lasts, now)
        + _needs(*set_aside_findings(sources, broken=broken), *ignored_money_findings(ignored))
        + find_destination_troubles(destinations, details.checks, overdue, configured, now)
        + _needs(*outcome_findings(outcomes, now=now))
        + _needs(*events_without_destination(details.recent.events, configured))
        + _needs(*only_test_findings(summary.only_tests), *privacy_findings(details.privacy_requests))
        + _needs(*double_findings(details.doubted, configured, now))
        + Findings(notes=tuple(waiting_notes(details.waiting)))
        + configured.findings
    )
    return StatusReport(
        sources=sources,
        destinations=destinations,
        roles=role_statuses(details.processes, now),
        nodes=nodes,
        coverage=measure_coverage(details.recent, configured, ignored, unapplied=counts.unapplied),
        outcomes=report_outcomes(outcomes, since=since),
        needs=found.needs,
        notes=found.notes,
    )


def status_without_store(configured: ConfiguredBridge, trouble: StoreUnavailable | None = None) -> StatusReport:
    """What can be said where there is no store yet, or where it cannot be read."""
    if trouble is None:
        text = "there is no store yet: `trackbridge serve` has not run here"
        reason = Finding("no_store", text, "start it, or set BRIDGE_STORE to where the store is")
    else:
        reason = Finding("store_unusable", str(trouble))
    found = Findings((*configured.cannot_start, reason)) + configured.findings
    return StatusReport(needs=found.needs, notes=found.notes)


def _start_troubles(configured: ConfiguredBridge, details: StatusDetails, now: datetime) -> Findings:
    """A `serve` that runs goes on with what it read at its start, and would not start again."""
    runs = any(is_living(one, now) for one in details.processes)
    if not runs:
        return Findings(configured.cannot_start)
    return Findings(
        tuple(
            Finding(one.cause, f"serve runs, but could not start again: {one.text}", one.remedy, one.subject)
            for one in configured.cannot_start
            if one.cause != "self_loop"  # the port that this would be is known to a serve that runs
        )
    )


def _needs(*findings: Finding) -> Findings:
    return Findings(findings)


def _source_statuses(
    counts: StateCounts, summary: StatusSummary, details: StatusDetails, now: datetime
) -> tuple[SourceStatus, ...]:
    refused: dict[str, int] = {}
    for one in standing_refusals(details.refused, summary.lasts, now):
        refused[one.source] = refused.get(one.source, 0) + one.count
    names: Sequence[str] = sorted({*summary.lasts, *(name for name, _ in counts.webhooks), *refused})
    return tuple(
        SourceStatus(
            name,
            summary.lasts.get(name),
            {state.value: summary.today.get((name, state.value), 0) for state in WebhookState},
            counts.webhooks.get((name, WebhookState.SET_ASIDE.value), 0),
            refused.get(name, 0),
        )
        for name in names
    )
