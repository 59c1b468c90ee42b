"""The console of a real `serve` has a process of its own, from the first request to it; what befalls it stops nothing."""

from __future__ import annotations

import os
from pathlib import Path

from observed_processes import KEY, get, kill, needs_proc, ready, titled, told, track
from peers import serving, until

pytestmark = needs_proc
TITLE = "trackbridge: console"


def test_the_console_is_started_when_it_is_needed_and_started_again_when_it_died(tmp_path: Path) -> None:
    with serving(tmp_path, {"BRIDGE_API_KEYS": KEY}, "--web", "2") as bridge:
        ready(bridge)
        assert titled(bridge, TITLE) == []
        assert "log in" in get(bridge, "/ui/login").text.lower()
        [first] = titled(bridge, TITLE)
        assert os.getpriority(os.PRIO_PROCESS, first) > os.getpriority(os.PRIO_PROCESS, bridge.process.pid)
        for _ in range(2):
            kill(titled(bridge, TITLE)[0])
            until(lambda: not titled(bridge, TITLE) or None, what="its end")
            assert track(bridge, "A-1").status_code == 200
            until(lambda: get(bridge, "/ui/login").status_code == 200, what="another console")
        assert titled(bridge, TITLE) != [first]
        assert len(told(bridge, "process.ended process=console")) == 2
        assert bridge.stop() == 0
