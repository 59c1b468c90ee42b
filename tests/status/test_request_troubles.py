"""When refused requests need a person: not for a stranger's forgery, and not after the next genuine webhook."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.status.configured import ConfiguredSource
from bridge.status.report import Findings
from bridge.status.requests import RECENT, find_request_troubles
from bridge.store.status_views import RefusedRequests

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STRIPE = ConfiguredSource("stripe", title="Stripe", secret_setting="STRIPE_WEBHOOK_SECRET")
WAITING = ConfiguredSource("shopify", has_secret=False, is_chosen=False, secret_setting="SHOPIFY_WEBHOOK_SECRET")


def found(
    cause: str, count: int = 1, *, ago: timedelta = timedelta(minutes=1), last: timedelta | None = None,
    source: ConfiguredSource = STRIPE,
) -> Findings:  # fmt: skip
    refused = RefusedRequests(source.name, cause, count, NOW - ago, NOW - ago, "/webhooks/strpe")
    lasts = {} if last is None else {source.name: NOW - last}
    return find_request_troubles([refused], [STRIPE, WAITING], lasts, NOW)


@pytest.mark.parametrize("cause", ["mismatch", "missing", "malformed", "stale", "too_large", "headers"])
def test_before_the_first_genuine_webhook_one_refused_request_needs_a_person(cause: str) -> None:
    [need] = found(cause).needs
    assert (need.cause, need.subject, bool(need.remedy)) == (cause, "stripe", True)


@pytest.mark.parametrize("cause", ["mismatch", "missing", "stale", "unknown_path"])
def test_a_genuine_webhook_ends_it(cause: str) -> None:
    assert found(cause, 100, last=timedelta(seconds=30)) == Findings()


def test_a_stranger_who_sends_forgeries_between_genuine_webhooks_needs_nobody() -> None:
    for cause, count, last in (("mismatch", 1, 60), ("mismatch", 1000, 5), ("missing", 1000, 60), ("malformed", 9, 60)):
        trouble = found(cause, count, last=timedelta(minutes=last))
        assert (trouble.needs, len(trouble.notes)) == ((), 1)


def test_a_secret_that_was_changed_at_the_provider_needs_a_person_soon() -> None:
    [need] = found("mismatch", 3, last=timedelta(minutes=11)).needs
    assert "the secret in STRIPE_WEBHOOK_SECRET does not fit" in need.remedy


@pytest.mark.parametrize("cause", ["method", "too_slow", "cut_off"])
def test_a_browser_that_opens_the_address_needs_nobody(cause: str) -> None:
    assert found(cause).needs == ()


def test_what_was_refused_days_ago_is_no_longer_spoken_of() -> None:
    assert found("mismatch", ago=RECENT + timedelta(seconds=1)) == Findings()


def test_a_source_without_secret_that_somebody_sends_to_needs_one_until_it_has_one() -> None:
    [need] = found("no_secret", source=WAITING).needs
    assert "set SHOPIFY_WEBHOOK_SECRET" in need.remedy
    assert found("no_secret", source=STRIPE).needs == ()


def test_a_mistyped_address_of_a_source_that_is_not_used_needs_nobody() -> None:
    assert found("unknown_path", source=WAITING).needs == ()
    assert len(found("unknown_path").needs) == 1


def test_only_chosen_sources_that_nothing_was_heard_of_are_named() -> None:
    [note] = find_request_troubles([], [STRIPE, WAITING], {}, NOW).notes
    assert (note.cause, note.subject) == ("never_heard", "stripe")
    assert find_request_troubles([], [STRIPE], {"stripe": NOW}, NOW).notes == ()
