"""The lowest priority that the system has, for processes for which nothing else may ever wait."""

from __future__ import annotations

import os
from contextlib import suppress


def take_lowest_priority() -> None:
    """Yield to every other process from now on; where that is refused, as far as it is allowed.

    On Linux by SCHED_IDLE (`man 7 sched`): any other process that wakes up takes the core at once, and a core that runs
    nothing else counts as idle. With the nice value 19 alone it may run on for its slice, which a webhook would wait.
    """
    with suppress(OSError):
        os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
