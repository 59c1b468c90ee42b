"""What became of events at each destination over some days, and by what their persons can be recognised.

Read here as values, for whoever shows them; nothing is printed. `read.py` has the coverage of the newest conversions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from bridge.core.delivery import DeliveryState
from bridge.core.match_keys import ALL, CONSENT, MATCH_KEYS
from bridge.core.skip_reasons import (
    CONSENT_UNKNOWN,
    NO_CONSENT,
    NO_IDENTIFIERS,
    TOO_OLD_WAITING,
    is_meant,
    is_routed_elsewhere,
)
from bridge.status.report import DestinationOutcomes, Finding, OutcomeReport, count_words
from bridge.store.protocol import Store
from bridge.store.status_views import OutcomeCount, OutcomeCounts

DAYS = 7
"""Days that are looked at, today's among them, if nobody says another number."""
_DAY = timedelta(days=1)
_PURCHASE = "purchase"
_FEWEST_JUDGED = 10
"""Deliveries or events below which a share says nothing."""
_FEWEST_SKIPPED = 3
_MOST_REJECTED = 0.1
_CAPTURE = "see README, Linking client and server"
_ADVICE: Mapping[str, tuple[float, str]] = {
    "email": (0.5, "ask for it before the payment, and pass it as `user_data.email`"),
    "browser and address": (0.5, "capture the visitor's browser and address"),
    "fbc": (0.1, "capture `fbclid` in the page"),
    "fbp": (0.1, "capture the cookie `_fbp` in the page"),
    "gclid": (0.05, "capture `gclid` in the page"),
    "ga client": (0.5, "capture the cookie `_ga` in the page"),
    CONSENT: (0.5, "pass what the visitor agreed to"),
}
"""Below which share a match key has a sentence of advice, and what mends it."""

_SKIP_REMEDIES: Mapping[str, str] = {
    CONSENT_UNKNOWN: f"pass what the visitor agreed to ({_CAPTURE}), or set `without_consent: send` where you may",
    NO_CONSENT: f"if visitors did agree, what they agreed to arrives wrong: {_CAPTURE}",
    NO_IDENTIFIERS: f"pass an e-mail, a phone number, a click id or the browser with its address ({_CAPTURE})",
}


async def read_outcome_report(
    store: Store, *, now: datetime, days: int = DAYS, event_type: str | None = None
) -> OutcomeReport:
    """What became of the events of the last `days` UTC days, today's among them; of one type, or of all."""
    since = first_day(now, days)
    return report_outcomes(await store.read_outcomes(since=since), since=since, event_type=event_type)


