"""Asks destinations without an event whether address and key are right: at the start, and while they are paused.

So a wrong key is known before the first sale, and a pause ends when what caused it is mended, also where no delivery
waits that could be the probe.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from bridge.core.delivery import Delivered, Misconfigured, Mixed, Rejected, Response, Retryable
from bridge.core.errors import StoreUnavailable
from bridge.destinations.protocol import CheckableDestination, Destination
from bridge.pipeline.http_client import Send
from bridge.pipeline.sender import SenderDeps

EVERY = timedelta(seconds=1)
"""How long until the state of a destination is looked at again."""
AGAIN = timedelta(seconds=30)
"""How long until one that did not answer is asked again."""


class DestinationChecks:
    """The checks of all destinations, while `running` is entered. No error ends one, and no delivery waits for it."""

    def __init__(self, destinations: Sequence[Destination], world: SenderDeps) -> None:
        self._destinations = destinations
        self._world = world

    @asynccontextmanager
    async def running(self, sends: Mapping[str, Send]) -> AsyncIterator[None]:
        """Check; `sends` is how each destination is sent to, by its name."""
        tasks = [asyncio.create_task(self._watch(one, sends[one.name])) for one in self._destinations]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, destination: Destination, send: Send) -> None:
        if not isinstance(destination, CheckableDestination):
            await self._probe_at_start(destination)
            return
        ask_at: datetime | None = self._world.clock()
        while True:
            try:
                now = self._world.clock()
                if (ask_at is not None and ask_at <= now) or await self._needs_probe(destination, now):
                    ask_at = await self._ask(destination, send)
            except StoreUnavailable:
                pass  # the senders say so
            except Exception as error:  # noqa: BLE001  a fault of ours must not end the checks
                self._world.seldom.warn(
                    "destination.fault", now=self._world.clock(), destination=destination.name,
                    error=type(error).__name__,
                )  # fmt: skip
                ask_at = self._world.clock() + AGAIN
            await self._world.sleep(EVERY.total_seconds())

    async def _probe_at_start(self, destination: Destination) -> None:
        """The address or key of a paused one may have been changed."""
        with suppress(StoreUnavailable):
            await self._world.store.resume_destination(destination.name, now=self._world.clock())

    async def _needs_probe(self, destination: Destination, now: datetime) -> bool:
        """Whether it is paused, its probe is due, and no delivery waits that could be it."""
        state = await self._world.store.destination_state(destination.name, now=now)
        if state.paused is None or state.probe_at is None or state.probe_at > now:
            return False
        return await self._world.store.next_due(destination.name, now=now) is None

    async def _ask(self, destination: CheckableDestination, send: Send) -> datetime | None:
        """Ask once, and write what was found; returns when to ask again by itself."""
        world, name = self._world, destination.name
        response = await send(destination.check_request())
        now = world.clock()
        outcome = destination.read_response(response, sent=0, now=now)
        match outcome:
            case Delivered() | Rejected() | Mixed():
                await world.store.record_check(name, failed=None, now=now)
                await world.store.resume_destination(name, now=now, works=True)
                return None
            case Misconfigured(reason):
                await world.store.record_check(name, failed=None, now=now)
                probe_at = now + world.policy.most_probe
                await world.store.pause_destination(name, reason=reason, probe_at=probe_at, now=now)
                world.seldom.warn("destination.check", now=now, destination=name, why=reason, state="paused")
                return None
            case Retryable(reason):
                return await self._note_failure(name, reason, response, now)

    async def _note_failure(self, name: str, reason: str, response: Response, now: datetime) -> datetime:
        await self._world.store.record_check(name, failed=reason, now=now)
        self._world.seldom.warn("destination.check", now=now, destination=name, why=reason, status=response.status)
        return now + AGAIN
