"""Who comes is written in groups: one alone waits for nobody, a few that come close together are written together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bridge.store.callbacks import AnswerCallback
from bridge.store.group_commit import GroupCommit


class Writer:
    """Takes groups, and answers them when told to, or at once."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.groups: list[list[str]] = []
        self._at_once = at_once
        self._thens: list[AnswerCallback[str]] = []
        self.arrivals: GroupCommit[str, str] = GroupCommit(self.ask, limit=100, patience=60.0)

    def ask(self, group: Sequence[str], _since: float, then: AnswerCallback[str]) -> None:
        self.groups.append(list(group))
        if self._at_once:
            asyncio.get_running_loop().call_soon(then, list(group))
        else:
            self._thens.append(then)

    def answer(self) -> None:
        """Answer the oldest group that waits."""
        then = self._thens.pop(0)
        then(self.groups[-1 - len(self._thens)])

    async def asked(self, count: int) -> None:
        """Return when so many groups have come."""
        while len(self.groups) < count:  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(0.001)


def brought(writer: Writer, *names: str) -> list[asyncio.Future[str]]:
    return [writer.arrivals.submit(name) for name in names]