def first_day(now: datetime, days: int) -> datetime:
    """The beginning of the first of the last `days` UTC days."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - (days - 1) * _DAY


def report_outcomes(counts: OutcomeCounts, *, since: datetime, event_type: str | None = None) -> OutcomeReport:
    """The report that counts make. Match keys are those of purchases, where there are any and no type is asked for."""
    keys = [one for one in counts.match_keys if one.day >= since]
    types = {one.event_type for one in keys}
    known_type = event_type or (_PURCHASE if _PURCHASE in types else None)
    known: Counter[str] = Counter()
    for one in keys:
        if known_type in (None, one.event_type):
            known[one.key] += one.count
    return OutcomeReport(
        since=since,
        counted_since=counts.counted_since,
        event_type=event_type,
        events=sum(one.count for one in keys if one.key == ALL and event_type in (None, one.event_type)),
        destinations=tuple(_destination_outcomes(counts, event_type)),
        known_type=known_type,
        known_of=known[ALL],
        known={key: known[key] for key in MATCH_KEYS},
        advice=tuple(_advice(known, known_type)),
    )


def _destination_outcomes(counts: OutcomeCounts, event_type: str | None) -> Iterator[DestinationOutcomes]:
    by_state: dict[str, dict[str, Counter[str]]] = {}
    for one in counts.outcomes:
        if event_type in (None, one.event_type):
            by_state.setdefault(one.destination, {}).setdefault(one.state, Counter())[one.reason] += one.count
    waiting: Counter[str] = Counter()
    for (destination, waiting_type), count in counts.waiting.items():
        if event_type in (None, waiting_type):
            waiting[destination] += count
    for name in sorted({*by_state, *waiting}):
        states = by_state.get(name, {})
        yield DestinationOutcomes(
            name,
            delivered=sum(states.get(DeliveryState.DELIVERED.value, {}).values()),
            waiting=waiting[name],
            rejected=_commonest_first(states.get(DeliveryState.DEAD.value)),
            skipped=_commonest_first(states.get(DeliveryState.SKIPPED.value)),
        )


def _commonest_first(counts: Counter[str] | None) -> Mapping[str, int]:
    return dict(counts.most_common()) if counts else {}


def _advice(known: Counter[str], known_type: str | None) -> Iterator[str]:
    count = known[ALL]
    if count < _FEWEST_JUDGED:
        return
    what = known_type or "event"
    is_captured = False
    for key, (least, mend) in _ADVICE.items():
        if known[key] == 0:
            yield f"{key}: known of no {what}: {mend}"
        elif known[key] < least * count:
            yield f"{key}: known of {known[key] / count:.0%} of {count_words(count, what)}: {mend}"
        else:
            continue
        is_captured = is_captured or key != "email"
    if is_captured:
        yield "README, Linking client and server, has the snippet that captures these in the page"


# -------------------------------------------------------------------------------------------------- what needs a person


def outcome_findings(counts: OutcomeCounts, *, now: datetime) -> Iterator[Finding]:
    """Many rejections, a day on which all events were skipped for one reason, and events that grew too old here."""
    for name, (rejected, count) in sorted(counts.rejected.items()):
        if count >= _FEWEST_JUDGED and rejected > _MOST_REJECTED * count:
            yield Finding(
                "rejected",
                f"{name}: {rejected} of the last {count_words(count, 'delivery', 'deliveries')} were rejected",
                f"see `trackbridge coverage` for the reasons and `trackbridge list deliveries --state dead`; mend the "
                f"mapping or the destination's options, then `trackbridge retry --all-dead --destination {name}`",
                subject=name,
            )
    recent = first_day(now, 2)
    by_destination: dict[str, list[OutcomeCount]] = {}
    for one in counts.outcomes:
        if one.day >= recent and not is_routed_elsewhere(one.reason):
            by_destination.setdefault(one.destination, []).append(one)
    for name, outcomes in sorted(by_destination.items()):
        yield from _skipped_day(name, outcomes)
        yield from _too_old(name, outcomes)


def _skipped_day(name: str, outcomes: Sequence[OutcomeCount]) -> Iterator[Finding]:
    """Of the newest day that has enough of them."""
    totals: Counter[datetime] = Counter()
    for one in outcomes:
        totals[one.day] += one.count
    day = max((day for day, count in totals.items() if count >= _FEWEST_SKIPPED), default=None)
    reasons = {(one.state, one.reason) for one in outcomes if one.day == day}
    if day is None or len(reasons) > 1:
        return
    [(state, reason)] = reasons
    if state == DeliveryState.SKIPPED.value and (reason == NO_CONSENT or not is_meant(reason)):
        yield Finding(
            "skipped_day",
            f"{name}: all {totals[day]} events of {day:%Y-%m-%d} (UTC) were skipped: {reason}",
            _SKIP_REMEDIES.get(reason, "see `trackbridge coverage`, and `trackbridge show` of one of these events"),
            subject=name,
        )


def _too_old(name: str, outcomes: Sequence[OutcomeCount]) -> Iterator[Finding]:
    count = sum(one.count for one in outcomes if one.reason == TOO_OLD_WAITING)
    if count:
        yield Finding(
            "too_old",
            f"{name}: {count_words(count, 'event')} became too old for it while they waited here",
            "they are lost to it: a pause or a backlog lasted longer than it takes events; see that alerts reach you "
            "(`trackbridge alert --test`). This is said for two days",
            subject=name,
        )
