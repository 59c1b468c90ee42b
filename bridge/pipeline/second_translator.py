"""Translates each batch of a backlog on a second core, in a child process.

The loop of `translate.py` remains the only one that claims, decides on what is known, and writes. What the child makes
of webhooks is pure: their mappings' rules, without anything that is known of earlier events. Where the child is not
there, or dies, the loop translates itself. By it a backlog drains 1.5 times as fast (a burst that drains, 2 cores,
synchronous=FULL: 4,830 a second against 3,315 in the same minute). With a fifth of each batch left to the loop, whose
process also writes the batch before, it is a tenth slower (4,493 and 4,466 against 4,975, 5,028 and 4,883).
"""

from __future__ import annotations

import asyncio
import pickle
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bridge.core.model import EventNeeded, Translation, Webhook
from bridge.core.source import Source

AT_LEAST = 100
"""Webhooks of one batch from which on it goes to the child: fewer are done before it answers."""
IDLE = 30.0
"""Seconds without such a batch after which the child ends: it takes 50 MB. After a failure it is not started for as
long.
"""
PATIENCE = 5.0
"""Seconds that an answer may take; it usually takes 0.02."""
MEBIBYTE = 2**20
SIZE = struct.Struct(">Q")
"""What goes before each message: its length."""
MODULE = "bridge.runtime.translate_child"
"""The program of the child."""
_FAILURES = (OSError, EOFError, pickle.PickleError)


@dataclass(frozen=True, slots=True)
class TranslatedSource:
    """What the child has to know of a source: its mapping's file, and what the operator set. No secrets."""

    name: str
    file_name: str
    text: bytes
    vars: Mapping[str, str]
    scope: str


class SecondTranslator:
    """The child, and whether there is one. For one event loop; `stop` at its end."""

    def __init__(self) -> None:
        self._sources: Mapping[str, Source] | None = None
        self._names: frozenset[str] = frozenset()
        self._child: Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        """When the child may be started again, by the loop's clock."""

    @property
    def process_id(self) -> int | None:
        """The child's, where there is one."""
        return None if self._child is None else self._child.pid

    def is_ready(self, sources: Mapping[str, Source], webhooks: Sequence[Webhook]) -> bool:
        """Whether the child can translate these webhooks now; for many it is started, or kept."""
        if len(webhooks) < AT_LEAST:
            return False
        loop = asyncio.get_running_loop()
        if self._idle is not None:
            self._idle.cancel()
        self._idle = loop.call_later(IDLE, self._end_child)
        if sources is not self._sources:
            self._end_child()
            self._sources = sources
        if self._starting is None and loop.time() >= self._not_before:
            self._starting = loop.create_task(self._start(sources))
        return self._child is not None and all(one.source in self._names for one in webhooks)

    async def translate(self, webhooks: Sequence[Webhook]) -> Sequence[Translation | EventNeeded] | None:
        """What each becomes where nothing is known yet; None where the child is gone."""
        child = self._child
        if child is None:
            return None
        try:
            return await asyncio.wait_for(_ask(child, webhooks), PATIENCE)
        except _FAILURES:
            if child is self._child:
                self._fail()
            return None

    async def stop(self) -> None:
        """End the child, and wait until it has ended."""
        child, starting = self._child, self._starting
        if self._idle is not None:
            self._idle.cancel()
        self._end_child()
        if starting is not None:
            await asyncio.gather(starting, return_exceptions=True)
        if child is not None:
            await child.wait()

    def _fail(self) -> None:
        self._not_before = asyncio.get_running_loop().time() + IDLE
        self._end_child()

    def _end_child(self) -> None:
        if self._starting is not None and self._starting is not asyncio.current_task():
            self._starting.cancel()
        child, self._child, self._starting, self._sources = self._child, None, None, None
        if child is not None:
            with suppress(ProcessLookupError):
                child.kill()  # it has nothing that would be lost

    async def _start(self, sources: Mapping[str, Source]) -> None:
        known = [one for source in sources.values() if (one := _describe(source)) is not None]
        command = sys.executable, "-P", "-m", MODULE
        try:
            child = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=MEBIBYTE
            )
        except OSError:
            self._fail()
            return
        try:
            await _ask(child, known)
            self._names, self._child = frozenset(one.name for one in known), child
        except _FAILURES:
            self._fail()
        finally:
            if self._child is not child:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()


def _describe(source: Source) -> TranslatedSource | None:
    """None for a source whose mapping translates nothing."""
    text = source.mapping_text
    return None if text is None else TranslatedSource(source.name, text.name, text.text, source.vars, source.scope)


async def _ask(child: Process, question: object) -> Sequence[Translation | EventNeeded]:
    """Send one message, and return the answer. Raises EOFError or OSError where the child is gone."""
    assert child.stdin is not None  # noqa: S101  it was started with both
    assert child.stdout is not None  # noqa: S101  the same
    content = pickle.dumps(question, pickle.HIGHEST_PROTOCOL)
    child.stdin.write(SIZE.pack(len(content)))
    child.stdin.write(content)
    size = SIZE.unpack(await child.stdout.readexactly(SIZE.size))[0]
    found: Sequence[Translation | EventNeeded] = pickle.loads(await child.stdout.readexactly(size))  # noqa: S301  our own child's
    return found
