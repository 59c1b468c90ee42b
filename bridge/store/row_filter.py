"""Which rows a list shows, or a verb by hand changes; and one page of a list. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class RowFilter:
    """The rows of a list, or of a verb by hand. None means any; `limit` None means all.

    `before` and `after` are cursors: the public id of a row, or a cursor of a `RowPage`. They mean the rows that were
    made before, or after, that one, which is left out itself.
    """

    ids: tuple[str, ...] | None = None
    state: str | None = None
    source: str | None = None
    destination: str | None = None
    reason: str | None = None
    since: datetime | None = None
    limit: int | None = None
    before: str | None = None
    after: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class RowPage(Generic[R]):
    """One page of a list, newest first, and how far the search looked.

    `older` is the cursor at which the next page begins, None if nothing older is kept; `newest` that of the newest row
    there is, None if there is none: rows after it are new. `looked` counts the rows that were looked at, the oldest
    of which is of `back_to`. Whoever asks again with `after` misses no row: numbers are given in the order of commits.
    """

    rows: tuple[R, ...]
    older: str | None
    newest: str | None
    looked: int
    back_to: datetime | None
