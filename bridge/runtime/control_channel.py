"""The control channel between the supervisor and one child: short messages in both directions.

The end of the channel tells each side that the other has ended.
"""

from __future__ import annotations

import socket
from contextlib import suppress

_LONGEST = 65536


class ControlChannel:
    """One end of the channel. Neither end ever waits for the other."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._heard = b""

    def fileno(self) -> int:
        """Returns the descriptor, for selectors."""
        return self._end.fileno()

    def send_message(self, sentence: str) -> None:
        """Send one message; it is lost if the other end is closed or reads no more."""
        with suppress(OSError):
            self._end.send(" ".join(sentence.splitlines()).encode() + b"\n", socket.MSG_DONTWAIT)

    def receive_messages(self) -> tuple[list[str], bool]:
        """The messages received since the last call, and whether the other end is still open."""
        there = True
        with suppress(BlockingIOError):
            while True:
                try:
                    part = self._end.recv(_LONGEST, socket.MSG_DONTWAIT)
                except ConnectionError:
                    part = b""
                if not part:
                    there = False
                    break
                self._heard += part
        *whole, self._heard = self._heard.split(b"\n")
        return [sentence.decode() for sentence in whole], there

    def close(self) -> None:
        """Close this end."""
        self._end.close()


def open_channel() -> tuple[ControlChannel, ControlChannel]:
    """Returns both ends of a new channel."""
    one, other = socket.socketpair()
    return ControlChannel(one), ControlChannel(other)
