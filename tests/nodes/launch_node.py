"""`serve` as `tests/faults/launch.py` starts it, by the host name in FIRE_HOST: several on one machine are several nodes.

With FIRE_VERSION it is another version of trackbridge, with a made-up step that adds to the store and one that removes.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import bridge

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
VERSION = os.environ.get("FIRE_VERSION")
if VERSION:
    bridge.__version__ = VERSION  # before it is imported from there

import launch  # noqa: E402  beside the other faults

from bridge.store.postgres import schema  # noqa: E402  as above

TABLES = ("outbox", "events", "deliveries", "claims", "attempts", "unapplied", "webhooks", "parcels", "count_changes")
ADDS = "; ".join(f"ALTER TABLE {name} ADD COLUMN made_up text DEFAULT 'x'" for name in TABLES)
REMOVES = "; ".join(f"ALTER TABLE {name} DROP COLUMN made_up" for name in TABLES)


def main() -> int:
    """Serve, or run another command."""
    host = os.environ["FIRE_HOST"]
    socket.gethostname = lambda: host
    if VERSION:
        schema.STEPS["97_made_up"] = ADDS
        schema.FINISHING["finish:97_made_up"] = REMOVES
    return launch.main()


if __name__ == "__main__":
    sys.exit(main())
