"""Loads changed mappings while requests are answered.

What cannot be loaded or taken is refused and logged, and the old stays. What is loaded, and what takes it, are
arguments: they keep the previous mapping of a file that has errors now.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from bridge.core import log
from bridge.core.errors import BridgeError

EVERY = 0.5
"""Seconds between two checks of the files' times."""
_KEPT = "the settings and mappings from before"

T = TypeVar("T")
State = frozenset[tuple[str, int, int]]


class Reloader(Generic[T]):
    """Loads whenever it is asked, one load at a time; requests made meanwhile are one more load.

    `load` runs beside the loop and raises BridgeError for what cannot be used; `take` runs in the loop, at once, and
    either takes all of it or raises BridgeError and takes nothing. `done` gets the number that it was asked with, and
    whether all was taken.
    """

    def __init__(
        self,
        load: Callable[[], T],
        take: Callable[[T], None],
        *,
        done: Callable[[int, bool], None] = lambda _number, _taken: None,
    ) -> None:
        self._load = load
        self._take = take
        self._done = done
        self._asked = asyncio.Event()
        self._number = 0

    def request_reload(self, number: int = 0) -> None:
        """Ask for a reload: something may have changed."""
        self._number = number
        self._asked.set()

    async def run(self) -> None:
        """Reload when asked, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            number = self._number
            self._done(number, await self.reload_once())

    async def reload_once(self) -> bool:
        """Load and take; returns False if that fails: the old stays, and every problem is logged."""
        try:
            self._take(await asyncio.to_thread(self._load))
        except Exception as error:  # noqa: BLE001  a fault of ours must not end reloading, nor what is served
            _log_refusal(error)
            return False
        return True


def reload_now(load: Callable[[], T], take: Callable[[T], None]) -> bool:
    """The same at once, without an event loop."""
    try:
        take(load())
    except Exception as error:  # noqa: BLE001  a fault of ours must not end what is served
        _log_refusal(error)
        return False
    return True


class FileWatch:
    """Watches names, times and sizes of the files that `files` gives; it may give others each time."""

    def __init__(self, files: Callable[[], Iterable[Path]]) -> None:
        self._files = files
        self._seen = self._file_states()

    def has_changed(self) -> bool:
        """Whether a file was added, removed or changed since the last look, or since this was made."""
        now = self._file_states()
        before, self._seen = self._seen, now
        return now != before

    def _file_states(self) -> State:
        """Returns name, time and size of every file that exists."""
        found = set()
        with contextlib.suppress(BridgeError, OSError):  # a folder that is gone holds nothing; loading reports it
            for path in self._files():
                with contextlib.suppress(OSError):
                    status = path.stat()
                    found.add((str(path), status.st_mtime_ns, status.st_size))
        return frozenset(found)


def _log_refusal(error: Exception) -> None:
    match error:
        case BridgeError() | OSError():
            log.log_warning("reload.refused", error=str(error), kept=_KEPT)
        case _:
            log.log_warning("reload.fault", error=type(error).__name__, kept=_KEPT)
