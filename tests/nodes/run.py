"""`python tests/nodes/run.py --faults 300`: `nodes_run.py` says what that does."""

from __future__ import annotations

import sys

from nodes_run import main

if __name__ == "__main__":
    sys.exit(main())
