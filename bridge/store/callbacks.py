"""Calls from a thread into an event loop that waits for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias, TypeVar

Answer = TypeVar("Answer")


Answers: TypeAlias = "list[Answer | Exception] | list[Answer] | Exception"
"""For each caller an answer or an error, or one error for all callers."""


AnswerCallback: TypeAlias = "Callable[[Answers[Answer]], None]"
"""A function that is called with the answers."""


def call_in_loop(loop: asyncio.AbstractEventLoop, then: Callable[[Answer], None], what: Answer) -> None:
    """Call `then(what)` in an event loop, from another thread."""
    with suppress(RuntimeError):  # the loop has ended, and nothing waits any more
        loop.call_soon_threadsafe(then, what)
