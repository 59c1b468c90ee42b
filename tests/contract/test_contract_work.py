"""How much work a large document is: calls of Python functions, so that no clock decides."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType

import pytest

from bridge.contract import find_problems, validate_event
from bridge.core.json_text import Json

NOW = datetime(2024, 1, 15, 14, 30, 45, tzinfo=UTC)
ITEMS = 5_000
A_FEW = 1_000
"""Calls that a document of one item takes, rounded up."""


def calls_of(work: Callable[[], object]) -> int:
    """How many functions and generators, in Python and in C, are entered."""
    count = 0

    def entered(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(entered)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def event_of(items: list[Json]) -> Json:
    return {"event_type": "purchase", "properties": {"items": items}}


@pytest.mark.parametrize("item", [{"price": 1}, {"name": "x"}, {"a": [None]}, {}])
def test_a_good_item_takes_eight_calls_at_most(item: Json) -> None:
    document = event_of([item] * ITEMS)

    def work() -> None:
        validate_event(document, origin="key:a", scope="track", received_at=NOW, default_id="evt_1")

    work()
    assert calls_of(work) < A_FEW + 8 * ITEMS


def test_good_items_before_a_wrong_one_take_ten_calls_each_at_most() -> None:
    document = event_of([*[{}] * ITEMS, 1])
    find_problems(document)  # what it imports is no part of the work
    assert calls_of(lambda: find_problems(document)) < A_FEW + 10 * ITEMS
    assert [problem.path for problem in find_problems(document)] == [("properties", "items", ITEMS)]
