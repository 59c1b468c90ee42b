"""Backs a bridge up under load at random moments, restores each backup beside it, and looks whether every promise held.

    python tests/faults/backups.py --rounds 20

Not concerned with how the load is made: that is in `blaze.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from crash_run import (
    INBOX,
    STORE,
    Load,
    after_a_while,
    burning,
    quiet,
    settings_for,
    the_counts_agree,
    the_ledger_agrees,
)
from peers import Upstream, trackbridge, upstream

FULL = {"FIRE_LOG_FILE": "2000"}
"""So that files of the ingest log come and go many times a second."""


def backups(folder: Path, *, rounds: int, seed: int) -> dict[str, int]:
    """So many backups of one bridge under load, each restored and worked off; figures of what went on."""
    rng, load, figures = random.Random(seed), Load(), {"acknowledged": 0, "waiting": 0, "log_files": 0, "restored": 0}
    main = folder / "main"
    main.mkdir()
    with upstream() as peer:
        settings = settings_for(peer.url) | FULL
        for number in range(rounds):
            target = folder / f"backup-{number}"
            with burning(main, settings) as bridge, load.on(bridge.url):
                after_a_while(rng, 1.5)
                acknowledged = load.so_far()
                done = trackbridge(main, settings, "backup", str(target))
                after_a_while(rng, 0.3)
            assert (done.returncode, done.stderr) == (0, ""), done.stderr
            written = json.loads((target / "backup.json").read_text())["contents"]
            figures["acknowledged"] += len(acknowledged)
            figures["waiting"] += written["waiting"]
            figures["log_files"] += len(list((target / INBOX).iterdir()))
            restored = folder / "restored"
            _restore(restored, target, settings)
            orders = _hold(restored, load, acknowledged)
            _the_upstream_agrees(peer, load, orders)
            figures["restored"] += len(orders)
            shutil.rmtree(restored)
            shutil.rmtree(target)
    return figures


def _restore(folder: Path, target: Path, settings: Mapping[str, str]) -> None:
    """Restore a backup and work it off."""
    folder.mkdir()
    done = trackbridge(folder, settings, "restore", str(target))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    quiet(folder, settings)


def _the_upstream_agrees(peer: Upstream, load: Load, orders: Mapping[str, str]) -> None:
    """It has every event under the one id that the bridge and each restored store gave it.

    But for webhooks that were sent twice within milliseconds: an event_id has the time of the one that is applied
    first, and that may be either, by whichever process is quicker.
    """
    taken = {event["event_id"]: event["properties"]["order_id"] for event in peer.taken()}
    assert orders.items() <= taken.items(), "an event that the upstream has not"
    ids: dict[str, set[str]] = {}
    for event, order in taken.items():
        ids.setdefault(order, set()).add(event)
    doubled = {order: sorted(mine) for order, mine in ids.items() if len(mine) > 1 and order not in load.resent}
    assert not doubled, f"two ids for one event: {doubled}"


def _hold(folder: Path, load: Load, acknowledged: frozenset[str]) -> dict[str, str]:
    """Every promise, looked for in the restored store; its events, each with its order."""
    assert list((folder / INBOX).iterdir()) == []
    with closing(sqlite3.connect(folder / STORE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT count(*) FROM deliveries WHERE state <> 'delivered'").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM webhooks WHERE state <> 'translated'").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM unreadable").fetchone() == (0,)
        assert db.execute(
            "SELECT count(*) FROM events WHERE number NOT IN (SELECT event FROM deliveries)"
        ).fetchone() == (0,)
        webhooks, different = db.execute("SELECT count(*), count(DISTINCT id) FROM webhooks").fetchone()
        assert webhooks == different, "a webhook was applied twice"
        orders = dict(db.execute("SELECT id, order_id FROM events"))
        the_ledger_agrees(db, load.sent)
        the_counts_agree(db)
    lost = acknowledged - set(orders.values())
    assert not lost, f"lost: {sorted(lost)[:5]}"
    assert set(orders.values()) <= load.sent, "invented"
    assert len(set(orders.values())) == len(orders), "two events for one order"
    return orders


def main() -> int:
    """Run by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"seed {options.seed}", flush=True)  # noqa: T201  how it speaks
        began = time.monotonic()
        figures = backups(Path(folder), rounds=options.rounds, seed=options.seed)
        print(" ".join(f"{name}={value}" for name, value in figures.items()), f"seconds={time.monotonic() - began:.0f}")  # noqa: T201  how it speaks
    return 0


if __name__ == "__main__":
    sys.exit(main())
