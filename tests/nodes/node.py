"""A node that is started again whenever it has ended, as a service manager does. Not concerned with who ends it."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from peers import Serving, serving
from processes import process_tree

LAUNCH = (sys.executable, str(Path(__file__).parent / "launch_node.py"))
PAUSE = 0.2
"""Seconds until one that has ended is started again."""


@dataclass
class Node:
    """`serve` in a folder of its own, under a host name of its own."""

    name: str
    folder: Path
    settings: Mapping[str, str]
    inside: Sequence[str] = ()
    program: Sequence[str] = LAUNCH
    starts: int = 0
    failed_starts: int = 0
    _now: Serving | None = None
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Run until `stop`."""
        self.folder.mkdir(exist_ok=True)
        self._thread = threading.Thread(target=self._keep_running, name=self.name)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if (now := self._now) is not None:
            now.process.terminate()
        assert self._thread
        self._thread.join()

    @property
    def url(self) -> str | None:
        """Where it listens; None while it does not run."""
        now = self._now
        return None if now is None or now.process.poll() is not None else now.url

    @property
    def newest_timeline(self) -> int:
        """Of a primary that it has seen."""
        found = (self.folder / "trackbridge.postgresql-timeline").read_text().split()
        return int(found[1]) if len(found) > 1 else 0

    @property
    def log(self) -> str:
        return (self.folder / "serve.log").read_text()

    def kill(self) -> bool:
        """All its processes, wherever they are."""
        if (now := self._now) is None:
            return False
        for number in (signal.SIGSTOP, signal.SIGKILL):
            self._signal_all(process_tree(now.process.pid), number)
        return True

    def kill_one(self, rng: random.Random) -> bool:
        """One of its processes, which its supervisor must start again."""
        return self._signal_one(rng, signal.SIGKILL) is not None

    def hold_one(self, rng: random.Random) -> int | None:
        """Freeze one of its processes; returns its id."""
        return self._signal_one(rng, signal.SIGSTOP)

    def _signal_one(self, rng: random.Random, number: signal.Signals) -> int | None:
        now = self._now
        processes = process_tree(now.process.pid)[1:] if now is not None else []
        if not processes:
            return None
        self._signal_all([one := rng.choice(processes)], number)
        return one

    @staticmethod
    def _signal_all(pids: Sequence[int], number: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _keep_running(self) -> None:
        program = (*self.inside, *self.program)
        while not self._over.wait(PAUSE):
            try:
                with serving(
                    self.folder, {**self.settings, "FIRE_HOST": self.name}, "--web", "1", program=program
                ) as now:
                    self.starts += 1
                    self._now = now
                    while now.process.poll() is None and not self._over.wait(0.05):
                        pass
                    self._now = None
            except AssertionError:  # the database is away, and `serve` says so and ends
                self.failed_starts += 1
