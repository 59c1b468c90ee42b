"""What a process and all its children take: memory and CPU, as Linux counts them. Not concerned with whose they are."""

from __future__ import annotations

import os
import re
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all that came of it, parents first."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in task.read_text().split())
            except OSError:  # it has ended
                continue
    return found


def memory(pid: int) -> float:
    """Megabytes (of 1,000,000 bytes) of the family: what pages it shares with others count in proportion (PSS)."""
    kib = 0
    for one in family(pid):
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{one}/smaps_rollup").read_text(), re.MULTILINE)
        kib += int(found[1]) if found else 0
    return kib * 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU that the family has used so far, in and out of the kernel."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICK
