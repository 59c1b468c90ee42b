"""Who sent a request: the address of its connection or, behind trusted proxies, the address that they pass on.

Only `X-Forwarded-For` is read, which Caddy, nginx and HAProxy write; `Forwarded` (RFC 7239) is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
IPV6_HOST_BITS = 64
"""The bits of an IPv6 address that one customer chooses freely: https://www.rfc-editor.org/rfc/rfc6177."""
MOST_ENTRIES = 16
"""Entries of `X-Forwarded-For` that are looked at, from the last: far more than any chain of proxies. A header of 60 KB
holds up to 6,000 addresses, which take 20 to 40 ms to read; 16 of them take 0.2 ms at most."""


class TrustedProxies:
    """The networks whose `X-Forwarded-For` is believed."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def peer_of(self, scope: Scope) -> str | None:
        """The name of the peer that sent a request of HTTP: an IPv4 address, or an IPv6 network of 64 bits.

        Behind trusted proxies it is the last address in `X-Forwarded-For` that is none of theirs; the entries before
        it were written by the peer. An entry that is no address makes the proxy that wrote it the peer. None for a
        trusted proxy that passes on no address, and where the connection has none, as over a Unix socket.

        Only the last 16 entries are looked at. Where all of them are trusted proxies, the peer is the address of the
        connection: it has a share, and nothing that a header says chooses another one.
        """
        connection = _connection_address(scope)
        if connection is None or not self._is_trusted(connection):
            return None if connection is None else _address_name(connection)
        address, entries = connection, _last_entries(scope)
        for entry in filter(None, entries):
            named = _parse_address(entry)
            if named is None:
                return _address_name(address)
            if not self._is_trusted(named):
                return _address_name(named)
            address = named
        return _address_name(connection) if len(entries) == MOST_ENTRIES else None

    def trusts_connection(self, scope: Scope) -> bool:
        """Whether a request came from a trusted proxy."""
        connection = _connection_address(scope)
        return connection is not None and self._is_trusted(connection)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _connection_address(scope: Scope) -> Address | None:
    client = scope.get("client")
    return _parse_address(client[0]) if client else None


def _last_entries(scope: Scope) -> list[str]:
    """The last entries of all `X-Forwarded-For` headers, at most 16, the last one first; some may be blank."""
    found: list[str] = []
    for name, value in reversed(scope["headers"]):
        left = MOST_ENTRIES - len(found)
        if name == b"x-forwarded-for" and left:
            found += [entry.decode("latin-1").strip() for entry in reversed(value.rsplit(b",", left)[-left:])]
    return found


def _parse_address(text: str) -> Address | None:
    """The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; None for anything else.

    An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _address_name(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> IPV6_HOST_BITS << IPV6_HOST_BITS, 128 - IPV6_HOST_BITS)))
