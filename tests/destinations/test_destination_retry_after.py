"""`Retry-After` in both forms, the obsolete dates included, clamped, and garbage ignored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.destinations.retry_after import parse_http_date, read_retry_after

NOW = datetime(1994, 11, 6, 8, 49, 0, tzinfo=UTC)
MOST = timedelta(hours=24)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("\t 120 ", 120),
        ("00120", 120),
        ("86400", 86_400),
        ("86401", 86_400),
        ("9" * 4000, 86_400),
        ("0" * 4000, 0),
        # the three forms of RFC 9110 §5.6.7, its own examples
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 37),
        ("Sun Nov  6 08:49:37 1994", 37),
        ("Sun, 06 Nov 1994 08:48:00 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:60 GMT", 60),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
    ],
)
def test_what_is_asked_is_waited_within_the_clamp(text: str, seconds: int) -> None:
    assert read_retry_after(text, now=NOW, most=MOST) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "soon",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "5, 5",
        "\u0665",
        "1\n",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:60 GMT",
        "Nov  6 08:49:37 1994",
        "1994-11-06T08:49:37Z",
    ],
)
def test_what_makes_no_sense_is_ignored(text: str | None) -> None:
    assert read_retry_after(text, now=NOW, most=MOST) is None


@pytest.mark.parametrize(
    ("now", "two_digits", "year"),
    [
        (2026, 26, 2026),
        (2026, 27, 2027),
        (2026, 76, 2076),
        (2026, 77, 1977),
        (2026, 94, 1994),
        (1999, 0, 2000),
        (2001, 99, 1999),
    ],
)
def test_a_year_of_two_digits_is_at_most_fifty_years_ahead(now: int, two_digits: int, year: int) -> None:
    text = f"Thursday, 01-Jan-{two_digits:02} 00:00:00 GMT"
    assert parse_http_date(text, now=datetime(now, 6, 15, tzinfo=UTC)) == datetime(year, 1, 1, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2049, 12, 31)))  # noqa: DTZ001  Hypothesis wants naive bounds
def test_every_instant_reads_the_same_in_all_three_forms(naive: datetime) -> None:
    at = naive.replace(microsecond=0, tzinfo=UTC)
    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT"):
        assert parse_http_date(at.strftime(form), now=at) == at
    assert parse_http_date(f"{at:%a %b} {at.day:2} {at:%H:%M:%S %Y}", now=at) == at


@given(st.text())
def test_no_text_makes_it_wait_longer_than_the_clamp_or_less_than_nothing(text: str) -> None:
    waited = read_retry_after(text, now=NOW, most=MOST)
    assert waited is None or timedelta() <= waited <= MOST
