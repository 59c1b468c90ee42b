"""What callers bring goes to be written in groups, and each gets an answer of its own.

A group is what came in a few rounds of the event loop, and while the group before it was written. Nobody waits for
others where none come: a round in which nobody comes is over in microseconds. Only where some come while others are
written, and are fewer than of late, the loop rests for a moment before the next group, so that it reads several requests
in one go: one that it wakes up for costs twice as much as one among others, and a group costs as much as several
requests. Whoever comes when an answer is there, one after the other or as many as before, never waits. Not concerned
with what is brought, nor with who writes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from bridge.core.errors import StoreUnavailable
from bridge.store.sqlite.db.callbacks import A, Answers, Then
from bridge.store.sqlite.db.errors import crowded, too_slow

Q = TypeVar("Q")

Ask: TypeAlias = "Callable[[Sequence[Q], float, Then[A]], None]"
"""Hands a group over, with when its oldest came. Raises StoreUnavailable where it is not taken, or what one spoils it with."""
_Caller: TypeAlias = "tuple[Q, asyncio.Future[A], float]"
"""What somebody brings who waits, and since when."""
_SHORTLY = 0.001
MOST = 1000
"""Callers in one group."""
ROUNDS = 8
"""Of the event loop, in which a group gathers: those who are answered together mostly come again together."""
FEW = 8
"""Callers below whom others are waited for, where some come while others are written."""
CLOSE = 0.010
"""Seconds from one group of a few to the next."""
CROWD = 10
"""Callers in a group of late, from which on they come in crowds: the few that wait are left over from one."""
CLOSE_CROWD = 0.004
"""Seconds from a group to the next where they come in crowds: who was answered is back by then."""


@dataclass(slots=True, weakref_slot=True)
class _Queue(Generic[Q, A]):
    """Who waits in one event loop, and whether a group of theirs is being written."""

    waiting: list[_Caller[Q, A]] = field(default_factory=list)
    busy: bool = False
    next_at: float = 0.0
    is_dense: bool = False
    """Whether some come while others are written."""
    usual: int = 0
    """Callers in a group of late: as many as in the last one, or one less than before it."""

    def are_few(self) -> bool:
        """Whether more are worth resting for: those who are answered together and come again together are all there."""
        return self.is_dense and 0 < len(self.waiting) < min(FEW, max(2, self.usual))


class Arrivals(Generic[Q, A]):
    """Who came since the last group was handed over. One that spoils its group is written apart from the others.

    At most `limit` wait in one event loop, none longer than `patience` seconds: whoever comes then is refused with
    StoreUnavailable.
    """

    def __init__(self, ask: Ask[Q, A], *, limit: int, patience: float) -> None:
        self._ask = ask
        self._limit = limit
        self._patience = patience
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue[Q, A]] = WeakKeyDictionary()
        self._last: tuple[asyncio.AbstractEventLoop, _Queue[Q, A]] | None = None

    def bring(self, one: Q) -> asyncio.Future[A]:
        """The answer to one, or its error, to be awaited in the running loop. Raises StoreUnavailable where it may not wait."""
        loop = asyncio.get_running_loop()
        if self._last is None or self._last[0] is not loop:
            self._last = loop, self._queues.setdefault(loop, _Queue())
        queue = self._last[1]
        if queue.busy and queue.waiting:
            self._admit(queue)
        future: asyncio.Future[A] = loop.create_future()
        queue.waiting.append((one, future, time.monotonic()))
        if not queue.busy:
            queue.busy = True
            loop.call_soon(self._gather, queue, ROUNDS)
        return future

    async def last(self) -> None:
        """Return when all who wait in this event loop have their answers."""
        queue = self._queues.get(asyncio.get_running_loop())
        while queue is not None and (queue.busy or queue.waiting):  # noqa: ASYNC110  once, when a store is closed
            await asyncio.sleep(_SHORTLY)

    def _gather(self, queue: _Queue[Q, A], rounds: int) -> None:
        """Go round a few times more, then hand over who has come; where these are a few close after others, rest first."""
        loop = asyncio.get_running_loop()
        if rounds > 1 and len(queue.waiting) < MOST:
            loop.call_soon(self._gather, queue, rounds - 1)
        elif queue.are_few() and (left := queue.next_at - time.monotonic()) > 0:
            queue.is_dense = False
            time.sleep(left)
            loop.call_soon(self._gather, queue, ROUNDS)
        else:
            self._next(queue)

    def _admit(self, queue: _Queue[Q, A]) -> None:
        if len(queue.waiting) >= self._limit:
            raise crowded(len(queue.waiting))
        if time.monotonic() - queue.waiting[0][2] > self._patience:
            raise too_slow()

    def _next(self, queue: _Queue[Q, A]) -> None:
        """Hand the next group over; those who have waited too long are told so first."""
        waiting = queue.waiting
        now = time.monotonic()
        latest = now - self._patience
        if waiting and waiting[0][2] < latest:
            for _, future, since in waiting:
                if since < latest:
                    _told(future, too_slow())
            waiting = [one for one in waiting if one[2] >= latest]
        group, queue.waiting = waiting[:MOST], waiting[MOST:]
        queue.busy = bool(group)
        if not group:
            return
        queue.usual = max(len(group), queue.usual - 1)
        queue.next_at = now + (CLOSE if queue.usual < CROWD else CLOSE_CROWD)
        queue.is_dense = len(group) > 1
        self._write(group, lambda: self._written(queue))

    def _written(self, queue: _Queue[Q, A]) -> None:
        """The group is answered; who came meanwhile is the next."""
        queue.is_dense = queue.is_dense or bool(queue.waiting)
        self._gather(queue, ROUNDS)

    def _write(self, group: list[_Caller[Q, A]], then: Callable[[], None]) -> None:
        try:
            self._ask([one for one, _, _ in group], group[0][2], lambda answers: self._answered(group, answers, then))
        except Exception as error:  # noqa: BLE001  whatever it is, it is for those who brought it
            self._answered(group, error, then)

    def _answered(self, group: list[_Caller[Q, A]], answers: Answers[A], then: Callable[[], None]) -> None:
        if isinstance(answers, Exception):
            self._refused(group, answers)
        else:
            for (_, future, _), one in zip(group, answers, strict=True):
                if isinstance(one, Exception):
                    _told(future, one)
                elif not future.done():
                    future.set_result(one)
        then()

    def _refused(self, group: list[_Caller[Q, A]], error: Exception) -> None:
        """Each caller gets an error of its own to raise; a fault that one of them may have brought is looked for."""
        if not isinstance(error, StoreUnavailable) and len(group) > 1:
            for one in group:
                self._write([one], lambda: None)
            return
        for _, future, _ in group:
            _told(future, error.again() if isinstance(error, StoreUnavailable) else error)


def _told(future: asyncio.Future[A], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
