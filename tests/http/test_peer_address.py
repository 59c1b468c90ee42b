"""Who a request comes from, with and without proxies that are trusted."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.http import peer_address
from bridge.http.peer_address import MOST_ENTRIES, TrustedProxies

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("127.0.0.1"), ip_network("fd00::/8")])


def scope(client: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"type": "http", "client": (client, 1) if client else None, "headers": [(b"host", b"x"), *headers]}


@pytest.mark.parametrize(
    ("client", "forwarded", "peer"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),  # no proxy of ours: what it says is not believed
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),  # the first was written by the peer
        ("10.0.0.1", ["198.51.100.1, 10.1.1.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.1", "10.1.1.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:1:2:3::4]:80"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:1:2:3::4", [], "2001:db8:1:2::/64"),
        ("fd00::1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),  # an entry that is no address: who wrote it has a share
        ("10.0.0.1", ["unknown, 10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1", [], None),  # a proxy that names nobody has none
        ("10.0.0.1", [" , "], None),
        ("10.0.0.1", ["10.3.3.3, 10.2.2.2"], None),
        (None, ["198.51.100.1"], None),
        ("unix:", [], None),
    ],
)
def test_the_peer_is_the_last_address_that_is_no_trusted_proxy(
    client: str | None, forwarded: list[str], peer: str | None
) -> None:
    assert PROXIES.peer_of(scope(client, *forwarded)) == peer


def test_without_trusted_proxies_nothing_that_a_request_says_makes_it_another_peer() -> None:
    assert TrustedProxies().peer_of(scope("127.0.0.1", "198.51.100.1")) == "127.0.0.1"


@given(st.lists(st.text(st.characters(codec="latin-1")), max_size=4))
def test_a_stranger_behind_a_trusted_proxy_cannot_choose_who_he_is(said: list[str]) -> None:
    forwarded = ",".join([*said, "198.51.100.7"]).encode("latin-1")
    asked = scope("10.0.0.1") | {"headers": [(b"x-forwarded-for", forwarded)]}
    assert PROXIES.peer_of(asked) == "198.51.100.7"


@pytest.mark.parametrize("headers", [1, 40])
def test_of_a_long_chain_only_the_last_entries_are_read(monkeypatch: pytest.MonkeyPatch, headers: int) -> None:
    read: list[str] = []

    def counted(text: str) -> peer_address.Address:
        read.append(text)
        return ip_address(text)

    monkeypatch.setattr(peer_address, "ip_address", counted)
    asked = scope("10.0.0.1", *[",".join(["10.9.9.9"] * 5_000)] * headers)
    PROXIES.peer_of(asked)
    assert len(read) == 1 + MOST_ENTRIES


def test_blank_entries_count_as_entries_that_were_looked_at() -> None:
    assert PROXIES.peer_of(scope("10.0.0.1", "198.51.100.7" + "," * MOST_ENTRIES)) == "10.0.0.1"


@pytest.mark.parametrize("entries", [MOST_ENTRIES, MOST_ENTRIES + 1, 1_000])
@pytest.mark.parametrize("earliest", ["198.51.100.1", "10.7.7.7", "unknown"])
def test_a_chain_too_long_to_follow_counts_to_the_connection_whatever_it_holds(entries: int, earliest: str) -> None:
    written = [earliest, *(f"10.{entries % 250}.0.{index % 250}" for index in range(entries))]
    assert PROXIES.peer_of(scope("10.0.0.1", ", ".join(written))) == "10.0.0.1"
    assert PROXIES.peer_of(scope("10.0.0.1", *written)) == "10.0.0.1"


def test_the_last_entry_that_is_looked_at_still_names_the_peer() -> None:
    chain = ["198.51.100.1", *["10.2.2.2"] * (MOST_ENTRIES - 1)]
    assert PROXIES.peer_of(scope("10.0.0.1", ",".join(chain))) == "198.51.100.1"
    assert PROXIES.peer_of(scope("10.0.0.1", *chain)) == "198.51.100.1"
