"""`serve` as it is, but with what FAMILY_… says.

FAMILY_STALLED: seconds that count as a hang; FAMILY_FAREWELL: seconds that a child has to end; FAMILY_BROKEN: why no
child can open its store.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import NoReturn

from bridge import cli, readiness
from bridge.cli import lives
from bridge.errors import StoreUnavailable
from bridge.processes import parent


def main() -> int:
    """Serve."""
    readiness.STALLED = timedelta(seconds=float(os.environ.get("FAMILY_STALLED", "30")))
    parent.FAREWELL = float(os.environ.get("FAMILY_FAREWELL", "45"))
    why = os.environ.get("FAMILY_BROKEN")
    if why:

        def broken(_url: str, **_options: object) -> NoReturn:
            raise StoreUnavailable(str(why))

        vars(lives)["open_store"] = broken
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
