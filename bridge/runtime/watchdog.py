"""Finds processes that hang: they gave no heartbeat for long, although only they themselves kept them from it.

Silence counts only while the supervisor is awake, so that nothing is killed after a laptop or a virtual machine was
suspended. It does not count while a process waits for a processor or the disk: on a loaded machine it would be as slow
after a restart. A process that is stopped, waits for a lock for ever or loops in Python does neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SILENCE = 30.0
"""Seconds of silence after which a process hangs; a healthy one gives a heartbeat each second."""
STARTING = 10
"""The first heartbeat may take STARTING times SILENCE seconds: opening a store after a crash reads its log."""
UNKNOWN = 10
"""A process may be silent for UNKNOWN times SILENCE seconds if the system does not say what it waits for."""
CHECKS = 6
"""How often `is_hung` is asked within SILENCE seconds."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ProcessWaits:
    """Seconds that a process's threads have waited for a processor, and whether one waits for a disk."""

    for_processor: float
    for_disk: bool


def read_waits(pid: int) -> ProcessWaits | None:
    """Returns what Linux reports of a process and its threads; None if it reports nothing.

    Run-queue delay: https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    """
    delay, slices, for_disk = 0, 0, False
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError, ValueError, IndexError):  # that thread has ended
                _, waited, count = map(int, (task / "schedstat").read_text().split())
                delay, slices = delay + waited, slices + count
                for_disk |= (task / "stat").read_text().rpartition(")")[2].split()[0] == "D"
    return ProcessWaits(delay / _NS, for_disk) if slices else None


@dataclass(slots=True)
class _WatchedProcess:
    pid: int
    beat: int
    looked_at: float
    waits: ProcessWaits | None = None
    has_beaten: bool = False
    silent_for: float = 0.0


class Watchdog:
    """`beat` gives a process's heartbeat by its name: a number that changes.

    Ask `is_hung` every `every` seconds at least.
    """

    def __init__(
        self,
        beat: Callable[[str], int],
        *,
        silence: float = SILENCE,
        ticks: Callable[[], float] = time.monotonic,
        waits: Callable[[int], ProcessWaits | None] = read_waits,
    ) -> None:
        self.silence = silence
        self.every = silence / CHECKS
        self._beat = beat
        self._ticks = ticks
        self._waits = waits
        self._watched: dict[str, _WatchedProcess] = {}

    def is_hung(self, name: str, pid: int) -> bool:
        """Whether the process has been silent for too long."""
        now, beat = self._ticks(), self._beat(name)
        one = self._watched.get(name)
        if one is None or one.pid != pid:
            self._watched[name] = _WatchedProcess(pid, beat, now)
            return False
        if beat != one.beat:
            self._watched[name] = _WatchedProcess(pid, beat, now, has_beaten=True)
            return False
        passed = min(now - one.looked_at, self.every)  # where it was longer, this process was asleep itself
        before, one.waits = one.waits, self._waits(pid)
        one.silent_for += _own_time(passed, before, one.waits)
        one.looked_at = now
        return one.silent_for >= self.silence * (1 if one.has_beaten else STARTING)


def _own_time(passed: float, before: ProcessWaits | None, after: ProcessWaits | None) -> float:
    """Returns how much of the time that passed a process did not wait for a processor or a disk."""
    if after is None:
        return passed / UNKNOWN
    if before is None or after.for_disk:
        return 0.0
    return max(0.0, passed - max(0.0, after.for_processor - before.for_processor))
