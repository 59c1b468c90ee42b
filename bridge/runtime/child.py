"""A child's end of the control channel: SIGTERM and the end of the channel tell it to stop, a message to reload."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from bridge.core import log
from bridge.runtime.control_channel import ControlChannel
from bridge.runtime.supervisor import FOLLOW, HANGS, READY, REFUSED, TAKEN


class ControlClient:
    """`end` is called when the child is to end, maybe more than once."""

    def __init__(self, name: str, line: ControlChannel, *, end: Callable[[], None]) -> None:
        self._name = name
        self._line = line
        self._end = end

    def start_listening(self, follow: Callable[[int], None]) -> None:
        """From now on, in the running loop; `follow` is called with the number of a reload."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        loop.add_reader(self._line.fileno(), self._read_messages, follow)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())  # they waited since the fork

    def send_ready(self) -> None:
        """Say that it answers, or works."""
        self._line.send_message(READY)

    def send_reloaded(self, number: int, taken: bool) -> None:  # noqa: FBT001  the message itself
        """Send whether the reload of that number was taken."""
        self._line.send_message(f"{TAKEN if taken else REFUSED} {number}")

    def send_hung(self, why: str) -> None:
        """Say why this process gives no heartbeat, though it could."""
        self._line.send_message(f"{HANGS} {why}")

    def _read_messages(self, follow: Callable[[int], None]) -> None:
        sentences, there = self._line.receive_messages()
        for sentence in sentences:
            word, _, number = sentence.partition(" ")
            if word == FOLLOW:
                follow(int(number))
        if not there:
            asyncio.get_running_loop().remove_reader(self._line.fileno())
            log.log_warning("process.orphaned", process=self._name, why="the parent is gone", then="it ends")
            self._end()
