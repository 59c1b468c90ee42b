"""Instants and lengths of time: what each form takes and refuses, and what comes out of it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.contract import SCHEMA
from bridge.core.instants import (
    EPOCH,
    ISO_8601,
    ISO_8601_OR_BLANKS,
    LENGTH,
    RFC_3339,
    format_instant,
    from_unix,
    parse_http_date,
    parse_instant,
    parse_length,
    unix_ms,
)

FORMS = (ISO_8601, ISO_8601_OR_BLANKS, RFC_3339)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001  given below
EDGES = {"0001-01-01", "9999-12-31"}


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2024-01-15T14:30:45Z", datetime(2024, 1, 15, 14, 30, 45, tzinfo=UTC)),
        ("2024-01-15t14:30:45z", datetime(2024, 1, 15, 14, 30, 45, tzinfo=UTC)),
        ("2024-01-15T14:30:45", datetime(2024, 1, 15, 14, 30, 45, tzinfo=UTC)),
        ("2024-01-15T14:30", datetime(2024, 1, 15, 14, 30, tzinfo=UTC)),
        ("2024-01-15", datetime(2024, 1, 15, tzinfo=UTC)),
        ("2024-01-15T14:30:45.5Z", datetime(2024, 1, 15, 14, 30, 45, 500000, tzinfo=UTC)),
        ("2024-01-15T14:30:45,123456789Z", datetime(2024, 1, 15, 14, 30, 45, 123456, tzinfo=UTC)),
        ("2024-01-15T14:30:45+02:00", datetime(2024, 1, 15, 12, 30, 45, tzinfo=UTC)),
        ("2024-01-15T14:30:45-0530", datetime(2024, 1, 15, 20, 0, 45, tzinfo=UTC)),
        ("2024-01-15T14:30:45+02", datetime(2024, 1, 15, 12, 30, 45, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_iso_8601_is_read_as_utc(text: str, at: datetime) -> None:
    assert parse_instant(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "1705329045", "2024", "2024-01", "2024-13-01", "2024-02-30", "2024-01-15 14:30:45", "20240115T143045Z",
        "2024-01-15T24:00:00Z", "2024-01-15T14:60:00Z", "2024-01-15T14:30:45+24:00", "2024-01-15T14:30:45Z\n",
        " 2024-01-15", "2024-01-15T", "2024-01-15Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:60Z", "٢٠٢٤-01-15",
        "2024-01-15T14:30:45.Z", "0000-01-01",
    ],
)  # fmt: skip
def test_what_names_no_instant_is_none(text: str) -> None:
    assert parse_instant(text) is None


@given(st.from_regex(SCHEMA["properties"]["timestamp"]["pattern"], fullmatch=True))
def test_the_schemas_pattern_alone_names_only_instants_that_exist(text: str) -> None:
    """Whoever makes events from the schema knows no format of ours.

    Only the first and last day of all are beyond it.
    """
    assert parse_instant(text) is not None or text[:10] in {"0001-01-01", "9999-12-31"}


@pytest.mark.parametrize("year", ["0004", "1900", "2000", "2023", "2024", "2100"])
def test_the_schemas_pattern_knows_the_calendar(year: str) -> None:
    matches = re.compile(SCHEMA["properties"]["timestamp"]["pattern"]).fullmatch
    days = [f"{year}-{month:02}-{day:02}" for month in range(14) for day in range(33)]
    assert [day for day in days if matches(day)] == [day for day in days if exists(day)]


def exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


@given(INSTANTS, st.integers(-23 * 60, 23 * 60))
def test_an_instant_written_with_any_offset_is_read_as_itself(at: datetime, minutes: int) -> None:
    assert parse_instant(at.astimezone(timezone(timedelta(minutes=minutes))).isoformat()) == at


@given(INSTANTS)
def test_an_instant_is_written_with_milliseconds_and_z(at: datetime) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", format_instant(at))
    assert parse_instant(format_instant(at)) == at - timedelta(microseconds=at.microsecond % 1000)


@given(st.from_regex(ISO_8601, fullmatch=True))
def test_what_is_read_matches_the_schemas_pattern(text: str) -> None:
    matches = re.fullmatch(SCHEMA["properties"]["timestamp"]["pattern"], text) is not None
    assert (parse_instant(text) is not None) == matches or text[:10] in EDGES


@given(st.one_of(st.text(max_size=40), *(st.from_regex(form, fullmatch=True) for form in FORMS)))
def test_each_form_reads_the_same_instant_or_none(text: str) -> None:
    contract, payload, signature = (parse_instant(text, form) for form in FORMS)
    assert contract in {None, payload}
    assert signature in {None, contract}


@given(st.from_regex(ISO_8601_OR_BLANKS, fullmatch=True))
def test_blanks_and_utc_change_no_instant(text: str) -> None:
    tidy = text[:10] + text[10:11].replace(" ", "T") + text[11:].replace(" ", "").replace("UTC", "Z")
    assert parse_instant(text, ISO_8601_OR_BLANKS) == parse_instant(tidy)


@given(st.from_regex(RFC_3339, fullmatch=True))
def test_a_signatures_time_is_refused_only_where_there_is_no_such_day(text: str) -> None:
    assert (parse_instant(text, RFC_3339) is not None) == exists(text[:10]) or text[:10] in EDGES


@pytest.mark.parametrize(
    "text",
    ["2024-01-15  14:30:45", "2024-01-15 14:30:45  UTC", "2024-01-15 UTC", "2024-01-15 14:30:45 utc", "2024-01-15 "],
)
def test_one_blank_stands_where_a_blank_may_stand(text: str) -> None:
    assert parse_instant(text, ISO_8601_OR_BLANKS) is None


@given(INSTANTS)
def test_milliseconds_since_1970_are_rounded_down_and_read_again(at: datetime) -> None:
    whole = at - timedelta(microseconds=at.microsecond % 1000)
    assert EPOCH + timedelta(milliseconds=unix_ms(at)) == whole
    if abs(unix_ms(at)) >= 10**11:
        assert from_unix(unix_ms(at)) == whole


@given(st.one_of(st.integers(), st.decimals(allow_nan=False, allow_infinity=False)))
def test_a_number_is_seconds_or_milliseconds_or_no_time(number: int | Decimal) -> None:
    at = from_unix(number)
    if -(10**10) < number < 10**11:
        assert at is not None
        assert abs((at - EPOCH) / timedelta(seconds=1) - float(number)) < 0.001
    assert at is None or at.tzinfo is UTC


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


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"))
def test_no_text_is_an_error(text: str) -> None:
    for at in (parse_http_date(text, now=EPOCH), *(parse_instant(text, form) for form in FORMS)):
        assert at is None or at.tzinfo is UTC


@given(st.integers(0, 999_999), st.sampled_from(["seconds", "minutes", "hours", "days", "weeks"]))
def test_a_length_of_time_is_a_number_and_a_unit(number: int, unit: str) -> None:
    assert parse_length(f"{number}{unit[0]}") == timedelta(**{unit: number})


@given(st.text())
def test_every_other_text_is_no_length_of_time(text: str) -> None:
    assert (parse_length(text) is not None) == (re.fullmatch(LENGTH, text) is not None)


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "-1h", "1.5h", "1H", "1000000s", "1h30m", "1h\n", "\u0661h"])
def test_what_is_no_length_of_time_is_none(text: str) -> None:
    assert parse_length(text) is None
