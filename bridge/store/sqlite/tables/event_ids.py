"""What only rows say of the ids of events: of one that was purged, and of those that earlier versions gave.

The rules about ids are in `bridge.store.rules.event_ids`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bridge.core import dedupe_keys
from bridge.core.model import Event
from bridge.store.rules.event_ids import other_ids_of
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables import ledger as recent


def after_purge(db: sqlite3.Connection, event: Event, number: int) -> str:
    """Returns the id of an event whose row was purged: the first that the ledger has under its number."""
    for name in (event.id, *other_ids_of(event)):
        key = dedupe_keys.upstream_id_key(name)
        entry = recent.find_keys(db, [key]).get(key)
        if entry is None:  # the ledger forgets it, too, or a former version kept it
            break
        if entry[0] == number:
            return name
    return event.id


def former_origins(db: sqlite3.Connection, ids: Sequence[str]) -> dict[str, set[str]]:
    """The origins that gave these ids to events of a former version, which kept ids apart by origin."""
    oldest = db.execute("SELECT given_id IS NULL FROM events ORDER BY number LIMIT 1").fetchone()
    if oldest is None or not oldest[0]:
        return {}
    origins: dict[str, set[str]] = {}
    for name, origin in bulk.select_keys(db, "SELECT id, origin FROM events WHERE given_id IS NULL AND id", ids):
        origins.setdefault(name, set()).add(origin)
    return origins
