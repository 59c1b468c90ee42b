"""Lists fit a terminal of 80 columns, and no id and no date in them is ever broken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from bridge.cli import row_list
from bridge.cli.find import FindOptions, run_find
from bridge.core.delivery import DeliveryState
from bridge.core.errors import SettingsError
from bridge.core.model import WebhookState
from bridge.status.search_words import search_words
from bridge.store.protocol import DeliveryRow, EventRow, WebhookRow

NOW = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
EVENT = "evt_1795830993103_7namwiv1gav7"


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def lines(*rows: row_list.Row) -> list[str]:
    return [line.plain for line in row_list.draw_rows(rows, width=80)]


def webhook(number: int, *, reason: str | None = None, at: datetime = NOW) -> WebhookRow:
    return WebhookRow(f"wh_{number}", "shopify", "orders/paid", WebhookState.SET_ASIDE, reason, at)


def test_a_webhook_is_one_line_and_its_reason_stands_below_it() -> None:
    assert lines(webhook(7, reason="no order")) == [
        "id    received (CEST)   state      source   topic",
        "wh_7  2026-10-25 00:30  set_aside  shopify  orders/paid",
        "  no order",
    ]


def test_around_the_end_of_summer_time_each_time_has_its_own_zone() -> None:
    drawn = lines(webhook(7), webhook(8, at=NOW.replace(day=25)))
    assert drawn[0].startswith("id    received               state")
    assert "2026-10-25 00:30 CEST" in drawn[1]
    assert "2026-10-25 23:30 CET" in drawn[2]


def test_an_event_has_its_order_its_value_and_the_state_of_its_delivery() -> None:
    event = EventRow(
        EVENT,
        "source:shopify",
        "wh_1",
        "purchase",
        test=False,
        duplicate_of=None,
        created_at=NOW,
        order_id="8209",
        value="404.90",
        currency="EUR",
        delivery="dead",
    )
    assert lines(event) == [
        "id                              type      value       delivery",
        f"{EVENT}  purchase  404.90 EUR  dead",
        "  order 8209  of wh_1  2026-10-25 00:30 CEST",
    ]


@given(reason=st.text(), number=st.integers(1, 10**12))
def test_no_line_below_is_wider_than_80_columns_unless_a_word_is_and_no_id_is_broken(reason: str, number: int) -> None:
    row = DeliveryRow(f"dlv_{number}", EVENT, "track", DeliveryState.DEAD, reason, 3, None, 400, None)
    drawn = lines(row)
    assert any(EVENT in line for line in drawn)
    assert f"dlv_{number}" in drawn[1]
    for line in drawn:
        assert len(line) <= 80 or max(map(len, line.split())) > 60


def test_states_are_coloured_and_nothing_else() -> None:
    [_, line, *_] = row_list.draw_rows([webhook(1)], width=80)
    assert isinstance(line, Text)
    assert [line.plain[span.start : span.end] for span in line.spans] == ["set_aside"]


# --------------------------------------------------------------------------------------------------------- words


def test_an_address_is_looked_for_in_lower_case_and_hashed_too() -> None:
    hashed = "b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72"
    assert search_words(" Ada@Example.com ") == ("Ada@Example.com", "ada@example.com", hashed)


def test_an_order_is_looked_for_with_its_number_sign_and_without() -> None:
    assert search_words("1001") == ("1001", "#1001")
    assert search_words("#1001") == ("#1001", "1001")
    assert search_words("A-1001") == ("A-1001",)


def test_a_text_that_would_fit_everything_is_refused() -> None:
    assert search_words(" 1 ") == ()
    with pytest.raises(SettingsError, match="2 characters or more"):
        run_find(FindOptions(what=" 1 ", format="text"))
