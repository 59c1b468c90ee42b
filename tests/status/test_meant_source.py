"""Which source a path means; a path that may hold a secret means none, and so is shown to nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.status.meant_source import find_meant_source, path_problem

NAMES = ("stripe", "shopify", "shop-eu")


@pytest.mark.parametrize(
    ("path", "source", "problem"),
    [
        ("/webhooks/strpe", "stripe", "is not that of any source"),
        ("/webhook/stripe", "stripe", "is not that of any source"),
        ("/webhooks/Stripe", "stripe", "is not that of any source"),
        ("/stripe", "stripe", "is not that of any source"),
        ("/webhooks/shop_eu", "shop-eu", "is not that of any source"),
        ("/webhooks/stripe/", "stripe", "has a slash at its end"),
        ("/a/b/webhooks/stripe", "stripe", "has the prefix /a/b, which a proxy should take off"),
        ("/webhooks/stripe", "stripe", "lacks the prefix that BRIDGE_PREFIX says"),
    ],
)
def test_a_path_that_resembles_a_sources_means_that_source(path: str, source: str, problem: str) -> None:
    assert find_meant_source(path, NAMES) == source
    assert path_problem(path, source) == problem


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/wp-login.php",
        "/webhooks/paypal",
        "/webhooks/stripe/whsec_a_made_up_secret",
        "/webhooks/stripe/ada@example.com",
        "/api/v1/stripe-export",
        "/webhooks/stripe%00",
        f"/{'a' * 65}/webhooks/stripe",
        "/1/2/3/4/webhooks/stripe",
    ],
)
def test_any_other_path_means_none(path: str) -> None:
    assert find_meant_source(path, NAMES) is None


@given(st.text())
def test_no_path_is_an_error_and_what_is_shown_is_plain(path: str) -> None:
    meant = find_meant_source(path, NAMES)
    assert meant is None or (meant in NAMES and path.isascii() and len(path) < 400)
