"""Requests that arrive together are written as one group, with one flush, and each gets its own answer.

A group is what arrived in a few rounds of the event loop, and while the group before it was written. A round in which
nothing arrives is over in microseconds, so a single request waits for nothing but its own flush.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from bridge.core.errors import StoreUnavailable
from bridge.store.callbacks import Answer, AnswerCallback, Answers

Q = TypeVar("Q")

Ask: TypeAlias = "Callable[[Sequence[Q], float, AnswerCallback[Answer]], None]"
"""Writes a group: its requests, the arrival time of the oldest, and the callback for the answers.

Raises StoreUnavailable if the group is refused, or the error of the caller that broke it.
"""
_Caller: TypeAlias = "tuple[Q, asyncio.Future[Answer], float]"
"""A waiting caller: request, future, arrival time."""
_SHORTLY = 0.001
_RETRY_AFTER = timedelta(seconds=1)
MOST_CALLERS = 1000
"""The most callers of one group."""
ROUNDS = 8
"""Rounds of the event loop in which a group gathers: callers answered together mostly call again together."""


@dataclass(slots=True, weakref_slot=True)
class _CallerQueue(Generic[Q, Answer]):
    """The callers that wait in one event loop, and whether a group of them is being written."""

    waiting: list[_Caller[Q, Answer]] = field(default_factory=list)
    busy: bool = False


class GroupCommit(Generic[Q, Answer]):
    """Gathers the callers of each event loop into groups. A caller that breaks its group is written alone.

    At most `limit` callers wait in one event loop, none longer than `patience` seconds: a caller beyond that is refused
    with StoreUnavailable, which names what it `waits_for`.
    """

    def __init__(self, ask: Ask[Q, Answer], *, limit: int, patience: float, waits_for: str = "the disk") -> None:
        self._ask = ask
        self._limit = limit
        self._patience = patience
        self._waits_for = waits_for
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _CallerQueue[Q, Answer]] = WeakKeyDictionary()
        self._last: tuple[asyncio.AbstractEventLoop, _CallerQueue[Q, Answer]] | None = None

    def submit(self, one: Q) -> asyncio.Future[Answer]:
        """Queue a request; returns a future of the running loop for its answer.

        Raises StoreUnavailable if too many callers wait, or the first has waited for too long.
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
            raise crowded_error(len(queue.waiting), self._waits_for)
        if time.monotonic() - queue.waiting[0][2] > self._patience:
            raise too_slow_error(self._waits_for)

    def _hand_over(self, queue: _CallerQueue[Q, Answer]) -> None:
        """Hand the next group over; callers that have waited longer than `patience` get an error first."""
        waiting = queue.waiting
        now = time.monotonic()
        latest = now - self._patience
        if waiting and waiting[0][2] < latest:
            for _, future, since in waiting:
                if since < latest:
                    _set_error(future, too_slow_error(self._waits_for))
            waiting = [one for one in waiting if one[2] >= latest]
        group, queue.waiting = waiting[:MOST_CALLERS], waiting[MOST_CALLERS:]
        queue.busy = bool(group)
        if not group:
            return
        self._write_group(group, lambda: self._group_written(queue))

    def _group_written(self, queue: _CallerQueue[Q, Answer]) -> None:
        """Gather the next group: the callers that came while this one was written."""
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
        """Give each caller an error of its own; after a fault that one of them may have caused, write each alone."""
        if not isinstance(error, StoreUnavailable) and len(group) > 1:
            for one in group:
                self._write_group([one], lambda: None)
            return
        for _, future, _ in group:
            _set_error(future, error.copy_error() if isinstance(error, StoreUnavailable) else error)


def _set_error(future: asyncio.Future[Answer], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def crowded_error(callers: int, waits_for: str = "the disk") -> StoreUnavailable:
    """Returns the error for a request beyond the limit, while `callers` wait already."""
    return StoreUnavailable(f"{callers} requests wait for {waits_for} already", retry_after=_RETRY_AFTER)


def too_slow_error(waits_for: str = "the disk") -> StoreUnavailable:
    """Returns the error for a request that waited longer than `patience`."""
    return StoreUnavailable(f"{waits_for} takes writes too slowly", retry_after=_RETRY_AFTER)
