"""Shipped destinations say in their reasons what an event lacks, so that it counts as missed and not as meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from bridge.core.delivery import DeliveryState, FollowedEvent
from bridge.core.skip_reasons import is_meant
from bridge.destinations.engine.decisions import Skipped
from bridge.destinations.engine.following import judge_follower

NOW = datetime(2026, 6, 1, tzinfo=UTC)

SHIPPED = sorted((Path(__file__).parents[2] / "mappings" / "destinations").glob("*.yaml"))
MEANT = ("a test destination of ", "LinkedIn would count ", "X would count ")
"""How reasons begin that an operator chose."""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_platform_that_needs_what_an_event_has_not_skips_it_as_missed(path: Path) -> None:
    reasons = [one["reason"] for one in yaml.safe_load(path.read_text()).get("skip", [])]
    assert [one for one in reasons if is_meant(one) and not one.startswith(MEANT)] == []


TOOK = FollowedEvent(
    "purchase", DeliveryState.DELIVERED, note="request-1", delivered_at=NOW - timedelta(days=9), since=NOW - timedelta(days=4), value="20",
    currency="EUR", verdict="", own_value="5", own_currency="EUR",
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason", "meant"),
    [
        ({"state": None, "event_type": ""}, "its purchase or subscription was not sent here", True),
        ({"state": DeliveryState.SKIPPED}, "its purchase was skipped", True),
        ({"state": DeliveryState.DEAD}, "its purchase was refused or given up", True),
        ({"verdict": "EVENT_TOO_OLD"}, "its purchase may have been refused later", False),
        ({"verdict": None}, "nobody knows what became of its purchase", False),
        ({"of_order": 2}, "its purchase is one of several payments of its order", False),
        ({"currency": "USD"}, "its purchase has another currency", False),
        ({"own_value": None}, "lacks value", False),
    ],
)
def test_a_refund_counts_as_missed_where_the_platform_may_go_on_counting_its_purchase(
    changes: dict[str, Any], reason: str, *, meant: bool
) -> None:
    followed, types = structs.replace(TOOK, **changes), ("purchase", "subscription")
    after = timedelta(minutes=15)
    assert judge_follower(TOOK, types, now=NOW, verdict_after=after) == Decimal(15)
    assert judge_follower(followed, types, now=NOW, verdict_after=after) == Skipped(reason)
    assert is_meant(reason) is meant
