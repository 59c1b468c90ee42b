"""Kills a bridge under load at random moments, again and again, and looks whether every promise held.

All of it, or one of its processes, is killed while it takes, translates, delivers, purges, starts,
and migrates stores of earlier versions.

    python tests/faults/crash.py --kills 300
    python tests/faults/crash.py --kills 0    (only the migrations, each killed at its every write)
    python tests/faults/crash.py --kills 60 --payments    (only payments of which several webhooks come)

`--kills N` kills N times while orders come that one webhook each tells, then N times while payments come.

Not concerned with how the load is made or what must hold: that is in `crash_run.py`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from crash_payments import PaymentLoad, hold_payments
from crash_payments import settings_for as settings_for_payments
from crash_run import (
    API_KEY,
    Load,
    after_a_while,
    burning,
    disk,
    hold,
    killed_child,
    killed_while_starting,
    order,
    purchase,
    quiet,
    settings_for,
)
from migration_kills import Gone, aged, earlier, killed_while_migrating, waiting_to_go
from old_stores import NAMES
from peers import upstream

STARTS = 3
"""Every so many kills comes one while it starts."""
AGES = 4
"""Every so many kills what is done with is made old, so that the next one is killed while it purges."""
MENDED = 2
"""Every so many kills single processes are killed before all are, and the parent has to mend it."""
SIZE = 200
"""Webhooks, and events, that an old store holds, and half as many webhooks without a row wherever it may hold some."""


def crash(folder: Path, *, kills: int, seed: int, longest: float = 2.0) -> dict[str, int]:
    """Kill it so often; figures of what went on, once everything was looked at."""
    rng = random.Random(seed)
    load, gone = Load(), Gone()
    with upstream() as peer:
        settings = settings_for(peer.url)
        amid_purges = children = 0
        for number in range(kills):
            if number % STARTS == 0:
                killed_while_starting(folder, settings, rng.uniform(0.1, 1.2))
                continue
            old = _aged(folder, settings, gone) if number % AGES == AGES - 1 else 0
            with burning(folder, settings) as bridge, load.on(bridge.url):
                if old:
                    _until_some_are_gone(folder, old)
                else:
                    after_a_while(rng, longest)
                for _ in range(rng.randrange(1, 4) if number % MENDED == 0 else 0):
                    killed_child(bridge, rng)
                    after_a_while(rng, longest)
                    children += 1
                bridge.kill()
            amid_purges += 0 < waiting_to_go(folder) < old
        quiet(folder, settings)
        _sent_again(folder, settings, rng.sample(sorted(gone.events.items()), min(40, len(gone.events))))
        figures = hold(folder, load, peer.taken(), purged=gone.events, known=gone.ledger)
        return figures | {"kills": kills, "killed_amid_purges": amid_purges, "killed_children": children}


def crash_payments(folder: Path, *, kills: int, seed: int, longest: float = 2.0) -> dict[str, int]:
    """Kill it so often while payments wait for richer webhooks, are remembered, linked and refunded; figures of it."""
    rng = random.Random(seed)
    load = PaymentLoad(seed)
    with upstream() as peer:
        settings = settings_for_payments(peer.url)
        children = 0
        for number in range(kills):
            if number % STARTS == STARTS - 1:
                killed_while_starting(folder, settings, rng.uniform(0.1, 1.2))
                continue
            with burning(folder, settings) as bridge, load.on(bridge.url):
                after_a_while(rng, longest)
                for _ in range(rng.randrange(1, 4) if number % MENDED == 0 else 0):
                    killed_child(bridge, rng)
                    after_a_while(rng, longest)
                    children += 1
                bridge.kill()
        with burning(folder, settings) as bridge:
            load.finish(bridge.url)
            assert bridge.stop() == 0
        quiet(folder, settings)
        figures = hold_payments(folder, load.payments, peer.taken())
    return figures | {"kills_amid_payments": kills, "killed_children_amid_payments": children}


def _aged(folder: Path, settings: dict[str, str], gone: Gone) -> int:
    """How many events are old; where nothing is done with yet, a quiet bridge first does what there is."""
    old = aged(folder, gone)
    if not old:
        quiet(folder, settings)
        old = aged(folder, gone)
    return old


def _until_some_are_gone(folder: Path, old: int) -> None:
    deadline = time.monotonic() + 5
    while waiting_to_go(folder) == old and time.monotonic() < deadline:
        time.sleep(0.001)


def _sent_again(folder: Path, settings: dict[str, str], events: list[tuple[str, str]]) -> None:
    """What was purged is known all the same when whoever told it tells it once more."""
    with (
        burning(folder, settings) as bridge,
        httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {API_KEY}"}) as client,
    ):
        for event, name in events:
            headers, raw = order(name)
            by_key = event == f"e-{name}"
            answer = (
                client.post(f"{bridge.url}/v1/track", json=purchase(name))
                if by_key
                else client.post(f"{bridge.url}/webhooks/shopify", headers=headers, content=raw)
            )
            assert answer.status_code == 200
        assert bridge.stop() == 0


def crash_migrating(folder: Path, *, names: Sequence[str] = NAMES, size: int = SIZE, every: int = 1) -> dict[str, int]:
    """Kill the migration of each of these old stores at its every write, then let the last one go on.

    Everything it had is delivered once, also what had no row yet; sent again, it is known.
    """
    figures = {"migrations": 0, "migrations_killed": 0}
    for name in names:
        place, load = folder / name, Load()
        place.mkdir()
        earlier(place, load, name=name, size=size)
        figures["migrations_killed"] += sum(1 for _ in killed_while_migrating(disk(place), every=every))
        with upstream() as peer:
            settings = settings_for(peer.url)
            quiet(place, settings)
            hold(place, load, peer.taken())
            again = [(f"{'e-' if one.endswith('-e') else 'source '}{one}", one) for one in sorted(load.sent)]
            _sent_again(place, settings, again)
            quiet(place, settings)
            hold(place, load, peer.taken())
        figures["migrations"] += 1
    return figures


def main() -> int:
    """Run by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--every", type=int, default=1, help="of how many writes of a migration one is its last")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--payments", action="store_true", help="only the kills while payments wait and are linked")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"seed {options.seed}", flush=True)  # noqa: T201  how it speaks
        began = time.monotonic()
        figures = {} if options.payments else crash_migrating(Path(folder), every=options.every)
        if options.kills:
            if not options.payments:
                figures |= crash(Path(folder), kills=options.kills, seed=options.seed)
            (place := Path(folder) / "payments").mkdir()
            figures |= crash_payments(place, kills=options.kills, seed=options.seed)
        print(" ".join(f"{name}={value}" for name, value in figures.items()), f"seconds={time.monotonic() - began:.0f}")  # noqa: T201  how it speaks
    return 0


if __name__ == "__main__":
    sys.exit(main())
