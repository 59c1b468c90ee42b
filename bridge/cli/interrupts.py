"""Ctrl-C is never lost: one that Python drops is raised again.

Where the signal arrives while Python runs a callback of its own (a weak reference's, a finalizer's, the garbage
collector's), KeyboardInterrupt cannot go anywhere, and Python only prints it:
https://docs.python.org/3/library/sys.html#sys.unraisablehook.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN_AFTER = 0.05
"""Seconds after which it is raised again: by then the callback is over."""


@contextmanager
def keep_interrupts() -> Iterator[None]:
    """Raise an interrupt again that was dropped in a callback. To be entered in the main thread."""
    report = sys.unraisablehook

    def report_or_raise_again(dropped: sys.UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_AFTER)
        else:
            report(dropped)

    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.unraisablehook = report_or_raise_again
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = report
        signal.signal(signal.SIGALRM, before)
