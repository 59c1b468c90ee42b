"""500 strangers who send 5 MiB each without a valid signature.

They cost little memory, and nothing genuine is refused.
"""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from crash_run import Load, burning, hold, quiet, settings_for
from flood import ATTACKS, Attack, flooding
from peers import MAY_READ_METRICS, Serving, until, upstream
from processes import Peak, web_processes

MEGABYTES = 100
"""By how much the web processes may grow, all together."""


def refused(bridge: Serving) -> int:
    """Webhooks that were refused so far, whatever the reason."""
    answer = httpx.get(f"{bridge.url}/metrics", headers=MAY_READ_METRICS, trust_env=False, timeout=30)
    assert answer.status_code == 200
    counts = re.findall(r'trackbridge_webhook_requests_total\{outcome="(?:refused|no_room)[^}]*\} (\S+)', answer.text)
    return int(sum(map(float, counts)))


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_strangers_with_large_bodies_cost_little_memory_and_genuine_webhooks_are_answered(
    tmp_path: Path, attack: Attack
) -> None:
    load = Load()
    with upstream() as peer:
        settings = settings_for(peer.url) | attack.settings
        with burning(tmp_path, settings) as bridge:
            port = int(bridge.url.rpartition(":")[2])
            with load.on(bridge.url, workers=2):
                until(lambda: load.answers.get(200, 0) > 100, what="answers before")
                with Peak(web_processes(bridge.process.pid, port)) as peak, flooding(port, attack) as answers:
                    before = load.answers[200]
                    until(lambda: refused(bridge) >= attack.connections, what="all strangers to be refused")
                    until(lambda: load.answers[200] > before + 50, what="answers meanwhile")
        assert load.answers.keys() == {200}
        assert "200" not in answers
        assert peak.growth < MEGABYTES
        quiet(tmp_path, settings)
        hold(tmp_path, load, peer.taken())
