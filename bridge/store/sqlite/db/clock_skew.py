"""What the store does about a clock that was set back, and about one that is far ahead.

Set back: the store knows the newest time that it has seen. Waits and leases are moved back with the clock, or they
would take longer by as much. A difference of a minute is ignored: two processes read the clock at two moments. What
writes a wait or a lease records its reading in the same transaction: it may have read the clock before it was set back,
and then the next reading moves its waits, too.

Far ahead: a clock more than a day beyond the last believed time is not believed until an hour of monotonic time has
passed with it. Until then every age is measured by the last believed time, so nothing is purged, given up or expired;
everything else uses the clock as it is. The hour is kept in the store: all processes, also after a restart, add the
time that each saw pass to one sum, none of it twice. A clock that is corrected is believed at once, also when it is far
behind: an age that is measured too young deletes nothing.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core import log
from bridge.store.codec.columns import from_ms, from_ms_length, to_ms, to_ms_up
from bridge.store.views import ClockAhead

BACK_MS = 60_000
"""A clock counts as set back if it is more than this much behind the newest time."""
STEP_MS = 10_000
"""How far the clock must advance before the newest time is written again."""
AHEAD_MS = 24 * 3600 * 1000
"""A clock is believed at once up to this much after the last believed time."""
TRIAL = timedelta(hours=1)
"""How much monotonic time must pass until a clock beyond that is believed."""

_MOVES = (
    "UPDATE deliveries SET due = due - :by WHERE state = 'pending' AND due > :at",
    (
        "UPDATE deliveries SET first_attempt_at = first_attempt_at - :by WHERE state = 'pending' AND "
        "first_attempt_at > :at"
    ),
    "UPDATE webhooks SET due = due - :by WHERE state = 'received' AND due > :at",
    "UPDATE webhooks SET waits_until = waits_until - :by WHERE state = 'received' AND waits_until > :at",
    "UPDATE deferred SET at = at - :by WHERE at > :at",
    "UPDATE claims SET until = until - :by WHERE until > :at",
    "UPDATE standings SET probe_at = probe_at - :by, version = version + 1 WHERE probe_at > :at",
    "UPDATE standings SET paused_at = paused_at - :by, version = version + 1 WHERE paused_at > :at",
    "UPDATE standings SET held_until = held_until - :by, version = version + 1 WHERE held_until > :at",
    "UPDATE standings SET last_claim_at = NULL WHERE last_claim_at > :at",
)


@dataclass(frozen=True, slots=True)
class _KnownClock:
    """The store's record of clocks: the newest time seen, the last believed, and how much of the trial has passed."""

    newest: int
    believed: int
    passed: int = 0

    def is_doubted(self, at: int) -> bool:
        return at > self.believed + AHEAD_MS

    def is_new(self, at: int) -> bool:
        """Whether a reading is to be recorded."""
        return not self.newest - BACK_MS <= at < self.newest + STEP_MS


class ClockReadings:
    """The readings of one process; `ticks` are seconds of a clock that never goes back.

    A clock far ahead is believed after `trial`; with none, as tests on made-up time have it, at once.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic, *, trial: timedelta = TRIAL) -> None:
        self._ticks = ticks
        self._trial = to_ms_up(trial)
        self._last: tuple[int, float] | None = None

    def record_reading(self, db: sqlite3.Connection, now: datetime, *, always: bool = False) -> datetime:
        """Record the reading `now`; returns the trusted time, which is used for ages.

        It writes only if `now` is new, or with `always`.
        """
        at, tick = to_ms(now), self._ticks() * 1000
        known = _read_known(db) or _KnownClock(at - STEP_MS, at)
        if self._last is None:
            self._last = at, tick
        if not always and not known.is_new(at):
            return from_ms(known.believed) if known.is_doubted(at) else now
        if at < known.newest - BACK_MS:
            _set_back(db, known, at)
        after = self._judge_clock(known, at, tick)
        self._last = at, tick
        db.execute(
            "INSERT OR REPLACE INTO probes (one, at, believed, passed) VALUES (1, ?, ?, ?)",
            (after.newest, after.believed, after.passed),
        )
        if known.is_doubted(known.newest) != after.is_doubted(at):
            _log_change(known, after, now)
        return from_ms(after.believed) if after.is_doubted(at) else now

    def trusted_time(self, db: sqlite3.Connection, now: datetime) -> datetime:
        """Returns the trusted time for `now`, which may be a while ago, by the earlier readings. It writes nothing."""
        known = _read_known(db)
        return from_ms(known.believed) if self._trial and known is not None and known.is_doubted(to_ms(now)) else now

    def _judge_clock(self, known: _KnownClock, at: int, tick: float) -> _KnownClock:
        if not known.is_doubted(at):
            return _KnownClock(at, at)
        passed = self._trial_progress(known, at, tick)
        return _KnownClock(at, at) if passed >= self._trial else _KnownClock(at, known.believed, passed)

    def _trial_progress(self, known: _KnownClock, at: int, tick: float) -> int:
        """Returns how much of the trial has passed: none if the clock has jumped since the newest reading."""
        before = known.passed if known.newest - BACK_MS <= at <= known.newest + AHEAD_MS else 0
        last, then = self._last or (at, tick)
        if abs((at - last) - (tick - then)) > BACK_MS:
            return before
        return before + max(0, at - max(last, known.newest))


def is_worth_noting(db: sqlite3.Connection, now: datetime) -> bool:
    """Whether `record_reading` would write."""
    known = _read_known(db)
    return known is None or known.is_new(to_ms(now))


def clock_ahead(db: sqlite3.Connection, now: datetime) -> ClockAhead | None:
    """Returns what `status` says of a clock that is far ahead; None if it is not, or no process has recorded it yet."""
    known = _read_known(db)
    if known is None or not known.is_doubted(to_ms(now)) or not known.is_doubted(known.newest):
        return None
    return ClockAhead(from_ms(known.believed), now + TRIAL - from_ms_length(known.passed))


def _read_known(db: sqlite3.Connection) -> _KnownClock | None:
    found = db.execute("SELECT at, believed, passed FROM probes WHERE one = 1").fetchone()
    return _KnownClock(*found) if found else None


def _set_back(db: sqlite3.Connection, known: _KnownClock, at: int) -> None:
    """Move waits and leases back with the clock. If it was not believed before, move only times that it gave."""
    since = max(at, known.believed + AHEAD_MS) if known.is_doubted(known.newest) else at
    for move in _MOVES:
        db.execute(move, {"by": known.newest - at, "at": since})


def _log_change(before: _KnownClock, after: _KnownClock, now: datetime) -> None:
    """Log that a clock is far ahead, or that it is believed. The store has the state, so each is logged once."""
    newest = from_ms(before.believed).isoformat(timespec="seconds")
    if after.is_doubted(after.newest):
        log.log_warning(
            "clock.ahead", says=now.isoformat(timespec="seconds"), newest=newest,
            believed_from=(now + TRIAL - from_ms_length(after.passed)).isoformat(timespec="seconds"),
            meanwhile="nothing is purged, given up or expired",
        )  # fmt: skip
    else:
        log.log_line("clock.believed", says=now.isoformat(timespec="seconds"), newest=newest)
