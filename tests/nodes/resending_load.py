"""A load that sends what it has until it hears a 200, to whichever node answers, as providers do."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx
from crash_run import API_KEY, order, purchase
from node import Node

PATIENCE = 6.0
"""Seconds for which an answer is waited for."""
SEVERAL = 3
"""Events in a batch."""
PASSING = frozenset({500, 502, 503})


@dataclass
class ResendingLoad:
    """What was sent, and what was answered 200, by order; `answers` by their status."""

    nodes: Sequence[Node]
    seed: int
    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    longest_gap: float = 0.0
    """Seconds between two acknowledgements, at most, since this was last set to 0."""
    _last: float = field(default_factory=time.monotonic)
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self, *, workers: int = 4) -> Iterator[None]:
        """Load until the end of the block; then each sends on until it has heard a 200 of what it sent last."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._work, args=(stop, number)) for number in range(workers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def so_far(self) -> int:
        """How many were answered 200 until now."""
        return len(self.acknowledged)

    def _work(self, stop: threading.Event, number: int) -> None:
        rng = random.Random(f"{self.seed}-{number}")
        headers = {"Authorization": f"Bearer {API_KEY}"}
        with httpx.Client(trust_env=False, timeout=PATIENCE, headers=headers) as client:
            while not stop.is_set():
                names = self._named(rng)
                self._until_acknowledged(client, rng, names)
                if rng.random() < 0.1:  # a provider sends again what was answered
                    self._until_acknowledged(client, rng, names)
                stop.wait(rng.uniform(0, 0.04))

    def _until_acknowledged(self, client: httpx.Client, rng: random.Random, names: Sequence[str]) -> None:
        ends = time.monotonic() + 120
        while time.monotonic() < ends:
            with suppress(httpx.HTTPError, OSError):
                url = rng.choice(self.nodes).url
                if url is not None and self._noted(names, self._send(client, url, names)):
                    return
            time.sleep(rng.uniform(0.01, 0.1))
        self.wrong.append(f"{names[0]} was not acknowledged within two minutes")

    def _send(self, client: httpx.Client, url: str, names: Sequence[str]) -> httpx.Response:
        if len(names) > 1:
            return client.post(f"{url}/v1/track/batch", json={"events": [purchase(one) for one in names]})
        if _kind(names[0]) == "webhook":
            headers, raw = order(names[0])
            return client.post(f"{url}/webhooks/shopify", headers=headers, content=raw)
        key = {"Idempotency-Key": names[0]} if int(names[0][2:]) % 2 else {}
        return client.post(f"{url}/v1/track", json=purchase(names[0]), headers=key)

    def _named(self, rng: random.Random) -> list[str]:
        with self._lock:
            count = SEVERAL if rng.random() < 0.1 else 1
            names = [f"o-{self._count + n + 1}" for n in range(count)]
            self._count += count
            self.sent |= set(names)
        return names

    def _noted(self, names: Sequence[str], answer: httpx.Response) -> bool:
        now = time.monotonic()
        with self._lock:
            self.answers[str(answer.status_code)] += 1
            if answer.status_code != 200:
                if answer.status_code not in PASSING or "retry-after" not in answer.headers:
                    self.wrong.append(f"{names[0]} was answered {answer.status_code}: {answer.text[:200]}")
                return False
            self.acknowledged |= set(names)
            self.longest_gap = max(self.longest_gap, now - self._last)
            self._last = now
        return True


def _kind(name: str) -> str:
    return "webhook" if int(name[2:]) % 3 else "track"
