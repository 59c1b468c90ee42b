"""`serve` as `tests/faults/launch.py` starts it, by the host name in FIRE_HOST: several on one machine are several nodes."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

import launch


def main() -> int:
    """Serve."""
    socket.gethostname = lambda: os.environ["FIRE_HOST"]
    return launch.main()


if __name__ == "__main__":
    sys.exit(main())
