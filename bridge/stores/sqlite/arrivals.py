"""What callers bring goes to the writer in groups, and each gets an answer of its own.

A group is what came in one round of the event loop, or while the group before it was written: there is no timer, and
nobody who comes alone waits for company. Not concerned with what is brought.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from bridge.errors import StoreUnavailable
from bridge.stores.sqlite.trouble import crowded, too_slow

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(slots=True)
class _Caller(Generic[Q, A]):
    """Somebody who waits, and since when."""

    brings: Q
    future: asyncio.Future[A]
    since: float = field(default_factory=time.monotonic)


_Group: TypeAlias = "list[_Caller[Q, A]]"
Ask = Callable[[Sequence[Q], float], "asyncio.Future[list[A | Exception]]"]
"""Hands a group over, with when its oldest came; an answer for each, or an error of its own, or one error for all."""
MOST = 1000
"""Callers in one group."""


@dataclass(slots=True, weakref_slot=True)
class _Queue(Generic[Q, A]):
    """Who waits in one event loop, and whether a group of theirs is being written."""

    waiting: _Group[Q, A] = field(default_factory=list)
    busy: bool = False


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

    async def bring(self, one: Q) -> A:
        """The answer to one. Raises its error."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = _Queue()
        if queue.waiting and queue.busy:
            self._admit(queue)
        caller: _Caller[Q, A] = _Caller(one, loop.create_future())
        queue.waiting.append(caller)
        if not queue.busy:
            queue.busy = True
            loop.call_soon(self._next, queue)
        return await caller.future

    def _admit(self, queue: _Queue[Q, A]) -> None:
        if len(queue.waiting) >= self._limit:
            raise crowded(len(queue.waiting))
        if time.monotonic() - queue.waiting[0].since > self._patience:
            raise too_slow()

    def _next(self, queue: _Queue[Q, A]) -> None:
        """Hand the next group over; those who have waited too long are told so first."""
        latest = time.monotonic() - self._patience
        for caller in (one for one in queue.waiting if one.since < latest):
            _told(caller, too_slow())
        waiting = [one for one in queue.waiting if one.since >= latest]
        group, queue.waiting = waiting[:MOST], waiting[MOST:]
        queue.busy = bool(group)
        if group:
            self._write(group, lambda: self._next(queue))

    def _write(self, group: _Group[Q, A], then: Callable[[], None]) -> None:
        try:
            asked = self._ask([one.brings for one in group], group[0].since)
        except StoreUnavailable as error:
            self._refused(group, error, then)
            return
        asked.add_done_callback(lambda done: self._answered(group, done, then))

    def _answered(
        self, group: _Group[Q, A], done: asyncio.Future[list[A | Exception]], then: Callable[[], None]
    ) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Exception):
            self._refused(group, error, then)
            return
        for caller, answer in zip(group, done.result(), strict=True):
            if isinstance(answer, Exception):
                _told(caller, answer)
            elif not caller.future.done():
                caller.future.set_result(answer)
        then()

    def _refused(self, group: _Group[Q, A], error: Exception, then: Callable[[], None]) -> None:
        """Each caller gets an error of its own to raise; a fault that one of them may have brought is looked for."""
        if not isinstance(error, StoreUnavailable) and len(group) > 1:
            for one in group:
                self._write([one], lambda: None)
        else:
            for caller in group:
                _told(caller, error.again() if isinstance(error, StoreUnavailable) else error)
        then()


def _told(caller: _Caller[Q, A], error: Exception) -> None:
    if not caller.future.done():
        caller.future.set_exception(error)
