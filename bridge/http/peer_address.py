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


class TrustedProxies:
    """The networks whose `X-Forwarded-For` is believed."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def peer_of(self, scope: Scope) -> str | None:
        """The name of the peer that sent a request of HTTP: an IPv4 address, or an IPv6 network of 64 bits.

        Behind trusted proxies it is the last address in `X-Forwarded-For` that is none of theirs; the entries before
        it was written by the peer. An entry that is no address makes the proxy that wrote it the peer. None for a
        trusted proxy that passes on no address, and where the connection has none, as over a Unix socket.
        """
        client = scope.get("client")
        address = _parse_address(client[0]) if client else None
        if address is None or not self._is_trusted(address):
            return None if address is None else _address_name(address)
        for entry in reversed(_forwarded_entries(scope)):
            named = _parse_address(entry)
            if named is None:
                return _address_name(address)
            if not self._is_trusted(named):
                return _address_name(named)
            address = named
        return None

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _forwarded_entries(scope: Scope) -> list[str]:
    """The entries of all `X-Forwarded-For` headers in order."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [entry.strip() for value in values for entry in value.split(",") if entry.strip()]


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
