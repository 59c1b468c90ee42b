"""Requests that arrive together are written as one group, with one flush, and each gets its own answer.

A group is what arrived in a few rounds of the event loop, and while the group before it was written. A round in which
nothing arrives is over in microseconds, so a single request waits for nothing but its own flush.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from bridge.core.errors import StoreUnavailable
from bridge.store.sqlite.db.callbacks import Answer, AnswerCallback, Answers
from bridge.store.sqlite.db.errors import crowded_error, too_slow_error

Q = TypeVar("Q")

Ask: TypeAlias = "Callable[[Sequence[Q], float, AnswerCallback[Answer]], None]"
"""Hands a group over, with when its oldest came.

Raises StoreUnavailable if it is not taken, or what one spoils it with.
"""
_Caller: TypeAlias = "tuple[Q, asyncio.Future[Answer], float]"
"""What somebody brings who waits, and since when."""
_SHORTLY = 0.001
MOST_CALLERS = 1000
"""Callers in one group."""
ROUNDS = 8
"""Of the event loop, in which a group gathers: callers that are answered together mostly call again together."""


@dataclass(slots=True, weakref_slot=True)
class _CallerQueue(Generic[Q, Answer]):
    """Who waits in one event loop, and whether a group of theirs is being written."""

    waiting: list[_Caller[Q, Answer]] = field(default_factory=list)
    busy: bool = False


class GroupCommit(Generic[Q, Answer]):
    """Who came since the last group was handed over. One that spoils its group is written apart from the others.

    At most `limit` wait in one event loop, none longer than `patience` seconds: a caller beyond that is refused with
    StoreUnavailable.
    """

    def __init__(self, ask: Ask[Q, Answer], *, limit: int, patience: float) -> None:
        self._ask = ask
        self._limit = limit
        self._patience = patience
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _CallerQueue[Q, Answer]] = WeakKeyDictionary()
        self._last: tuple[asyncio.AbstractEventLoop, _CallerQueue[Q, Answer]] | None = None

    def submit(self, one: Q) -> asyncio.Future[Answer]:
        """The answer to one, or its error, to be awaited in the running loop.

        Raises StoreUnavailable if it may not wait.
        """
        loop = asyncio.get_running_loop()
        if self._last is None or self._last[0] is not loop:
            self._last = loop, self._queues.setdefault(loop, _CallerQueue())
        queue = self._last[1]
        if queue.busy and queue.waiting:
            self._admit_caller(queue)
        future: asyncio.Future[Answer] = loop.create_future()
        queue.waiting.append((one, future, time.monotonic()))
        if not queue.busy:
            queue.busy = True
            loop.call_soon(self._gather_group, queue, ROUNDS)
        return future

    async def wait_until_idle(self) -> None:
        """Return when all who wait in this event loop have their answers."""
        queue = self._queues.get(asyncio.get_running_loop())
        while queue is not None and (queue.busy or queue.waiting):  # noqa: ASYNC110  once, when a store is closed
            await asyncio.sleep(_SHORTLY)

    def _gather_group(self, queue: _CallerQueue[Q, Answer], rounds: int) -> None:
        """Wait a few more rounds of the event loop, then hand the group over."""
        loop = asyncio.get_running_loop()
        if rounds > 1 and len(queue.waiting) < MOST_CALLERS:
            loop.call_soon(self._gather_group, queue, rounds - 1)
        else:
            self._hand_over(queue)

    def _admit_caller(self, queue: _CallerQueue[Q, Answer]) -> None:
        if len(queue.waiting) >= self._limit:
            raise crowded_error(len(queue.waiting))
        if time.monotonic() - queue.waiting[0][2] > self._patience:
            raise too_slow_error()

    def _hand_over(self, queue: _CallerQueue[Q, Answer]) -> None:
        """Hand the next group over; those who have waited too long are reported so first."""
        waiting = queue.waiting
        now = time.monotonic()
        latest = now - self._patience
        if waiting and waiting[0][2] < latest:
            for _, future, since in waiting:
                if since < latest:
                    _set_error(future, too_slow_error())
            waiting = [one for one in waiting if one[2] >= latest]
        group, queue.waiting = waiting[:MOST_CALLERS], waiting[MOST_CALLERS:]
        queue.busy = bool(group)
        if not group:
            return
        self._write_group(group, lambda: self._group_written(queue))

    def _group_written(self, queue: _CallerQueue[Q, Answer]) -> None:
        """The group is answered; who came meanwhile is the next."""
        self._gather_group(queue, ROUNDS)

    def _write_group(self, group: list[_Caller[Q, Answer]], then: Callable[[], None]) -> None:
        try:
            self._ask(
                [one for one, _, _ in group], group[0][2], lambda answers: self._answer_group(group, answers, then)
            )
        except Exception as error:  # noqa: BLE001  any error is for those who submitted it
            self._answer_group(group, error, then)

    def _answer_group(
        self, group: list[_Caller[Q, Answer]], answers: Answers[Answer], then: Callable[[], None]
    ) -> None:
        if isinstance(answers, Exception):
            self._refuse_group(group, answers)
        else:
            for (_, future, _), one in zip(group, answers, strict=True):
                if isinstance(one, Exception):
                    _set_error(future, one)
                elif not future.done():
                    future.set_result(one)
        then()

    def _refuse_group(self, group: list[_Caller[Q, Answer]], error: Exception) -> None:
        """Each caller gets an error of its own to raise; a fault that one of them may have brought is looked for."""
        if not isinstance(error, StoreUnavailable) and len(group) > 1:
            for one in group:
                self._write_group([one], lambda: None)
            return
        for _, future, _ in group:
            _set_error(future, error.copy_error() if isinstance(error, StoreUnavailable) else error)


def _set_error(future: asyncio.Future[Answer], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
