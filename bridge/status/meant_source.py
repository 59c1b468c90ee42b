"""Which source a path means that is none's: a typo, a proxy's prefix, a trailing slash, a missing `/webhooks`. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from bridge.core.suggestions import nearest_word

HOOKS = "webhooks"
"""The first part of a source's path."""
MOST_PARTS = 5
_PART = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NEAR = 0.75


def find_meant_source(path: str, names: Collection[str]) -> str | None:
    """The source that a path probably means; None for a path that resembles none's.

    A path with anything behind the source's name means none: it may hold a secret, and it would be shown.
    """
    parts = [part for part in path.split("/") if part]
    if not 0 < len(parts) <= MOST_PARTS or not all(map(_PART.fullmatch, parts)):
        return None
    name = parts[-1].lower()
    if len(parts) > 1 and nearest_word(parts[-2].lower(), [HOOKS], cutoff=_NEAR):
        return name if name in names else nearest_word(name, names, cutoff=_NEAR)
    return name if name in names else None


def path_problem(path: str, source: str) -> str:
    """What is wrong with a path that means a source, in a few words."""
    right = f"/{HOOKS}/{source}"
    if path == right:
        return "lacks the prefix that BRIDGE_PREFIX says"
    if path.rstrip("/") == right:
        return "has a slash at its end"
    if path.rstrip("/").endswith(right):
        return f"has the prefix {path.rstrip('/').removesuffix(right)}, which a proxy should take off"
    return "is not that of any source"
