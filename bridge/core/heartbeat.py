"""When a loop last ended a round, and when it last ended one that succeeded.

A round with nothing to do succeeds. Times are seconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

Ticks = Callable[[], float]


class Heartbeat:
    """The rounds of one loop: `succeeded_at` is None until one has succeeded.

    `ended_at` starts as the time of creation.
    """

    def __init__(self, ticks: Ticks = time.monotonic) -> None:
        self._ticks = ticks
        self._is_failing = False
        self.succeeded_at: float | None = None
        self.ended_at = ticks()

    def record_success(self) -> None:
        """A round did what it had to do."""
        self._is_failing = False
        self.succeeded_at = self.ended_at = self._ticks()

    def record_failure(self) -> None:
        """A round did not."""
        self._is_failing = True
        self.ended_at = self._ticks()

    def record_wait(self) -> None:
        """A round that only waited: the result of the round before it still holds."""
        if self._is_failing:
            self.record_failure()
        else:
            self.record_success()


def oldest_success(each: Iterable[Heartbeat], *, otherwise: float) -> float:
    """The time of the oldest last success among several loops; `otherwise` replaces a loop that has had none yet."""
    return min(otherwise if one.succeeded_at is None else one.succeeded_at for one in each)
