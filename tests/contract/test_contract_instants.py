"""Instants and ids: what ISO 8601 names, and names that a replay repeats."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.contract import SCHEMA, derived_id, format_instant, new_id, parse_instant, unix_ms

NOW = datetime(2024, 1, 1, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001  given below


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


def test_a_new_id_is_the_time_of_receipt_and_luck() -> None:
    assert new_id(NOW, "abc123def456") == "evt_1704067200000_abc123def456"
    assert unix_ms(NOW + timedelta(microseconds=1999)) == 1704067200001


def derived(**changed: str) -> str:
    parts = {"source": "shopify", "webhook_id": "w-1", "event_type": "purchase", "key": "A-1"} | changed
    return derived_id(received_at=NOW, **parts)


def test_a_derived_id_is_the_same_for_the_same_webhook_and_another_for_any_other() -> None:
    assert re.fullmatch(r"evt_1704067200000_[a-z0-9]{12}", derived())
    assert derived() == derived()
    others = [
        derived(source="other"),
        derived(webhook_id="w-2"),
        derived(event_type="lead"),
        derived(key="A-2"),
        derived(source="shopifyw", webhook_id="-1"),
        derived(key="\ud800"),
    ]
    assert len({derived(), *others}) == 7


def test_a_derived_id_does_not_change_between_releases() -> None:
    assert derived() == "evt_1704067200000_lggzov7wewxe"
