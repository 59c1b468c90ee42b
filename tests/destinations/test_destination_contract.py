"""What every kind of destination promises. A new kind adds one line to MADE, and all of this runs over it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.delivery import Delivered, Delivery, Misconfigured, Outgoing, Rejected, Response, Retryable
from bridge.core.errors import SettingsError
from bridge.core.model import Event
from bridge.destinations import kinds as destinations
from bridge.destinations.kinds import KINDS, make_destination
from bridge.destinations.protocol import Destination

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "a-made-up-secret"
MADE: dict[str, Callable[..., Destination]] = {
    "track": lambda **more: make_destination("track", "mine", {"url": "https://example.com", "api_key": SECRET} | more),
}
every_kind = pytest.mark.parametrize("kind", MADE)


def event(*, test: bool) -> Event:
    return Event("evt_1", "key:one", "purchase", test, b"{}", NOW)


def deliveries(*texts: bytes) -> list[Delivery]:
    return [Delivery(number, "mine", f"evt_{number}", text, 0) for number, text in enumerate(texts, start=1)]


def test_every_kind_in_the_table_is_tested_here() -> None:
    assert set(MADE) == set(KINDS)


@every_kind
def test_it_is_called_what_it_was_called(kind: str) -> None:
    assert MADE[kind]().name == "mine"


@every_kind
def test_its_pace_is_one_that_can_be_kept(kind: str) -> None:
    one = MADE[kind]()
    assert one.rate >= 0
    assert one.batch >= 1
    assert one.concurrency == 1  # the default, which keeps the order


@every_kind
def test_its_address_holds_neither_query_nor_key(kind: str) -> None:
    one = MADE[kind]()
    parts = urlsplit(one.address)
    assert parts.scheme in {"http", "https"}
    assert (parts.query, parts.fragment, parts.username, parts.password) == ("", "", None, None)
    assert SECRET not in one.address
    assert SECRET not in repr(one)


@every_kind
def test_a_live_destination_takes_no_test_event(kind: str) -> None:
    one = MADE[kind]()
    assert one.skip_reason(event(test=False)) is None
    assert one.skip_reason(event(test=True)) == "test event"


@every_kind
def test_a_test_destination_takes_test_events_and_nothing_else(kind: str) -> None:
    one = MADE[kind](test="true")
    assert one.skip_reason(event(test=True)) is None
    assert one.skip_reason(event(test=False)) == "not a test event"


@every_kind
@given(sizes=st.lists(st.integers(min_value=2, max_value=400_000), min_size=1, max_size=120))
def test_its_requests_carry_every_delivery_once_and_in_order(kind: str, sizes: list[int]) -> None:
    one = MADE[kind]()
    given_ = deliveries(*(b'"' + b"a" * (size - 2) + b'"' for size in sizes))
    made = one.make_requests(given_, now=NOW)
    assert [delivery for outgoing in made for delivery in outgoing.deliveries] == given_
    assert all(0 < len(outgoing.deliveries) <= one.batch for outgoing in made)


@every_kind
def test_its_requests_go_where_its_address_is_and_hold_no_key_in_their_url(kind: str) -> None:
    one = MADE[kind]()
    for outgoing in one.make_requests(deliveries(b"{}"), now=NOW):
        assert isinstance(outgoing, Outgoing)
        assert urlsplit(outgoing.url).netloc == urlsplit(one.address).netloc
        assert SECRET not in outgoing.url


@every_kind
def test_no_answer_is_for_later_and_counts_for_the_breaker(kind: str) -> None:
    outcome = MADE[kind]().read_response(Response(None, failure="timeout", sent=True), sent=3, now=NOW)
    assert outcome == Retryable("timeout", breaks=True)


@every_kind
@given(status=st.integers(min_value=100, max_value=999), text=st.text(), header=st.text())
def test_whatever_is_answered_has_a_meaning(kind: str, status: int, text: str, header: str) -> None:
    outcome = MADE[kind]().read_response(Response(status, {"retry-after": header}, text), sent=1, now=NOW)
    match outcome:
        case Delivered():
            assert 200 <= status < 300
        case Rejected(reason) | Misconfigured(reason) | Retryable(reason):
            assert reason.startswith(str(status))
            assert reason.isprintable()
            assert len(reason) < 300
            assert SECRET not in reason


@every_kind
def test_an_unknown_option_is_refused_with_what_it_could_have_been(kind: str) -> None:
    with pytest.raises(SettingsError, match="has no option `tset`; did you mean `test`"):
        MADE[kind](tset="true")
    with pytest.raises(SettingsError, match="has no option `colour`; known are ") as caught:
        MADE[kind](colour=SECRET)
    assert SECRET not in str(caught.value)


def test_an_unknown_kind_is_refused_with_what_it_could_have_been() -> None:
    with pytest.raises(SettingsError, match="destination `mine`: `kind` names no kind; did you mean `track`"):
        destinations.make_destination("trak", "mine", {})
    with pytest.raises(SettingsError, match="`kind` names no kind; known are track"):
        destinations.make_destination("pigeon", "mine", {})
