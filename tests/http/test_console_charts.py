"""The charts of the console's first page: hours and days of the reader's zone, and the same in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from console_app import AUDITOR, Console, with_console
from hypothesis import given, settings
from hypothesis import strategies as st
from store_made import TRACK, event, order, sent

from bridge.app import utc_now
from bridge.core.local_time import reading_in_zone
from bridge.core.model import Routed
from bridge.http.console.charts import HEIGHT, SPANS, WIDTH, chart_edges, draw_chart
from bridge.store.status_views import QuarterCount

NOW = datetime(2026, 3, 29, 12, 20, 30, tzinfo=UTC)
"""The day on which clocks in Berlin are set forward."""


@pytest.mark.parametrize(
    ("zone", "hour", "day"),
    [
        ("UTC", "2026-03-29T12:00:00+00:00", "2026-03-29T00:00:00+00:00"),
        ("Europe/Berlin", "2026-03-29T12:00:00+00:00", "2026-03-28T23:00:00+00:00"),
        ("Asia/Kathmandu", "2026-03-29T12:15:00+00:00", "2026-03-28T18:15:00+00:00"),
    ],
)
def test_bars_begin_with_the_hours_and_days_of_the_reader(zone: str, hour: str, day: str) -> None:
    with reading_in_zone(ZoneInfo(zone)):
        hours, days = chart_edges("24h", now=NOW), chart_edges("7d", now=NOW)
    assert (len(hours), hours[-1].astimezone(UTC).isoformat()) == (24, hour)
    assert (len(days), days[-1].astimezone(UTC).isoformat()) == (7, day)
    assert hours[-1] - hours[0] == timedelta(hours=23)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 40 * 96), st.sampled_from(["translated", "ignored", "other"]), st.integers(1, 10**6))
    ),
    st.sampled_from(list(SPANS)),
)
def test_each_count_of_the_time_is_drawn_once_and_within_the_drawing(
    told: list[tuple[int, str, int]], span: str
) -> None:
    with reading_in_zone(UTC):
        edges = chart_edges(span, now=NOW)
        counts = [QuarterCount(NOW - timedelta(minutes=15 * ago), "webhook", "x", state, n) for ago, state, n in told]
        made = draw_chart("Webhooks", "webhook", counts, edges)
    within = [one for one in counts if one.at >= edges[0] and one.state != "other"]
    assert sum(sum(bar.counts) for bar in made.bars) == sum(one.count for one in within)
    assert sum(total for _, _, total in made.states) == sum(one.count for one in within)
    for bar in made.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH
        assert all(part.height >= 1.5 and -3 <= part.y <= HEIGHT for part in bar.parts)


def test_the_first_page_says_what_was_decided_in_words_and_in_a_table(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        now = utc_now()
        await console.store.accept_events([Routed(event("evt_a", order("1001")), TRACK)], now=now)
        await sent(console.store, now=now)
        await console.log_in(AUDITOR)
        for span in ("", "?span=7d", "?span=30d", "?span=%00"):
            page = (await console.client.get(f"/ui/{span}")).text
            assert 'aria-label="Deliveries: 1 delivered, 0 dead"' in page
            assert ": 1 delivered</title>" in page
            assert 'aria-label="Webhooks: 0 translated, 0 ignored, 0 set aside"' in page
            assert "Nothing was decided in this time." in page

    with_console(tmp_path, story)
