"""What the counts of a week say: which share reached a destination, what needs a person, and what to capture."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bridge.status.outcomes import first_day, outcome_findings, report_outcomes
from bridge.status.report import OutcomeReport
from bridge.store.status_views import MatchKeyCount, OutcomeCount, OutcomeCounts

NOW = datetime(2026, 3, 8, 15, 30, tzinfo=UTC)
TODAY = datetime(2026, 3, 8, tzinfo=UTC)
DAY = timedelta(days=1)
SINCE = first_day(NOW, 7)
Ends = Mapping[tuple[str, str], int]


def counted(
    ends: Ends, *, day: datetime = TODAY, keys: Mapping[str, int] | None = None, rejected: tuple[int, int] = (0, 0)
) -> OutcomeCounts:
    return OutcomeCounts(
        tuple(OutcomeCount(day, "meta", "purchase", state, reason, count) for (state, reason), count in ends.items()),
        tuple(MatchKeyCount(day, "purchase", key, count) for key, count in (keys or {}).items()),
        waiting={("meta", "purchase"): 4, ("meta", "refund"): 1},
        rejected={"meta": rejected},
        counted_since=TODAY,
    )


def report(counts: OutcomeCounts, *, event_type: str | None = None) -> OutcomeReport:
    return report_outcomes(counts, since=SINCE, event_type=event_type)


def causes(counts: OutcomeCounts) -> list[str]:
    return [one.cause for one in outcome_findings(counts, now=NOW)]


def test_seven_days_are_today_and_the_six_before() -> None:
    assert datetime(2026, 3, 2, tzinfo=UTC) == SINCE


def test_what_was_rightly_skipped_is_reached_and_what_waits_is_left_out() -> None:
    ends = {
        ("delivered", ""): 90,
        ("skipped", "no consent"): 5,
        ("skipped", "not among its events"): 2,
        ("skipped", "no identifiers"): 2,
        ("dead", "currency missing"): 1,
    }
    [meta] = report(counted(ends)).destinations
    assert meta.reached == 0.97
    assert meta.missed == {"no identifiers": 2, "currency missing": 1}
    assert meta.waiting == 5
    [meta] = report(counted(ends), event_type="purchase").destinations
    assert meta.waiting == 4


def test_a_destination_all_of_whose_deliveries_wait_has_no_share() -> None:
    [meta] = report(counted({})).destinations
    assert (meta.reached, meta.delivered, meta.waiting) == (None, 0, 5)


def test_match_keys_that_few_have_come_with_what_mends_it() -> None:
    found = report(counted({}, keys={"": 100, "email": 94, "fbc": 6, "fbp": 30, "consent": 0, "ga client": 80}))
    assert (found.known_type, found.known_of, found.known["email"]) == ("purchase", 100, 94)
    said = "\n".join(found.advice)
    assert "fbc: known of 6% of 100 purchases: capture `fbclid` in the page" in said
    assert "consent: known of no purchase" in said
    assert "email" not in said
    assert "fbp" not in said


def test_a_few_events_give_no_advice() -> None:
    assert report(counted({}, keys={"": 9})).advice == ()


def test_more_than_a_tenth_of_the_last_hundred_rejected_needs_a_person() -> None:
    assert causes(counted({}, rejected=(10, 100))) == []
    assert causes(counted({}, rejected=(11, 100))) == ["rejected"]
    assert causes(counted({}, rejected=(2, 9))) == []


def test_a_reason_that_skipped_a_whole_day_needs_a_person_unless_it_is_meant() -> None:
    assert causes(counted({("skipped", "no identifiers"): 3})) == ["skipped_day"]
    assert causes(counted({("skipped", "no consent"): 3, ("skipped", "test event"): 9})) == ["skipped_day"]
    assert causes(counted({("skipped", "no identifiers"): 2})) == []
    assert causes(counted({("skipped", "no identifiers"): 30, ("delivered", ""): 1})) == []
    assert causes(counted({("skipped", "not among its events"): 30})) == []
    assert causes(counted({("skipped", "orders below 10 EUR are not told"): 30})) == []


def test_a_whole_day_of_skips_is_said_until_a_newer_day_is_better() -> None:
    bad = counted({("skipped", "lacks value"): 30}, day=TODAY - DAY)
    good = counted({("delivered", ""): 3})
    assert causes(bad) == ["skipped_day"]
    both = OutcomeCounts((*bad.outcomes, *good.outcomes), (), {}, {}, None)
    assert causes(both) == []


def test_events_that_grew_too_old_here_need_a_person_for_two_days() -> None:
    late = {("skipped", "too old while it waited"): 2, ("delivered", ""): 7}
    assert causes(counted(late, day=TODAY - DAY)) == ["too_old"]
    assert causes(counted(late, day=TODAY - 2 * DAY)) == []
    assert causes(counted({("skipped", "too old"): 2, ("delivered", ""): 7})) == []
