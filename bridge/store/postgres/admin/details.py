"""What `status` shows beside counts and summary, read in one snapshot."""

from __future__ import annotations

from typing import Any

import psycopg

from bridge.store.postgres.admin import recent_outcomes
from bridge.store.postgres.tables import actions, destinations, doubles, heartbeats, recall_waits, refusals
from bridge.store.status_views import StatusDetails


def read_details(db: psycopg.Connection[Any], *, by_caller: bool) -> StatusDetails:
    """All of it; `by_caller` is whether time is the callers'."""
    return StatusDetails(
        refused=refusals.read_refused(db),
        processes=heartbeats.read_heartbeats(db, by_caller=by_caller),
        privacy_requests=actions.open_privacy_requests(db),
        recent=recent_outcomes.read_recent(db),
        checks=destinations.read_checks(db),
        waiting=recall_waits.read_waiting(db),
        doubted=doubles.newest_doubted(db),
    )
