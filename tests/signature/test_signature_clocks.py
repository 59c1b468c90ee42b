"""Times of sending are read strictly: what is not exactly of a form is no time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.signature import timestamps
from bridge.signature.recipe import Clock

INSTANT = datetime(2026, 4, 14, 3, 50, 12, tzinfo=UTC)
CLOCKS: list[Clock] = ["unix", "unix_ms", "rfc3339", "http_date"]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("unix", "1776138612"),
        ("unix", "0001776138612"),
        ("unix_ms", "1776138612000"),
        ("rfc3339", "2026-04-14T03:50:12Z"),
        ("rfc3339", "2026-04-14T05:50:12+02:00"),
        ("rfc3339", "2026-04-14T03:50:12.000000000Z"),
        ("http_date", "Tue, 14 Apr 2026 03:50:12 GMT"),
    ],
)
def test_a_time_is_read(form: Clock, text: str) -> None:
    assert timestamps.parse_timestamp(text, form) == INSTANT.timestamp()


@pytest.mark.parametrize(
    ("form", "text"),
    [
        *[("unix", text) for text in ["", " 1", "1 ", "+1", "-1", "1_0", "1.0", "1e3", "٣", "²", "1\n", "1" * 17]],
        *[("unix_ms", text) for text in ["", "1.5", "1" * 17]],
        *[
            ("rfc3339", text)
            for text in [
                "2026-04-14",
                "2026-04-14T03:50:12",
                "2026-04-14 03:50:12Z",
                "2026-04-14t03:50:12z",
                "2026-04-14T03:50Z",
                "2026-04-14T03:50:60Z",
                "2026-02-30T03:50:12Z",
                "2026-04-14T03:50:12+0200",
                "2026-04-14T03:50:12+99:00",
                "0001-01-01T00:00:00+23:59 ",
                "2026-W16-2T03:50:12Z",
                "\uff12026-04-14T03:50:12Z",
            ]
        ],
        *[
            ("http_date", text)
            for text in [
                "Wed, 14 Apr 2026 03:50:12 GMT",
                "Tue, 14 Apr 2026 03:50:12 UTC",
                "Tue, 14 Apr 2026 03:50:12 +0000",
                "tue, 14 apr 2026 03:50:12 gmt",
                "Tue, 14 Foo 2026 03:50:12 GMT",
                "Tue, 31 Apr 2026 03:50:12 GMT",
                "Tue, 4 Apr 2026 03:50:12 GMT",
                "Tuesday, 14-Apr-26 03:50:12 GMT",
                "Tue Apr 14 03:50:12 2026",
                "Tue, 14 Apr 2026 24:50:12 GMT",
            ]
        ],
    ],
)
def test_what_is_not_exactly_of_the_form_is_no_time(form: Clock, text: str) -> None:
    assert timestamps.parse_timestamp(text, form) is None


@given(moment=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)), form=st.sampled_from(CLOCKS))  # noqa: DTZ001  made aware below
def test_a_time_that_is_said_is_read_again(moment: datetime, form: Clock) -> None:
    aware = moment.replace(microsecond=0, tzinfo=UTC)
    assert timestamps.parse_timestamp(timestamps.format_timestamp(aware, form), form) == aware.timestamp()


@given(text=st.text(max_size=40), form=st.sampled_from(CLOCKS))
def test_no_text_makes_a_clock_stumble(text: str, form: Clock) -> None:
    found = timestamps.parse_timestamp(text, form)
    assert found is None or text.isascii()


def test_the_ends_of_time_are_read_or_refused_but_never_raise() -> None:
    for year in ("0000", "0001", "9999"):
        for offset in ("Z", "+23:59", "-23:59"):
            timestamps.parse_timestamp(f"{year}-01-01T00:00:00{offset}", "rfc3339")
            timestamps.parse_timestamp(f"{year}-12-31T23:59:59{offset}", "rfc3339")
        timestamps.parse_timestamp(f"Sat, 01 Jan {year} 00:00:00 GMT", "http_date")
