"""Where the bridge listens, and the addresses at which others reach it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from bridge.core.errors import SettingsError

LAST_PORT = 65535
HOST, PORT = "127.0.0.1", 8000
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Host and port to listen on; the `prefix` of every path, empty for none; the base address that others use."""

    host: str = HOST
    port: int = PORT
    prefix: str = ""
    public_url: str | None = None

    def public_base(self, listening: str) -> str:
        """What the paths of the API follow, such as `https://shop.example/bridge`.

        `listening` is the address of the listener, for a bridge without a public address.
        """
        base = self.public_url or listening
        return base if base.endswith(self.prefix) else f"{base}{self.prefix}"

    def source_url(self, source: str) -> str | None:
        """The public address of a source; None where no public address was set."""
        return f"{self.public_base('')}/webhooks/{source}" if self.public_url else None


DEFAULT_ADDRESSES = Addresses()
"""The default addresses."""


def read_addresses(environment: Mapping[str, str]) -> Addresses:
    """The addresses that are set. Raises SettingsError."""
    return Addresses(
        host=environment.get("BRIDGE_HOST", "").strip() or HOST,
        port=_read_port(environment.get("BRIDGE_PORT", "").strip()),
        prefix=_read_prefix(environment.get("BRIDGE_PREFIX", "").strip()),
        public_url=_read_public_url(environment.get("BRIDGE_PUBLIC_URL", "").strip()),
    )


def _read_port(text: str) -> int:
    if not text:
        return PORT
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > LAST_PORT:
        raise SettingsError(f"BRIDGE_PORT must be a port such as {PORT}, at most {LAST_PORT}")
    return int(text)


def _read_prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise SettingsError("BRIDGE_PREFIX must be a path such as /bridge, of letters, digits, `.`, `_`, `~` and `-`")
    return prefix


def _read_public_url(text: str) -> str | None:
    """No message repeats the address: a password may be in it."""
    if not text:
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or "@" in text or parts.query or parts.fragment:
        raise SettingsError(
            "BRIDGE_PUBLIC_URL must be the address at which providers reach the bridge, such as https://shop.example, "
            "without a user and a query"
        )
    return text.rstrip("/")
