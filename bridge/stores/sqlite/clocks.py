"""The newest time that was seen, by which a clock that was set back is found out, and what waits is moved with it.

Without that, whatever waits would wait longer by as much as the clock was set back. A minute's difference is left
alone: two processes read the clock at two moments. Not concerned with a clock that jumps ahead: what is under way
then is due once, early.
"""

from __future__ import annotations

import sqlite3

BACK_MS = 60_000
"""How far back a clock must be to have been set back."""
STEP_MS = 10_000
"""The newest time is written down this seldom, where nothing else is written."""

_MOVES = (
    "UPDATE deliveries SET due = due - :by WHERE state = 'pending' AND due > :at",
    "UPDATE deliveries SET first_attempt_at = first_attempt_at - :by WHERE state = 'pending' AND first_attempt_at > :at",
    "UPDATE webhooks SET due = due - :by WHERE state = 'received' AND due > :at",
    "UPDATE claims SET until = until - :by WHERE until > :at",
    "UPDATE standings SET probe_at = probe_at - :by WHERE probe_at > :at",
    "UPDATE standings SET paused_at = paused_at - :by WHERE paused_at > :at",
    "UPDATE standings SET last_claim_at = NULL WHERE last_claim_at > :at",
)


def seen(db: sqlite3.Connection, at: int) -> None:
    """It is now `at`, in milliseconds: see whether the clock was set back since."""
    found = db.execute("SELECT at FROM probes").fetchone()
    newest = found[0] if found else at - STEP_MS
    if at < newest - BACK_MS:
        for move in _MOVES:
            db.execute(move, {"by": newest - at, "at": at})
    elif at < newest + STEP_MS:
        return
    db.execute("INSERT OR REPLACE INTO probes VALUES (1, ?)", (at,))


def is_new(db: sqlite3.Connection, at: int) -> bool:
    """Whether `seen` would write something."""
    found = db.execute("SELECT at FROM probes").fetchone()
    return found is None or not found[0] - BACK_MS <= at < found[0] + STEP_MS


def proven(db: sqlite3.Connection, at: int) -> None:
    """The same, and a write in any case."""
    seen(db, at)
    db.execute("INSERT OR REPLACE INTO probes VALUES (1, ?)", (at,))
