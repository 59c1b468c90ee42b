"""What a bridge costs before and between its webhooks: the start, memory, and the CPU of doing nothing.

Not concerned with load.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from time import perf_counter, sleep

import filled
import processes
import servers
import truth
from figures import Figure, Rounds
from ground import FIRST_NUMBER, Ground, tell
from wrong import hold

from bridge.store.protocol import Store

PENDING = 100_000
_GROUP = 2000
_SETTLING = 2.0
_WATCHED = 10.0
_NOBODY = {"BRIDGE_TRACK_URL": "http://127.0.0.1:9", "BRIDGE_TRACK_KEY": "upstream-key", "BRIDGE_TRACK_RATE": "0"}


def cold_start(ground: Ground) -> list[Figure]:
    """The command's help, and `serve` on a fresh store until it answers."""
    rounds = Rounds()
    for _ in range(max(5, ground.plan.rounds)):
        began = perf_counter()
        ended = subprocess.run([str(servers.TRACKBRIDGE), "--help"], check=False, capture_output=True)
        rounds.add("cold start: --help", "s", perf_counter() - began)
        hold(ended.returncode == 0 and b"serve" in ended.stdout, "trackbridge --help does not help")
        folder = ground.place()
        began = perf_counter()
        with servers.bridge(folder, servers.settings(None)) as bridge:
            bridge.get("/healthz")
            rounds.add("cold start: serve until it answers", "s", perf_counter() - began)
    return rounds.figures()


def memory(ground: Ground) -> list[Figure]:
    """All processes of `serve`, idle on a fresh store, and with deliveries pending that nobody takes."""
    rounds = Rounds()
    full = ground.place()
    tell(f"memory: making {PENDING:,} pending deliveries")
    truth.asked(full, _pending)
    for number in range(ground.plan.rounds):
        tell(f"memory: round {number + 1}")
        with servers.bridge(ground.place(), servers.settings(None) | _NOBODY) as bridge:
            rounds.add("memory: idle, workers as usual", "MB", _most_memory(bridge))
        with servers.bridge(ground.place(), servers.settings(None) | _NOBODY, workers=1) as bridge:
            idle = _most_memory(bridge)
        with servers.bridge(full, servers.settings(None) | _NOBODY, workers=1) as bridge:
            hold(f'state="pending"}} {PENDING:.1f}' in bridge.get("/metrics"), "the pending deliveries are not there")
            pending = _most_memory(bridge)
        rounds.add("memory: idle, one worker", "MB", idle)
        rounds.add("memory: 100,000 pending add", "MB", pending - idle)
    shutil.rmtree(full)
    return rounds.figures()


def idle(ground: Ground) -> list[Figure]:
    """CPU of an idle bridge."""
    rounds = Rounds()
    with servers.bridge(ground.place(), servers.settings(None) | _NOBODY) as bridge:
        sleep(_SETTLING)
        for _ in range(max(1, ground.plan.rounds // 2)):
            before, began = processes.cpu_seconds(bridge.process.pid), perf_counter()
            sleep(_WATCHED)
            used = processes.cpu_seconds(bridge.process.pid) - before
            rounds.add("idle: CPU", "% of a core", 100 * used / (perf_counter() - began))
    return rounds.figures()


async def _pending(store: Store) -> None:
    now = datetime.now(UTC)
    for first in range(FIRST_NUMBER, FIRST_NUMBER + PENDING, _GROUP):
        await store.accept_events([filled.purchase(number, at=now) for number in range(first, first + _GROUP)], now=now)


def _most_memory(bridge: servers.Server) -> float:
    """The most that it had, looked at over some seconds."""
    most = 0.0
    for _ in range(int(2 * _SETTLING / 0.25)):
        sleep(0.25)
        most = max(most, processes.memory(bridge.process.pid))
    return most
