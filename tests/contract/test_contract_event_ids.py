"""Ids of events: names that a replay repeats."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bridge.contract import derived_id, new_id

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def test_a_new_id_is_the_time_of_receipt_and_random_letters() -> None:
    assert new_id(NOW, "abc123def456") == "evt_1704067200000_abc123def456"


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
