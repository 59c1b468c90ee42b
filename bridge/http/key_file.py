"""A key in a file beside the store, for its owner alone; made once, where no setting gives one."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.core.regular_file import read_regular_file
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
            _make_key_file(path)
        content = read_regular_file(path).strip()
    except OSError as error:
        raise SettingsError(
            f"{path}: the {what} cannot be kept here: {error.strerror}; make the folder writable, or set {setting}"
        ) from None
    if not KEY_TEXT.fullmatch(content):
        raise SettingsError(f"{path}: holds no {what}; delete the file, and the next start makes a new one")
    return hashlib.sha256(content).digest()


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
