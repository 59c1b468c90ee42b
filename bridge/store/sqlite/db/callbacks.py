"""Answers handed from a thread to those who wait for them in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias, TypeVar

A = TypeVar("A")


Answers: TypeAlias = "list[A | Exception] | list[A] | Exception"
"""An answer for each, or an error of its own, or one error for all."""


Then: TypeAlias = "Callable[[Answers[A]], None]"
"""Who hears the answers."""


def tell(loop: asyncio.AbstractEventLoop, then: Callable[[A], None], what: A) -> None:
    """Let those hear it who wait in an event loop, from another thread."""
    with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
        loop.call_soon_threadsafe(then, what)
