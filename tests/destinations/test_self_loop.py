"""A destination that is the bridge itself is recognised by its address alone."""

from __future__ import annotations

import pytest

from bridge.destinations.self_loop import Listener, points_to


@pytest.mark.parametrize(
    ("url", "listener", "is_own"),
    [
        ("http://127.0.0.1:8000", Listener("127.0.0.1", 8000), True),
        ("http://localhost:8000/v1/track", Listener("127.0.0.1", 8000), True),
        ("http://[::1]:8000", Listener("0.0.0.0", 8000), True),
        ("http://127.0.0.1:8001", Listener("127.0.0.1", 8000), False),
        ("http://10.0.0.5:8000", Listener("10.0.0.5", 8000), True),
        ("http://10.0.0.6:8000", Listener("10.0.0.5", 8000), False),
        ("http://localhost:8000", Listener("10.0.0.5", 8000), False),
        ("http://localhost", Listener("127.0.0.1", 80), True),
        ("https://shop.example/v1/track", Listener("127.0.0.1", 8000, "https://shop.example"), True),
        ("https://other.example/v1/track", Listener("127.0.0.1", 8000, "https://shop.example"), False),
        ("http://[::1", Listener("127.0.0.1", 8000), False),
        ("http://localhost:99999", Listener("127.0.0.1", 8000), False),
    ],
)
def test_the_bridges_own_address_is_recognised(url: str, listener: Listener, *, is_own: bool) -> None:
    assert points_to(url, listener) is is_own
