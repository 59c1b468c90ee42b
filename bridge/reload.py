"""Reload: a changed mapping is taken while requests are answered; one that does not check is refused and told.

Knows when to look again, by a signal or by the files' times, and what to say of it. Not concerned with what a mapping
is, nor with who uses it: loading and taking are given to it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Generic, TypeVar

from bridge import log
from bridge.errors import BridgeError, MappingError

EVERY = timedelta(seconds=0.5)
"""How often the files' times are looked at."""

T = TypeVar("T")
State = frozenset[tuple[str, int, int]]


class Reloader(Generic[T]):
    """Loads anew whenever it is asked, one load at a time; what was asked meanwhile is one more load.

    `load` runs beside the loop and raises BridgeError for what cannot be used; `take` runs in the loop, at once, and
    either takes all of it or raises BridgeError and takes nothing. `files` are looked at only by `watch`.
    """

    def __init__(
        self, load: Callable[[], T], take: Callable[[T], None], *, files: Callable[[], Iterable[Path]]
    ) -> None:
        self._load = load
        self._take = take
        self._files = files
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Something may have changed; for signal handlers, too."""
        self._asked.set()

    async def run(self) -> None:
        """Reload when asked, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.once()

    async def watch(self) -> None:
        """Ask whenever a file came, went or changed, until cancelled.

        Asks at its first look, too: what changed while the process started is not missed.
        """
        seen: State | None = None
        while True:
            now = await asyncio.to_thread(self._state)
            if now != seen:
                seen = now
                self.ask()
            await asyncio.sleep(EVERY.total_seconds())

    async def once(self) -> bool:
        """Load and take; False, with the old kept and every problem in the log, where that cannot be done."""
        try:
            self._take(await asyncio.to_thread(self._load))
        except MappingError as error:
            for problem in error.problems:
                log.trouble("reload.problem", at=str(problem.place), error=problem.text)
            log.trouble("reload.refused", problems=len(error.problems), kept="the mappings from before")
            return False
        except (BridgeError, OSError) as error:
            log.trouble("reload.refused", error=str(error), kept="the mappings from before")
            return False
        except Exception as error:  # noqa: BLE001  a fault of ours must not end reloading, nor what is served
            log.trouble("reload.fault", error=type(error).__name__, kept="the mappings from before")
            return False
        log.line("reload.taken")
        return True

    def _state(self) -> State:
        """Name, time and size of every file that is there."""
        found = set()
        with contextlib.suppress(BridgeError, OSError):  # a folder that is gone holds nothing; loading says so
            for path in self._files():
                with contextlib.suppress(OSError):
                    status = path.stat()
                    found.add((str(path), status.st_mtime_ns, status.st_size))
        return frozenset(found)
