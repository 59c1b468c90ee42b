"""A socket over which processes of one `serve` hand a connection to a process that is started when it is needed.

It is made before the fork, and has no address: nobody else can connect. What is handed over waits until it is taken,
also while that process is being started.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

_ONE = b"c"


class HandoverSocket:
    """Any process connects; one accepts. Readable, for selectors, while a connection waits."""

    def __init__(self) -> None:
        self._giver, self._taker = socket.socketpair()
        for end in (self._giver, self._taker):
            end.setblocking(False)  # noqa: FBT003  the socket module names no argument

    def fileno(self) -> int:
        """The descriptor of the end that takes."""
        return self._taker.fileno()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection to the process that accepts. Raises OSError where too many wait."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._giver, [_ONE], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return await asyncio.open_unix_connection(sock=ours)

    def accept(self) -> socket.socket | None:
        """The connection that has waited longest; None where none waits."""
        with suppress(BlockingIOError):
            _, found, _, _ = socket.recv_fds(self._taker, len(_ONE), 1)
            return socket.socket(fileno=found[0]) if found else None
        return None

    def close(self) -> None:
        """Close this process's ends."""
        self._giver.close()
        self._taker.close()

    def close_waiting(self) -> None:
        """Close what waits, so that its other end need not wait longer."""
        while (one := self.accept()) is not None:
            one.close()
