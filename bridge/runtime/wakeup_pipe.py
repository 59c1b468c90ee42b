"""A process that has kept something wakes the process that works on it, by one byte in a pipe for each kind of work.

All notifications of one round of the event loop are one byte.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

_AT_ONCE = 65536


class Wakeups(Protocol):
    """The way from the processes that have kept something to the one that works on it. No side waits for the other."""

    def make_notifier(self, kind: bytes) -> Callable[[], None]:
        """A function that notifies of one kind of work, a byte, from within an event loop."""
        ...

    def call_on_wakeup(self, wake: Mapping[bytes, Callable[[], None]]) -> None:
        """Call what is to be called for each kind that was notified of, in the running loop."""
        ...


class WakeupPipe:
    """A pipe that is made before the fork, and that all processes have."""

    def __init__(self) -> None:
        self._listener, self._ringer = os.pipe()
        for end in (self._listener, self._ringer):
            os.set_blocking(end, False)

    def make_notifier(self, kind: bytes) -> Callable[[], None]:
        """A function that notifies of one kind of work, a byte, from within an event loop."""
        return NotifierOncePerRound(self._write_byte, kind).notify

    def call_on_wakeup(self, wake: Mapping[bytes, Callable[[], None]]) -> None:
        """Call, in the running loop, the function of each kind of work that a notification names."""

        def heard() -> None:
            with suppress(BlockingIOError):
                rung = os.read(self._listener, _AT_ONCE)
                for kind, woken in wake.items():
                    if kind in rung:
                        woken()

        asyncio.get_running_loop().add_reader(self._listener, heard)

    def _write_byte(self, kind: bytes) -> None:
        with suppress(BlockingIOError):  # the pipe is full, so the reader wakes in any case
            os.write(self._ringer, kind)


class NotifierOncePerRound:
    """`notify` sends its kind of work once in a round of the event loop, however often it is called there."""

    def __init__(self, send: Callable[[bytes], object], kind: bytes) -> None:
        self._send = send
        self._kind = kind
        self._due = False

    def notify(self) -> None:
        """There is such work."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._send_kind)

    def _send_kind(self) -> None:
        self._due = False
        self._send(self._kind)
