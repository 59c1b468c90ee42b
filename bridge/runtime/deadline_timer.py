"""A deadline that is set again at every request, for the time limits of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class DeadlineTimer:
    """Calls `over` once `seconds` have passed since it was last set. `since` is when that was, None stops it.

    Its timer is made once for many settings: one for each would cost every request.
    """

    __slots__ = ("_loop", "_over", "_seconds", "_timer", "since")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, over: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._over = over
        self._timer: asyncio.TimerHandle | None = None
        self.since: float | None = None

    def restart(self) -> None:
        """Count from now on."""
        self.since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._check_deadline)

    def cancel(self) -> None:
        """Cancel the deadline, and release the callback."""
        self.since, self._over = None, _do_nothing
        if self._timer is not None:
            self._timer.cancel()

    def _check_deadline(self) -> None:
        self._timer = None
        if self.since is None:
            return
        left = self.since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_deadline)
        else:
            self._over()


def _do_nothing() -> None:
    """The callback of a timer that was cancelled."""
