"""Kept webhooks put through their mapping again, by hand as an owner does: those set aside, and those made already.

From the command's start until all is at the sink, which must have every one. Not concerned with single webhooks.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

import filled
import made_up
import servers
import truth
from end_to_end import STUCK
from figures import Figure, Rounds
from goals import FLOOR
from ground import FIRST_NUMBER, Ground, tell
from servers import Sink
from wrong import hold

from bridge.store.protocol import Store

COUNT = 2000
GROUP = 500
NUMBERS = range(FIRST_NUMBER, FIRST_NUMBER + COUNT)


def measured(ground: Ground) -> list[Figure]:
    """Both kinds in turn with the floor, on a fresh store each round."""
    rounds = Rounds()
    for number in range(ground.plan.rounds):
        tell(f"replay: round {number + 1}")
        floor = ground.load(ground.floor(), ground.webhook, ground.pace(32)).rate
        folder = ground.place()
        truth.asked(folder, _set_aside)
        with ground.sink() as sink, servers.bridge(folder, servers.settings(sink)):
            aside = _rate(folder, sink, "--set-aside", times=1)
            again = _rate(folder, sink, "--source", filled.SOURCE, "--send-again", times=2)
        rounds.add("replay: set aside", "1/s", aside)
        rounds.add(f"replay: set aside, {FLOOR}", "", aside / floor)
        rounds.add("replay: made already", "1/s", again)
        rounds.add(f"replay: made already, {FLOOR}", "", again / floor)
    return rounds.figures()


async def _set_aside(store: Store) -> None:
    now = datetime.now(UTC)
    for first in NUMBERS[::GROUP]:
        await store.keep(filled.webhooks(range(first, first + GROUP), made_up.order(), at=now))
        fresh = await store.claim_batch(now=now, limit=GROUP, lease=filled.LEASE)
        await store.complete_batch(fresh, filled.outcomes(fresh.webhooks, aside_every=1), now=now)


def _rate(folder: Path, sink: Sink, *words: str, times: int) -> float:
    """Webhooks a second from the command's start until the sink has each so many times."""
    began = progressed = monotonic()
    _replay(folder, sink, words)
    there = sink.count()
    while there < COUNT * times:
        sleep(0.05)
        before, there = there, sink.count()
        progressed = monotonic() if there > before else progressed
        hold(monotonic() - progressed < STUCK, f"{COUNT * times - there} that were replayed are not sent")
    took = monotonic() - began
    found = Counter(map(int, sink.orders()))
    hold(set(found.values()) == {times}, f"orders came {sorted(set(found.values()))} times instead of {times}")
    truth.same("at the sink", Counter(found.keys()), acknowledged=set(NUMBERS), sent=NUMBERS)
    return COUNT / took


def _replay(folder: Path, sink: Sink, words: Sequence[str]) -> None:
    with (folder / "replay.txt").open("a") as said:
        command = [str(servers.TRACKBRIDGE), "replay", *words]
        env = servers.environment(servers.settings(sink))
        ended = subprocess.run(command, cwd=folder, env=env, stdout=said, stderr=said, check=False, timeout=300)
    hold(ended.returncode == 0, f"trackbridge replay ended with {ended.returncode}")
