"""Requests signed by OAuth 1.0a: the platform's own address, every part that is secret known, and nothing guessed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from platform_driver import declared, make_event
from upstreams.kinds import FAKES
from upstreams.platform import Received
from upstreams.x import KEYS, check_oauth1

from bridge.core.delivery import Delivery, Outgoing
from bridge.core.errors import SettingsError
from bridge.destinations.engine.signing import SignedHeaders, Unsigned, sign_request

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ADDRESS = "https://ads-api.x.com/12/measurement/conversions/o1abc"
REQUEST = Unsigned("POST", ADDRESS, b"{}", ("evt_1",))


def signed(request: Unsigned, *, now: datetime = NOW) -> SignedHeaders:
    return sign_request("oauth1", {"secret": json.dumps(KEYS)}, request, now=now)


def received(request: Unsigned, headers: SignedHeaders, query: dict[str, str] | None = None) -> Received:
    return Received(
        request.method, "/12/measurement/conversions/o1abc", query or {}, dict(headers.headers), request.body
    )


def test_the_signature_covers_method_address_and_query() -> None:
    asked = replace(REQUEST, url=f"{ADDRESS}?b=x%20y&a=%C3%A9&c=")
    query = {"b": "x y", "a": "\u00e9", "c": ""}
    assert check_oauth1(received(asked, signed(asked), query), ADDRESS)
    assert not check_oauth1(received(asked, signed(asked), query | {"c": "1"}), ADDRESS)
    assert not check_oauth1(received(replace(asked, method="PUT"), signed(asked), query), ADDRESS)
    assert not check_oauth1(received(asked, signed(asked), query), f"{ADDRESS}x")


def test_no_two_requests_have_the_same_nonce() -> None:
    requests = [REQUEST, replace(REQUEST, ids=("evt_2",)), replace(REQUEST, body=b"[]")]
    nonces = [signed(request).headers["authorization"].split('oauth_nonce="')[1][:32] for request in requests]
    later = signed(REQUEST, now=NOW + timedelta(milliseconds=1)).headers["authorization"]
    assert len({*nonces, later.split('oauth_nonce="')[1][:32]}) == 4


def test_every_key_and_the_signature_are_known_as_secrets() -> None:
    told = signed(REQUEST)
    values = {value for _, value in told.secrets}
    assert {*KEYS.values()} < values
    assert len(values) == 5


def test_it_is_the_platforms_address_that_is_signed_where_another_stands_in_for_it() -> None:
    fake = FAKES["x"]()
    fake.url = "http://127.0.0.1:1"
    [made] = declared(fake).make_requests(
        [Delivery(1, "it", "evt-1", json.dumps(make_event("evt-1")).encode(), 0)], now=datetime.now(UTC)
    )
    assert isinstance(made, Outgoing)
    assert made.url.startswith("http://127.0.0.1:1/12/")
    assert check_oauth1(Received("POST", fake.path, {}, dict(made.headers), made.body), ADDRESS)


@pytest.mark.parametrize(
    "secret", ["", "not JSON", "[]", '{"consumer_key": "abcdefgh"}', json.dumps(KEYS | {"token": "\n"})]
)
def test_a_secret_that_lacks_a_key_is_refused_with_their_names_and_never_repeated(secret: str) -> None:
    with pytest.raises(SettingsError, match="JSON with consumer_key, consumer_secret, token, token_secret") as refusal:
        sign_request("oauth1", {"secret": secret}, REQUEST, now=NOW)
    assert "abcdefgh" not in str(refusal.value)
