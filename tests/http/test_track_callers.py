"""API keys and their rate: found in constant time, paced exactly."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import SettingsError
from bridge.http.api_keys import ApiKeys, SlidingWindow


@dataclass(frozen=True)
class Key:
    name: str
    key: str
    rate: int = 0
    scope: str | None = None
    to: tuple[str, ...] | None = None


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_a_key_is_found_plain_or_by_its_sha_256_and_no_other_is() -> None:
    callers = ApiKeys([Key("a", "first"), Key("b", digest("sécond").upper().replace("SHA256", "sha256"), scope="shop")])
    first, second = callers.find_caller(b"first"), callers.find_caller("sécond".encode())
    assert first is not None
    assert second is not None
    assert (first.name, first.scope, first.origin) == ("a", "track", "key:a")
    assert (second.name, second.scope) == ("b", "shop")
    for wrong in (b"", b"firs", b"first ", digest("sécond").encode(), b"\xff"):
        assert callers.find_caller(wrong) is None
    assert ApiKeys([]).find_caller(b"") is None


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ([Key("a", "sha256:12")], "the API key `a` begins with sha256: but no 64 hexadecimal digits follow"),
        ([Key("a", " ")], "the API key `a` is blank; give it a value or take it out"),
        ([Key("a", "x"), Key("a", "y")], "two API keys are called `a`; give each its own name"),
        ([Key("a", "x"), Key("b", digest("x"))], "the API keys `a` and `b` are the same; take one out"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_their_text(keys: list[Key], text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        ApiKeys(keys)
    assert str(refused.value) == text


def test_1000_requests_a_minute_pass_and_the_1001st_waits_until_the_first_is_a_minute_old() -> None:
    window = SlidingWindow(1000)
    assert [window.acquire(i / 100) for i in range(1000)] == [0.0] * 1000
    assert window.acquire(10.0) == pytest.approx(50.0)
    assert window.acquire(59.999) > 0
    assert window.acquire(60.0) == 0.0
    assert window.acquire(60.0) == pytest.approx(0.01)


def test_a_rate_of_0_is_none() -> None:
    window = SlidingWindow(0)
    assert not any(window.acquire(0.0) for _ in range(10_000))


@given(st.integers(1, 5), st.lists(st.integers(0, 40), max_size=40))
def test_any_60_seconds_hold_at_most_the_rate_and_a_wait_is_exact(rate: int, gaps: list[int]) -> None:
    window, now = SlidingWindow(rate), 0
    passed: list[int] = []
    for gap in gaps:
        now += gap
        recent = [at for at in passed if now - at < 60]
        expected = 0 if len(recent) < rate else 60 - (now - recent[0])
        assert window.acquire(float(now)) == expected
        if not expected:
            passed.append(now)
