"""Who may open the web console: keys with a name and a role, of which only the SHA-256 is known. Pure.

The settings read them also where the console is off, so they are no part of it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from bridge.core.errors import SettingsError
from bridge.http.api_keys import read_digest
from bridge.http.key_file import KEY_TEXT, key_file_digest

SETTING = "BRIDGE_CONSOLE_KEYS"
SHORTEST = 20
"""Characters that a key has at least: it can be guessed at over the network, though slowly."""
Role = Literal["look", "change"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SUFFIX = "-console-key"


@dataclass(frozen=True, slots=True)
class ConsoleKey:
    """A person who may open the console: `look` reads, `change` may do all that the console can."""

    name: str
    role: Role
    digest: bytes

    @property
    def may_change(self) -> bool:
        """Whether this person may change anything."""
        return self.role == "change"


def console_key_file(store: Path) -> Path:
    """Returns the file that has the console's key if no setting gives any."""
    return store.with_name(store.name + _SUFFIX)


def keep_console_key(store: Path) -> ConsoleKey:
    """The key in the file beside the store, which may change everything; makes one if there is none.

    Raises SettingsError that names the file if it cannot be read or made.
    """
    digest = key_file_digest(console_key_file(store), what="console key", setting=SETTING)
    return ConsoleKey("owner", "change", digest)


def read_console_keys(text: str) -> tuple[ConsoleKey, ...]:
    """The keys of `NAME:ROLE:KEY, …`; a key is itself, or `sha256:` and its SHA-256. Raises SettingsError, no value."""
    keys: list[ConsoleKey] = []
    for place, entry in enumerate(text.split(","), start=1):
        what = f"{SETTING}: entry {place}"
        name, _, rest = entry.strip().partition(":")
        role, _, key = rest.partition(":")
        if not _NAME.fullmatch(name) or role not in {"look", "change"} or not key:
            raise SettingsError(f"{what} must be NAME:look:KEY or NAME:change:KEY")
        if not KEY_TEXT.fullmatch(key.encode()) or len(key) < SHORTEST:
            raise SettingsError(
                f"{what}: a key must have {SHORTEST} characters or more, without blanks; `openssl rand -hex 24` makes "
                "one"
            )
        keys.append(ConsoleKey(name, cast("Role", role), read_digest(key, what=what)))
    for at, one in enumerate(keys):
        if any(other.name == one.name or other.digest == one.digest for other in keys[:at]):
            raise SettingsError(f"{SETTING}: entry {at + 1} has the name or the key of another; give each its own")
    return tuple(keys)


def find_key(keys: Sequence[ConsoleKey], digest: bytes) -> ConsoleKey | None:
    """The key with that digest. Takes as long for a wrong one as for a right one."""
    found = None
    for one in keys:
        if hmac.compare_digest(one.digest, digest):
            found = one
    return found


def console_key_digest(typed: str) -> bytes:
    """The SHA-256 of what was typed."""
    return hashlib.sha256(typed.strip().encode("utf-8", "surrogatepass")).digest()
