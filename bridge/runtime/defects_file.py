"""A file beside the store that says which mappings of the running worker have errors, for `trackbridge status`.

Where none has, there is no file. It is worth something only while a worker runs.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bridge.core import log
from bridge.core.json_text import write_json


def defects_file(store: Path) -> Path:
    """Where it is kept for the store in that file."""
    return store.with_name(f".{store.name}.mappings")


def write_defects(store: Path, defects: Mapping[str, str]) -> None:
    """Keep a sentence for each source whose mapping has errors. A disk that refuses is logged, and nothing stops."""
    path = defects_file(store)
    try:
        if not defects:
            path.unlink(missing_ok=True)
            return
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        draft.write_bytes(write_json(dict(defects)))
        draft.replace(path)
    except OSError as error:
        log.log_warning("mapping.unpublished", why=f"{path.name}: {error.strerror}; `status` may say something older")


def read_defects(store: Path) -> dict[str, str]:
    """What was written last, by source; nothing where there is no file, or one that cannot be read."""
    try:
        return msgspec.json.decode(defects_file(store).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}
