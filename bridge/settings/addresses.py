"""Where the bridge listens, and the addresses at which others reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.settings.table import HOST, PORT, PREFIX, PUBLIC_URL


@dataclass(frozen=True, slots=True)
class Addresses:
    """Host and port to listen on; the `prefix` of every path, empty for none; the base address that others use."""

    host: str = HOST.default
    port: int = PORT.read({})
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
        host=HOST.read(environment),
        port=PORT.read(environment),
        prefix=PREFIX.read(environment),
        public_url=PUBLIC_URL.read(environment),
    )
