"""A key in a file beside the store, for its owner alone; made once, where no setting gives one."""

from __future__ import annotations

import hashlib
import re
import secrets
from contextlib import suppress
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.core.regular_file import make_file_once, read_regular_file
from bridge.http.api_keys import SHORTEST_KEY

KEY_TEXT = re.compile(rb"[!-~]{%d,1024}" % SHORTEST_KEY)
"""What can be a key."""


def key_file_digest(path: Path, *, what: str, setting: str) -> bytes:
    """Returns the SHA-256 of the key in a file; makes one of 32 random bytes if there is none.

    Raises SettingsError that names the file if it cannot be read or made, or holds no key; `what` is what the key is
    called, `setting` gives it instead.
    """
    try:
        with suppress(FileExistsError):
            make_file_once(path, secrets.token_urlsafe(32) + "\n")
        content = read_regular_file(path).strip()
    except OSError as error:
        raise SettingsError(
            f"{path}: the {what} cannot be kept here: {error.strerror}; make the folder writable, or set {setting}"
        ) from None
    if not KEY_TEXT.fullmatch(content):
        raise SettingsError(f"{path}: holds no {what}; delete the file, and the next start makes a new one")
    return hashlib.sha256(content).digest()
