"""Whether the address of a destination is the bridge's own: what it delivers there would come in again, without end."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  compared, not bound
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Listener:
    """Host and port that the bridge listens on, and the base of its public address, where one is set."""

    host: str
    port: int
    public_url: str | None = None


def points_to(url: str, listener: Listener) -> bool:
    """Whether a URL leads to that listener, or to its public address; names are compared and never looked up."""
    try:
        host, port = _host_and_port(url)
        public = _host_and_port(listener.public_url) if listener.public_url else None
    except ValueError:
        return False
    if public == (host, port):
        return True
    if port != listener.port:
        return False
    if host == listener.host.lower():
        return True
    local = _is_loopback(host) or host == socket.gethostname().lower()
    return local and (listener.host in _EVERYWHERE or _is_loopback(listener.host))


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
