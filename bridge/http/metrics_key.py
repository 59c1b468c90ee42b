"""The key for `/metrics` and the details of `/readyz`; it is valid nowhere else.

Only its SHA-256 is kept in memory. Where no setting gives one, it is made once, in a file beside the store.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.core.regular_file import read_regular_file
from bridge.http.api_keys import SHORTEST_KEY, read_digest

_KEY = re.compile(rb"[!-~]{%d,1024}" % SHORTEST_KEY)
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
    if not _KEY.fullmatch(text.encode()):
        raise SettingsError(
            f"BRIDGE_METRICS_KEY must have {SHORTEST_KEY} characters or more, without blanks; `openssl rand -hex "
            "24` makes one"
        )
    return MetricsKey(read_digest(text, what="BRIDGE_METRICS_KEY"))


def key_file(store: Path) -> Path:
    """Returns the file that has the key of a store if no setting gives one."""
    return store.with_name(store.name + _SUFFIX)


def keep_beside(store: Path) -> MetricsKey:
    """Returns the key in the file beside the store; makes one if there is none: 32 random bytes, for the owner alone.

    Raises SettingsError that names the file if it cannot be read or made, or holds no key.
    """
    path = key_file(store)
    try:
        with suppress(FileExistsError):
            _make_key_file(path)
        content = read_regular_file(path).strip()
    except OSError as error:
        raise SettingsError(
            f"{path}: the metrics key cannot be kept here: {error.strerror}; make the folder writable, or set "
            "BRIDGE_METRICS_KEY"
        ) from None
    if not _KEY.fullmatch(content):
        raise SettingsError(f"{path}: holds no metrics key; delete the file, and the next start makes a new one")
    return MetricsKey(hashlib.sha256(content).digest())


def _make_key_file(path: Path) -> None:
    """Write a new key. Raises FileExistsError if there is one; a start that was cut off leaves none behind.

    It gets its name when it is whole: two processes that start at once agree on the first.
    """
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "w") as writing:
            writing.write(secrets.token_urlsafe(32) + "\n")
            writing.flush()
            os.fsync(writing.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()
