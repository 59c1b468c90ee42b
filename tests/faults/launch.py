"""`serve` as it is, but impatient: leases of a second or two, a purge without rest, a ledger that is entered at once.

FIRE_SYNCHRONOUS sets the pragma, FIRE_LOG_FILE the bytes after which a file of the ingest log is full.

So that a test that kills it every other second sees claims come back, and not only webhooks come in.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from replaced_names import replace_name

from bridge import app, cli
from bridge.pipeline import translate
from bridge.pipeline.deliver import DeliveryLoops
from bridge.pipeline.retention import PurgeLoop
from bridge.pipeline.retry_policy import RetryPolicy
from bridge.store.sqlite.db import open_file
from bridge.store.sqlite.ingest import log_writer
from bridge.store.sqlite.tables import ledger

SECOND = timedelta(seconds=1)
IMPATIENT = RetryPolicy(
    timeout=SECOND, lease=1.5 * SECOND, backoff=0.1 * SECOND, most_backoff=SECOND, most_probe=SECOND
)


def main() -> int:
    """Serve."""
    replace_name(app, "DeliveryLoops", partial(DeliveryLoops, policy=IMPATIENT))
    replace_name(app, "PurgeLoop", partial(PurgeLoop, rest=0.01, every=0.2))
    replace_name(translate, "LEASE", SECOND)
    replace_name(ledger, "FLUSH_FROM", 20)
    replace_name(ledger, "MOST_ENTRIES", 60)
    replace_name(ledger, "SEGMENT_ENTRIES", 8)
    replace_name(log_writer, "LARGE", int(os.environ.get("FIRE_LOG_FILE") or log_writer.LARGE))
    pragma = os.environ.get("FIRE_SYNCHRONOUS")
    if pragma:
        connect = open_file.connect_to

        def careless(path: str, *, reading: bool, busy: timedelta) -> sqlite3.Connection:
            db = connect(path, reading=reading, busy=busy)
            db.execute(f"PRAGMA synchronous = {pragma}")
            return db

        replace_name(open_file, "connect_to", careless)
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
