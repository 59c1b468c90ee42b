"""Kills a bridge under load at random moments, again and again, and looks whether every promise held.

    python tests/fire/crash.py --kills 300

Not concerned with how the load is made or what must hold: that is in `blaze.py`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from blaze import Load, after_a_while, burning, hold, killed_while_starting, quiet, settings_for
from peers import upstream

STARTS = 3
"""Every so many kills comes one while it starts."""


def crash(folder: Path, *, kills: int, seed: int, longest: float = 2.0) -> dict[str, int]:
    """Kill it so often; figures of what went on, once everything was looked at."""
    rng = random.Random(seed)
    load = Load()
    with upstream() as peer:
        settings = settings_for(peer.url)
        for number in range(kills):
            if number % STARTS == 0:
                killed_while_starting(folder, settings, rng.uniform(0.1, 1.2))
                continue
            with burning(folder, settings) as bridge, load.on(bridge.url):
                after_a_while(rng, longest)
                bridge.kill()
        quiet(folder, settings)
        return hold(folder, load, peer.taken()) | {"kills": kills}


def main() -> int:
    """Run by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"seed {options.seed}", flush=True)  # noqa: T201  how it speaks
        began = time.monotonic()
        figures = crash(Path(folder), kills=options.kills, seed=options.seed)
        print(" ".join(f"{name}={value}" for name, value in figures.items()), f"seconds={time.monotonic() - began:.0f}")  # noqa: T201  how it speaks
    return 0


if __name__ == "__main__":
    sys.exit(main())
