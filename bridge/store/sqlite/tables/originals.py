"""Reads the event that another one repeats. What follows from it is in `bridge.store.rules.originals`."""

from __future__ import annotations

import sqlite3

from bridge.core.model import Event
from bridge.store.rules.originals import OriginalEvent, purged_original_id

_ORIGINAL = """
    SELECT id, value, currency, origin, mapping, rank, duplicate_of FROM events WHERE number = :number
    UNION ALL SELECT 'gone:' || number, value, currency, origin, mapping, rank, duplicate_of
    FROM purged_events WHERE number = :number
"""


def read_original(db: sqlite3.Connection, number: int, event: Event) -> OriginalEvent:
    """The event with this number; of one that an older version purged, what its duplicate `event` says."""
    row = db.execute(_ORIGINAL, {"number": number}).fetchone()
    if row is None:
        return OriginalEvent(number, purged_original_id(number), event.value, event.currency, event.origin)
    return OriginalEvent(number, *row)
