"""All senders of one process: `concurrency` of them for each destination.

`destinations/` decides what is sent and what an answer means, `retry_policy` what becomes of a delivery.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

from bridge.core import log
from bridge.core.heartbeat import Heartbeat, Ticks
from bridge.core.sealing import SealKeys
from bridge.destinations.protocol import Destination
from bridge.pipeline.access_tokens import AccessTokens
from bridge.pipeline.claim_lease import uptime_seconds
from bridge.pipeline.destination_check import DestinationChecks
from bridge.pipeline.http_client import Send, load_trusted_certificates, open_client
from bridge.pipeline.refresh_tokens import RefreshTokens
from bridge.pipeline.retry_policy import RetryPolicy
from bridge.pipeline.sender import AttemptMetrics, Sender, SenderDeps
from bridge.store.protocol import Store

__all__ = [
    "AttemptMetrics",
    "DeliveryLoops",
    "Send",
]

IDLE = timedelta(seconds=1)
"""How long an idle sender waits before it looks for work that another process has accepted."""
_POLICY = RetryPolicy()


class DeliveryLoops:
    """All senders of one process. `run` continues until `stop`.

    `check`: destinations that can be asked without an event are asked at the start, and while they are paused.
    `seal_keys` seal the refresh tokens that the store keeps.
    """

    def __init__(  # noqa: PLR0913  all that the loops depend on, by name
        self,
        *,
        store: Store,
        destinations: Sequence[Destination],
        clock: Callable[[], datetime],
        metrics: AttemptMetrics,
        ticks: Ticks = time.monotonic,
        uptime: Ticks = uptime_seconds,
        send: Send | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        policy: RetryPolicy = _POLICY,
        idle: timedelta = IDLE,
        check: bool = False,
        seal_keys: SealKeys | None = None,
    ) -> None:
        self._policy = policy
        self._send = send
        world = SenderDeps(
            store=store,
            clock=clock,
            ticks=ticks,
            uptime=uptime,
            sleep=sleep,
            jitter=jitter,
            metrics=metrics,
            policy=policy,
            idle=idle,
            seldom=log.RateLimitedLog(),
        )
        refresh_tokens = RefreshTokens(store, seal_keys, clock=clock, sleep=sleep) if seal_keys is not None else None
        self._senders = [
            Sender(destination, world, tokens)
            for destination in destinations
            for tokens in [AccessTokens(clock, refresh_tokens)]
            for _ in range(destination.concurrency)
        ]
        self._checks = DestinationChecks(destinations if check else (), world)
        self._tasks: list[asyncio.Task[None]] = []

    def heartbeats(self) -> dict[str, list[Heartbeat]]:
        """The heartbeats of each destination's senders, by its name."""
        return {
            name: [sender.heartbeat for sender in self._senders if sender.destination == name]
            for name in dict.fromkeys(sender.destination for sender in self._senders)
        }

    def notify(self) -> None:
        """Wake the senders: there may be something to deliver."""
        for sender in self._senders:
            sender.notify()

    async def run(self) -> None:
        """Deliver until stopped; no error ends a sender."""
        async with AsyncExitStack() as stack:
            sends = await self._open_sends(stack)
            self._tasks = [asyncio.create_task(sender.run(sends[sender.destination])) for sender in self._senders]
            async with self._checks.running(sends):
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _open_sends(self, stack: AsyncExitStack) -> dict[str, Send]:
        """How each destination sends, by its name: over connections of its own."""
        names = dict.fromkeys(sender.destination for sender in self._senders)
        if self._send is not None:
            return dict.fromkeys(names, self._send)
        trusted = load_trusted_certificates()
        timeout = self._policy.timeout
        return {name: await stack.enter_async_context(open_client(timeout, trusted)) for name in names}

    async def stop(self, grace: timedelta) -> None:
        """Claim nothing more; return when the requests under way are recorded, or `grace` is over.

        A request that is still under way then is cancelled; the lease makes its deliveries due again.
        """
        for sender in self._senders:
            sender.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace.total_seconds())
            for task in late:
                task.cancel()
