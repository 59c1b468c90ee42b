"""The key for `/metrics` and the details of `/readyz`; it is valid nowhere else.

Only its SHA-256 is kept in memory. Where no setting gives one, it is made once, in a file beside the store.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.http.api_keys import SHORTEST_KEY, read_digest
from bridge.http.key_file import KEY_TEXT, key_file_digest

_SUFFIX = "-metrics-key"


@dataclass(frozen=True, slots=True)
class MetricsKey:
    """A key of which only the digest is known."""

    digest: bytes

    def matches_header(self, authorization: str | None) -> bool:
        """Whether an `Authorization` header carries the key as a Bearer token (RFC 6750)."""
        scheme, _, token = (authorization or "").partition(" ")
        shown = hashlib.sha256(token.strip().encode()).digest()
        return hmac.compare_digest(shown, self.digest) and scheme.lower() == "bearer"


def read_setting(text: str) -> MetricsKey:
    """The key of `BRIDGE_METRICS_KEY`: itself, or `sha256:` and the 64 hexadecimal digits of its SHA-256.

    Raises SettingsError, without the value.
    """
    if not KEY_TEXT.fullmatch(text.encode()):
        raise SettingsError(
            f"BRIDGE_METRICS_KEY must have {SHORTEST_KEY} characters or more, without blanks; `openssl rand -hex "
            "24` makes one"
        )
    return MetricsKey(read_digest(text, what="BRIDGE_METRICS_KEY"))


def key_file(store: Path) -> Path:
    """Returns the file that has the key of a store if no setting gives one."""
    return store.with_name(store.name + _SUFFIX)


def keep_beside(store: Path) -> MetricsKey:
    """Returns the key in the file beside the store; makes one if there is none.

    Raises SettingsError that names the file if it cannot be read or made, or holds no key.
    """
    return MetricsKey(key_file_digest(key_file(store), what="metrics key", setting="BRIDGE_METRICS_KEY"))
