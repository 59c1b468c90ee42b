"""The loop that tells people when something needs them, and when that is over.

What needs a person is decided elsewhere: the loop is given it as sentences by their causes. A cause must be there in
two looks in a row, so that a restart is no alert. Nothing can be told by a machine that is down.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from bridge.core import log
from bridge.core.errors import AlertFailed, StoreUnavailable
from bridge.core.heartbeat import Heartbeat
from bridge.core.visible_text import make_visible
from bridge.pipeline.alert_channels import AlertChannel
from bridge.pipeline.alert_state import AlertState

EVERY = 30.0
"""Seconds between two looks."""
LONGEST = 500
"""Characters of a sentence; the rest is in `trackbridge status`."""
MOST_LINES = 30
NeedsPerson = Callable[[], Awaitable[Mapping[str, str]]]
"""A sentence for each cause that needs a person now, by the cause. Raises StoreUnavailable."""
_ADDRESS = re.compile(r"\S*[^\s@]@[^\s@]\S*")


class AlertLoop:
    """The loop. `run` continues until `stop`; `heartbeat` has when a look last succeeded.

    `channels` is asked at each look, because a reload changes them. While there are none, nothing is looked at.
    """

    def __init__(
        self,
        *,
        needs: NeedsPerson,
        channels: Callable[[], Sequence[AlertChannel]],
        state: AlertState,
        clock: Callable[[], datetime],
        every: float = EVERY,
    ) -> None:
        self._needs = needs
        self._channels = channels
        self._state = state
        self._clock = clock
        self._every = every
        self._seen: frozenset[str] = frozenset()
        self._sentences: dict[str, str] = {}
        self._seldom = log.RateLimitedLog()
        self._stopping = asyncio.Event()
        self.heartbeat = Heartbeat()

    def stop(self) -> None:
        """Look no more; `run` returns when the look under way is done."""
        self._stopping.set()

    async def run(self) -> None:
        """Look at once and then regularly; no error ends the loop."""
        while not self._stopping.is_set():
            try:
                if self._channels():
                    await self.look_once()
                self.heartbeat.record_success()
            except StoreUnavailable:
                self.heartbeat.record_failure()  # what works with the store says so
            except Exception as error:  # noqa: BLE001  a fault of ours must not stop the loop
                self._seldom.warn("alert.fault", now=self._clock(), error=type(error).__name__)
                self.heartbeat.record_failure()
            await self._wait_or_stop()

    async def look_once(self) -> None:
        """Look, and tell what is to be told. Where no channel takes it, it is told at the next look."""
        current = await self._needs()
        steady = {cause: text for cause, text in current.items() if cause in self._seen}
        self._seen = frozenset(current)
        self._sentences |= steady
        now = self._clock()
        begun, over = self._state.find_begun(steady, now=now), self._state.find_over(current, now=now)
        if (begun or over) and await self._tell_all(begun, over):
            self._state.record_told(begun, over, now=now)
            log.log_line("alert.sent", needs=len(begun), over=len(over))

    async def _tell_all(self, begun: Sequence[str], over: Sequence[str]) -> bool:
        """Whether any channel has taken it: what one has told is not told again for the sake of another."""
        title, lines = write_alert([self._sentences[cause] for cause in begun], [self._past(one) for one in over])
        results = await asyncio.gather(*(self._tell(channel, title, lines) for channel in self._channels()))
        return any(results)

    async def _tell(self, channel: AlertChannel, title: str, lines: Sequence[str]) -> bool:
        try:
            await channel.send_alert(title, lines)
        except AlertFailed as error:
            self._seldom.warn("alert.failed", now=self._clock(), reason=channel.name, why=str(error))
            return False
        return True

    def _past(self, cause: str) -> str:
        """What was told of it; only its cause where that was before a restart."""
        return self._sentences.pop(cause, cause)

    async def _wait_or_stop(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), self._every)
        except TimeoutError:
            return


def write_alert(begun: Sequence[str], over: Sequence[str]) -> tuple[str, list[str]]:
    """The title and the lines of one message. No line holds what looks like a mail address."""
    where = socket.gethostname()
    count = len(begun)
    if begun:
        title = f"trackbridge on {where}: {count} thing{'s' * (count > 1)} need{'s' * (count == 1)} you"
    else:
        title = f"trackbridge on {where}: over, nothing more to do for {len(over)} thing{'s' * (len(over) > 1)}"
    lines = [f"• {_shorten(text)}" for text in begun] + [f"• over: {_shorten(text)}" for text in over]
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"• and {len(lines) - MOST_LINES} more"]
    return title, [*lines, "`trackbridge status` says how everything stands."]


def _shorten(text: str) -> str:
    shown = _ADDRESS.sub("[…]", make_visible(text))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
