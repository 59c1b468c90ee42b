"""Which API keys may call the track API, and how often: compared in constant time, with a sliding window for each.

Pure: the time of a request is an argument. Only the SHA-256 of a key is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.core.dedupe_keys import DEFAULT_SCOPE
from bridge.core.errors import SettingsError

MINUTE = 60.0
LEAST_OF_NODE = 60
"""Requests a minute that a node lets through in any case, where the key's rate is as high: one a second."""
SHORTEST_KEY = 16
"""Characters, or decoded bytes, that a secret or key has at least: 16 random bytes are 128 bits."""
_DIGEST = "sha256:"


class ApiKeySettings(Protocol):
    """An API key as the operator set it."""

    @property
    def name(self) -> str:
        """Its name in logs and ids; no two keys have the same."""
        ...

    @property
    def key(self) -> str:
        """The key itself, or `sha256:` and the 64 hexadecimal digits of its SHA-256."""
        ...

    @property
    def rate(self) -> int:
        """Requests a minute; 0 means no limit."""
        ...

    @property
    def scope(self) -> str | None:
        """The ledger's scope that its conversions, event ids and Idempotency-Keys belong to; None means `track`."""
        ...

    @property
    def to(self) -> tuple[str, ...] | None:
        """The destinations its events go to; None means all."""
        ...


class RateLimiter(Protocol):
    """How often one key may call."""

    def acquire(self, now: float) -> float:
        """Returns 0 if a request at `now` passes, and counts it; else the seconds after which one would pass."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of one API key."""

    name: str
    scope: str
    to: tuple[str, ...] | None
    window: RateLimiter

    @property
    def origin(self) -> str:
        """The origin of its events."""
        return f"key:{self.name}"


class ApiKeys:
    """All API keys, each with a rate limiter that `pace` makes for its rate.

    Raises SettingsError for a key that no request could carry, and for two keys that are the same.
    """

    def __init__(self, keys: Sequence[ApiKeySettings], *, pace: Callable[[int], RateLimiter] | None = None) -> None:
        pace = pace or SlidingWindow
        self._known: list[tuple[bytes, Caller]] = []
        for key in keys:
            digest = read_digest(key.key, what=f"the API key `{key.name}`")
            for other, caller in self._known:
                if other == digest:
                    raise SettingsError(f"the API keys `{caller.name}` and `{key.name}` are the same; take one out")
                if caller.name == key.name:
                    raise SettingsError(f"two API keys are called `{key.name}`; give each its own name")
            self._known.append((digest, Caller(key.name, key.scope or DEFAULT_SCOPE, key.to, pace(key.rate))))

    def find_caller(self, key: bytes) -> Caller | None:
        """Returns the caller with this key, None if it is unknown. Takes as long for a wrong key as for a right one."""
        digest = hashlib.sha256(key).digest()
        found = None
        for known, caller in self._known:
            if hmac.compare_digest(known, digest):
                found = caller
        return found


def share_of_rate(rate: int, nodes: int) -> int:
    """What one of so many nodes lets through of a key's `rate`: an equal part, at least LEAST_OF_NODE."""
    return min(rate, max(rate // max(nodes, 1), LEAST_OF_NODE))


def _alone() -> int:
    return 1


class SlidingWindow:
    """At most `rate` requests in any 60 seconds, exactly; those refused do not count. 0 means no limit.

    Where other nodes take requests with the same key, `nodes` says how many there are with this one.
    """

    def __init__(self, rate: int, *, nodes: Callable[[], int] = _alone) -> None:
        self._rate = rate
        self._nodes = nodes
        self._passed: deque[float] = deque()

    def acquire(self, now: float) -> float:
        """Returns 0 if a request at `now` passes, and counts it; else the seconds after which one would pass.

        `now` is a clock that never goes back, in seconds.
        """
        if not self._rate:
            return 0.0
        passed = self._passed
        while passed and now - passed[0] >= MINUTE:
            passed.popleft()
        limit = share_of_rate(self._rate, self._nodes())
        if len(passed) >= limit:
            return MINUTE - (now - passed[-limit])
        passed.append(now)
        return 0.0


def read_digest(text: str, *, what: str) -> bytes:
    """The SHA-256 of a key that was set as itself, or as `sha256:` and 64 hexadecimal digits.

    Raises SettingsError that names `what` was set, without its value.
    """
    if not text.strip():
        raise SettingsError(f"{what} is blank; give it a value or take it out")
    if not text.startswith(_DIGEST):
        return hashlib.sha256(text.encode()).digest()
    digits = text.removeprefix(_DIGEST)
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise SettingsError(f"{what} begins with sha256: but no 64 hexadecimal digits follow")
    return bytes.fromhex(digits)
