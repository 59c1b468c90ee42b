"""`serve` as it is, but with what SERVE_TEST_… says.

SERVE_TEST_STALLED: seconds without success after which a loop counts as stalled; SERVE_TEST_SILENCE: seconds without a
heartbeat after which a process is replaced, and twice as many before its first one; SERVE_TEST_LOOP_SILENCE: seconds
after which a loop hangs. SIGUSR1 blocks a process in Python for ever, SIGUSR2 lets its translating wait for ever.
SERVE_TEST_FAREWELL: seconds that a child has to end; SERVE_TEST_BROKEN: why no child can open its store.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).parents[1]))

from replaced_names import replace_name

from bridge import cli
from bridge.cli import serve
from bridge.core.errors import StoreUnavailable
from bridge.http import readiness
from bridge.pipeline.translate import TranslateLoop
from bridge.runtime import roles, supervisor, watchdog


def main() -> int:
    """Serve."""
    readiness.STALLED = timedelta(seconds=float(os.environ.get("SERVE_TEST_STALLED", "30")))
    supervisor.STOP_TIMEOUT = float(os.environ.get("SERVE_TEST_FAREWELL", "45"))
    replace_name(serve, "SILENCE", float(os.environ.get("SERVE_TEST_SILENCE", "30")))
    watchdog.STARTING = 2
    roles.LOOP_SILENCE = float(os.environ.get("SERVE_TEST_LOOP_SILENCE", "600"))
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(1_000_000))
    signal.signal(signal.SIGUSR2, lambda *_: setattr(TranslateLoop, "translate_batch", _never))
    why = os.environ.get("SERVE_TEST_BROKEN")
    if why:

        def broken(_url: str, **_options: object) -> NoReturn:
            raise StoreUnavailable(str(why))

        replace_name(roles, "open_store", broken)
    return cli.main(sys.argv[1:])


async def _never(_translator: TranslateLoop) -> int:
    await asyncio.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
