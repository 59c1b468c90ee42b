"""Keeps a sender from sending what another one may be sending by now: deliveries are its own until their lease is over.

The store judges the lease by its own clock. Here the time since the claim is measured by a clock that nobody sets and
that goes on while the machine is suspended: a process that was stopped, or its virtual machine, finds out so.
"""

from __future__ import annotations

import time

from bridge.core.delivery import Outgoing, Response
from bridge.core.heartbeat import Ticks
from bridge.pipeline.http_client import Send
from bridge.pipeline.retry_policy import RetryPolicy

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""CLOCK_MONOTONIC stands still while the machine is suspended: https://man7.org/linux/man-pages/man2/clock_gettime.2.html"""
LEASE_OVER = "not sent: the process or its machine stood still, or the store was slow, until the lease was nearly over"


class LeaseOverError(Exception):
    """A request was not made, since it might not end before the lease of its claim."""


def uptime_seconds() -> float:
    """Seconds since the machine was started, also those while it was suspended, where its system tells them."""
    return time.clock_gettime(_CLOCK)


class ClaimLease:
    """The lease of one claim, from the moment before it was asked for: it cannot have begun earlier."""

    def __init__(self, uptime: Ticks, policy: RetryPolicy) -> None:
        self._uptime = uptime
        self._ends = uptime() + (policy.lease - policy.timeout).total_seconds()

    def guard(self, send: Send) -> Send:
        """The same, which raises LeaseOverError instead of beginning a request that may last beyond the lease."""

        async def send_in_time(outgoing: Outgoing) -> Response:
            if self._uptime() > self._ends:
                raise LeaseOverError
            return await send(outgoing)

        return send_in_time
