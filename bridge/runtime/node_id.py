"""What tells a node from another one of the same host name: an id in a file beside its lock files, made once.

In one folder runs one `serve` at a time, or one of each role, so a folder is a node.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.core.regular_file import make_file_once, read_regular_file

_ID = re.compile(rb"[0-9a-f]{8}")


def node_id_file(store: Path) -> Path:
    """Where it is kept, given how the names of files beside the store begin."""
    return store.with_name(f".{store.name}.node")


def keep_node_id(store: Path) -> str:
    """The id of the node that runs in this folder; made where there is none. Raises SettingsError."""
    path = node_id_file(store)
    try:
        with suppress(FileExistsError):
            make_file_once(path, secrets.token_hex(4) + "\n")
        content = read_regular_file(path).strip()
    except OSError as error:
        raise SettingsError(
            f"{path}: the id of this node cannot be kept here: {error.strerror}; make the folder writable"
        ) from None
    if not _ID.fullmatch(content):
        raise SettingsError(f"{path}: holds no id of a node; delete the file, and the next start makes a new one")
    return content.decode()
