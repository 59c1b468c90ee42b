"""`Retry-After` in both forms, the obsolete dates included, clamped, and garbage ignored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.destinations.retry_after import read_retry_after

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


@given(st.text())
def test_no_text_makes_it_wait_longer_than_the_clamp_or_less_than_nothing(text: str) -> None:
    waited = read_retry_after(text, now=NOW, most=MOST)
    assert waited is None or timedelta() <= waited <= MOST
