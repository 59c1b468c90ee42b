"""What callers bring at one moment goes to the writer together, and each gets an answer of its own.

A moment is one round of the event loop: there is no timer, and nobody who comes alone waits for company. Not
concerned with what is brought.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from bridge.errors import StoreUnavailable

Q = TypeVar("Q")
A = TypeVar("A")

Ask = Callable[[Sequence[Q]], "asyncio.Future[list[A | Exception]]"]
"""Hands a group over; an answer for each, or an error of its own, or one error for all of them."""


class Arrivals(Generic[Q, A]):
    """Who came since the last group was handed over. One that spoils its group is written apart from the others."""

    def __init__(self, ask: Ask[Q, A]) -> None:
        self._ask = ask
        self._waiting: dict[asyncio.AbstractEventLoop, list[tuple[Q, asyncio.Future[A]]]] = {}

    async def bring(self, one: Q) -> A:
        """The answer to one. Raises its error."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        waiting = self._waiting.get(loop)
        if waiting is None:
            self._waiting[loop] = [(one, future)]
            loop.call_soon(self._hand_over, loop)
        else:
            waiting.append((one, future))
        return await future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        self._write(self._waiting.pop(loop))

    def _write(self, group: list[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            asked = self._ask([one for one, _ in group])
        except StoreUnavailable as error:
            self._refused(group, error)
            return
        asked.add_done_callback(lambda done: self._answered(group, done))

    def _answered(self, group: list[tuple[Q, asyncio.Future[A]]], done: asyncio.Future[list[A | Exception]]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Exception):
            self._refused(group, error)
            return
        for (_, future), answer in zip(group, done.result(), strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _refused(self, group: list[tuple[Q, asyncio.Future[A]]], error: Exception) -> None:
        """Each caller gets an error of its own to raise; a fault that one of them may have brought is looked for."""
        if not isinstance(error, StoreUnavailable) and len(group) > 1:
            for one in group:
                self._write([one])
            return
        for _, future in group:
            if not future.done():
                future.set_exception(error.again() if isinstance(error, StoreUnavailable) else error)
