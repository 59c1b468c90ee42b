"""PostgreSQL's errors in words for the caller and for the person who has to fix them.

Errors of our own (a broken constraint, a statement that the server does not understand) stay what they are.
"""

from __future__ import annotations

from datetime import timedelta

import psycopg

from bridge.core.errors import StoreUnavailable

_SHORTLY = timedelta(seconds=1)
_LATER = timedelta(seconds=30)
MOST_SAID = 200
"""Characters of what libpq says of a connection that failed: host and user, never a password."""
PASSING = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock timeout: the same transaction may succeed when it is tried again.

https://www.postgresql.org/docs/18/errcodes-appendix.html
"""
_MOVED = frozenset({"25006", "57P01", "57P02", "57P03", "57P05"})
"""Read only since the primary has moved, and the server ends, has crashed, or does not accept connections yet."""


def server_error(error: psycopg.Error, where: str) -> StoreUnavailable | None:
    """Returns the error with a text that names the store and the remedy; None for a fault of ours."""
    state = error.sqlstate or ""
    if state.startswith("53"):
        words = "has no room: its disk or memory is full, or it has too many connections; see the server's log"
        return _unavailable(error, where, words, wait=_LATER)
    if state.startswith(("28", "3D")):
        return _unavailable(error, where, "does not let this user in; see user, password and database", wait=_LATER)
    if state == "23514" and "no partition" in str(error):
        words = "has no partitions for today; `trackbridge serve` makes them three days ahead: its log says why not"
        return _unavailable(error, where, words, wait=_LATER)
    if state in PASSING or state == "57014":
        words = "took too long" if state == "57014" else "is held up by another transaction"
        return _unavailable(error, where, words, wait=_SHORTLY)
    if is_lost(error):
        said = next(iter(str(error).splitlines()), "")[:MOST_SAID]
        return _unavailable(error, where, f"is not reachable, and is tried again: {said}", wait=_SHORTLY)
    return None


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection must be made anew: it is gone, or its server takes no writes any more.

    Without a state, psycopg itself says so: also of answers that do not belong to what was asked, as pgbouncer's where
    it has lost its server.
    """
    state = error.sqlstate or ""
    is_own = isinstance(error, psycopg.OperationalError | psycopg.InternalError)
    return state in _MOVED or state.startswith("08") or (not state and is_own)


def _unavailable(error: psycopg.Error, where: str, words: str, *, wait: timedelta) -> StoreUnavailable:
    named = f" ({error.sqlstate})" if error.sqlstate else ""
    return StoreUnavailable(f"the store {where} {words}{named}", retry_after=wait)
