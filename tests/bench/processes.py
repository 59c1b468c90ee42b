"""What a process and all its children take: memory and CPU, as Linux counts them. Not concerned with whose they are."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

_LISTENS = "0A"
"""A listening socket's state in /proc/net/tcp."""
_TICK = os.sysconf("SC_CLK_TCK")


def process_tree(pid: int) -> list[int]:
    """A process and all that came of it, parents first."""
    found = [pid]
    for one in found:
        for task in _listed(Path(f"/proc/{one}/task")):
            with suppress(OSError):  # it has ended
                found.extend(int(child) for child in (task / "children").read_text().split())
    return found


def _listed(folder: Path) -> list[Path]:
    """What is in a folder; nothing where its process has ended, also meanwhile."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def memory(pid: int) -> float:
    """Megabytes (of 1,000,000 bytes) of all its processes: what pages it shares with others count in proportion (PSS)."""
    return memory_of(process_tree(pid))


def memory_of(pids: Iterable[int]) -> float:
    """The same of these processes."""
    kib = 0
    for one in pids:
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{one}/smaps_rollup").read_text(), re.MULTILINE)
        kib += int(found[1]) if found else 0
    return kib * 1024 / 1e6


def web_processes(pid: int, port: int) -> list[int]:
    """Those of its processes that answer on a port: all that hold its listening socket but the parent."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[3] == _LISTENS:
            held = f"socket:[{fields[9]}]"
            return [one for one in process_tree(pid)[1:] if held in _open_files(one)]
    return []


def _open_files(pid: int) -> set[str]:
    """What a process has open; not what it closes meanwhile, and nothing of one that has ended."""
    found = set[str]()
    with suppress(FileNotFoundError):
        for one in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.add(str(one.readlink()))
    return found


class Peak:
    """The most memory that processes take while it is entered, and by how much that is more than at the beginning."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.before = self.most = memory_of(self._pids)

    @property
    def growth(self) -> float:
        """Megabytes, as `memory` counts them."""
        return self.most - self.before

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.most = max(self.most, memory_of(self._pids))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU that all its processes have used so far, in and out of the kernel."""
    ticks = 0
    for one in process_tree(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICK
