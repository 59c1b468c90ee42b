"""Spreads connections evenly over the web processes: one that has more than another pauses before it accepts the next.

All of them are woken for a connection and the first accepts it, so one could accept all that arrive at once.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import Struct

from bridge.core import log

PAUSE = 0.001
"""Seconds this process pauses so that another one can accept the waiting connection; a loop counts none shorter."""
RETRY = 1.0
"""Seconds until a process that may open no more files accepts again, as asyncio has it."""
AHEAD = 2
"""A process pauses when it has at least this many more connections than another."""
_COUNT = Struct("=I")
_SELDOM = log.RateLimitedLog()


class ConnectionBalance:
    """Made before the fork, for the web processes of these names, of which there may be none."""

    def __init__(self, names: Sequence[str]) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size * len(names) or 1)  # no memory can be empty
        self._place = {name: _COUNT.size * place for place, name in enumerate(names)}

    def share_of(self, name: str) -> ConnectionShare:
        """The count of a web process. It starts at none: a process that is restarted begins again."""
        mine = self._place[name]
        share = ConnectionShare(self._memory, mine, tuple(place for place in self._place.values() if place != mine))
        share.set_count(0)
        return share


@dataclass(frozen=True, slots=True)
class ConnectionShare:
    """How many connections one web process has, beside the others."""

    memory: mmap.mmap
    place: int
    others: tuple[int, ...]

    def set_count(self, count: int) -> None:
        """Note the number of connections whenever it has changed."""
        _COUNT.pack_into(self.memory, self.place, count)

    @property
    def is_ahead(self) -> bool:
        """Whether another process should accept the next connection."""
        return bool(self.others) and self._count_at(self.place) >= min(map(self._count_at, self.others)) + AHEAD

    def _count_at(self, place: int) -> int:
        count: int = _COUNT.unpack_from(self.memory, place)[0]
        return count


class BalancedAcceptor:
    """Accepts the connections of a listening socket one by one, until it is closed. It pauses while it is ahead."""

    def __init__(
        self, listening: socket.socket, make_protocol: Callable[[], asyncio.Protocol], share: ConnectionShare
    ) -> None:
        self._listening = listening
        self._make_protocol = make_protocol
        self._share = share
        self._task = asyncio.create_task(self._accept_all())

    def close(self) -> None:
        """Accept no more."""
        self._task.cancel()

    async def wait_closed(self) -> None:
        """Return once no more is accepted."""
        await asyncio.wait([self._task])

    async def _accept_all(self) -> None:
        while True:
            try:
                await self._accept_one()
            except ConnectionAbortedError:
                continue
            except OSError as error:
                _SELDOM.warn("http.cannot_accept", now=datetime.now(UTC), why=error.strerror, mend=_MEND)
                await asyncio.sleep(RETRY)
            if self._share.is_ahead:
                await asyncio.sleep(PAUSE)

    async def _accept_one(self) -> None:
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(self._listening)
        await loop.connect_accepted_socket(self._make_protocol, connection)


_MEND = "raise the limit of open files of the service"
