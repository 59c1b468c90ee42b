"""The shipped mappings over bodies in which something is missing or is not what it should be.

Personal data is never worth a purchase, and what is missing never makes another amount.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
from shipped import PROVIDERS, Example, examples, outcome, translation

from bridge.core import json_text
from bridge.core.json_text import Json

Path = tuple[str | int, ...]

PERSONAL = {
    "billing_address",
    "billing_details",
    "browser_ip",
    "charges",
    "client_details",
    "collected_information",
    "contact_email",
    "customer_address",
    "customer_details",
    "customer_email",
    "customer_name",
    "customer_phone",
    "email",
    "landing_site",
    "latest_charge",
    "phone",
    "receipt_email",
    "referring_site",
    "shipping",
    "shipping_address",
    "shipping_details",
}
"""Keys of bodies under which there is nothing but a person and their visit."""

OF_EDITS = {"current_total_price", "refunds"}
"""Keys that say what became of an order after it was made; where a version has none it is told as it was made."""

GONE = object()
ODD: tuple[object, ...] = (GONE, None, "", [], {}, 7, "x")
PURCHASES = [
    example
    for provider in PROVIDERS
    for example in examples(provider)
    if isinstance(example.expect, list) and example.expect[0]["event_type"] == "purchase"
]


def paths(document: Json, here: Path = ()) -> Iterator[Path]:
    """Where anything stands in a document."""
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in entries:
        yield (*here, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*here, key))


def changed(document: Json, path: Path, value: object) -> Json:
    """A copy of a document with another value at a path."""
    made = copy.deepcopy(document)
    within = made
    for step in path[:-1]:
        within = within[step]
    if value is GONE:
        del within[path[-1]]
    else:
        within[path[-1]] = value
    return made


def came_to(example: Example, body: Json) -> Json:
    return outcome(translation(example.provider, example.headers, json_text.write_json(body), example.settings))


@pytest.mark.parametrize("example", PURCHASES, ids=str)
def test_a_purchase_is_told_whatever_became_of_its_personal_data(example: Example) -> None:
    personal = [path for path in paths(example.body) if PERSONAL & set(path)]

    for path in personal:
        for value in ODD:
            told = came_to(example, changed(example.body, path, value))
            assert isinstance(told, list), (path, value, told)
            assert [event["properties"] for event in told] == [event["properties"] for event in example.expect]


@pytest.mark.parametrize("example", PURCHASES, ids=str)
def test_what_is_missing_from_a_purchase_never_makes_another_amount(example: Example) -> None:
    [expected] = example.expect

    for path in (path for path in paths(example.body) if not OF_EDITS & set(path)):
        for value in (GONE, None, "", [], {}):
            told = came_to(example, changed(example.body, path, value))
            for event in told if isinstance(told, list) else []:
                assert event["properties"]["value"] == expected["properties"]["value"], (path, value)
                assert event["properties"]["currency"] == expected["properties"]["currency"], (path, value)
