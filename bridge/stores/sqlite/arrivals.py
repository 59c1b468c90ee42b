"""What callers bring goes to the writer in groups, and each gets an answer of its own.

A group is what came in one round of the event loop, or while the group before it was written: there is no timer, and
nobody who comes alone waits for company. Not concerned with what is brought.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from bridge.errors import StoreUnavailable

Q = TypeVar("Q")
A = TypeVar("A")

_Group: TypeAlias = "list[tuple[Q, asyncio.Future[A]]]"
Ask = Callable[[Sequence[Q]], "asyncio.Future[list[A | Exception]]"]
"""Hands a group over; an answer for each, or an error of its own, or one error for all of them."""


@dataclass(slots=True, weakref_slot=True)
class _Queue(Generic[Q, A]):
    """Who waits in one event loop, and whether a group of theirs is being written."""

    waiting: _Group[Q, A] = field(default_factory=list)
    busy: bool = False


class Arrivals(Generic[Q, A]):
    """Who came since the last group was handed over. One that spoils its group is written apart from the others."""

    def __init__(self, ask: Ask[Q, A]) -> None:
        self._ask = ask
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue[Q, A]] = WeakKeyDictionary()

    async def bring(self, one: Q) -> A:
        """The answer to one. Raises its error."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = _Queue()
        future: asyncio.Future[A] = loop.create_future()
        queue.waiting.append((one, future))
        if not queue.busy:
            queue.busy = True
            loop.call_soon(self._next, queue)
        return await future

    def _next(self, queue: _Queue[Q, A]) -> None:
        group, queue.waiting = queue.waiting, []
        queue.busy = bool(group)
        if group:
            self._write(group, lambda: self._next(queue))

    def _write(self, group: _Group[Q, A], then: Callable[[], None]) -> None:
        try:
            asked = self._ask([one for one, _ in group])
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
        for (_, future), answer in zip(group, done.result(), strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        then()

    def _refused(self, group: _Group[Q, A], error: Exception, then: Callable[[], None]) -> None:
        """Each caller gets an error of its own to raise; a fault that one of them may have brought is looked for."""
        if not isinstance(error, StoreUnavailable) and len(group) > 1:
            for one in group:
                self._write([one], lambda: None)
        else:
            for _, future in group:
                if not future.done():
                    future.set_exception(error.again() if isinstance(error, StoreUnavailable) else error)
        then()
