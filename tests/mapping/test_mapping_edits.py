"""A mapping that is compiled again while it is edited: what is as it was is not compiled again, and places are right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from made_up_mapping import CLUB, club_webhook
from shipped_examples import MAPPINGS

from bridge.core.model import SetAside
from bridge.mapping import check_mapping
from bridge.mapping.engine.module import FUNCTION_CODES


@pytest.fixture
def most() -> Iterator[int]:
    """How many functions are kept, for this test alone."""
    FUNCTION_CODES.most = 120
    yield FUNCTION_CODES.most
    FUNCTION_CODES.most = 0
    check_mapping(CLUB, name="club.yaml")


def test_an_edit_of_one_expression_compiles_few_functions_anew_and_no_more_are_kept_than_may_be(most: int) -> None:
    text = (MAPPINGS / "shopify.yaml").read_text()
    assert text.count("body.total_price,") > 0
    check_mapping(text, name="shopify.yaml")
    before = len(FUNCTION_CODES)
    assert before > 50
    for number in range(30):
        edited = text.replace("body.total_price,", f"body.total_price || body.made_up_{number},", 1)
        assert check_mapping(edited, name="shopify.yaml")[0] is not None
        if number == 0:
            assert len(FUNCTION_CODES) <= before + 5
    assert len(FUNCTION_CODES) == most


def test_a_process_keeps_no_function_unless_it_is_told_to() -> None:
    check_mapping(CLUB, name="club.yaml")
    assert len(FUNCTION_CODES) == 0


@pytest.mark.usefixtures("most")
def test_a_failure_is_told_at_its_line_also_where_the_code_is_that_of_another_text() -> None:
    first, told = None, []
    for lines in (0, 1, 7):
        text = CLUB.replace("events:", "\n" * lines + "events:")
        text = text.replace("order_id: =body.order", "order_id: =body.order" + " || body.no || body.more" * lines)
        made = check_mapping(text, name="club.yaml")[0]
        assert made is not None
        webhook = club_webhook(1, total={"amount": "5.00"})
        outcome = made.bind_source("club", secrets=(), vars={}).translate(webhook)
        assert isinstance(outcome, SetAside)
        line = text.splitlines().index(next(one for one in text.splitlines() if "decimal(body.total)" in one)) + 1
        assert outcome.reason.startswith(f"club.yaml:{line}:")
        told.append(outcome.reason.partition(": ")[2])
        first = first or told[0]
    assert told == [first] * 3
