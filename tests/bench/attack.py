"""Genuine webhooks beside 500 strangers who send 5 MiB each without a valid signature, again and again.

Each measurement has a fresh bridge, and an unattacked round goes before the attacked one: how long genuine webhooks
take in both, and by how much the memory of the web processes grows. All genuine ones must be answered 200 and be in the
store. The strangers share this machine's cores with the bridge, so that the times are worse than from afar.
"""

from __future__ import annotations

import truth
from figures import Figure, Rounds
from flood import ATTACKS, Attack, flooding
from ground import Ground, tell
from load import Pace
from processes import Peak, web_processes
from wrong import hold

GENUINE = 100
"""Webhooks a second."""
CONNECTIONS = 8


def measured(ground: Ground) -> list[Figure]:
    """Every attack, round after round."""
    rounds = Rounds()
    for number in range(ground.plan.rounds):
        for attack in ATTACKS:
            tell(f"attack: round {number + 1}, {attack}")
            _round(ground, attack, rounds)
    return rounds.figures()


def _round(ground: Ground, attack: Attack, rounds: Rounds) -> None:
    pace = Pace(CONNECTIONS, ground.plan.seconds, rate=GENUINE)
    with ground.bridge(more=attack.settings) as (bridge, _, folder):
        calm = ground.load(bridge, ground.webhook, pace)
        with Peak(web_processes(bridge.process.pid, bridge.port)) as peak, flooding(bridge.port, attack) as answers:
            attacked = ground.load(bridge, ground.webhook, pace)
        bridge.stop()
        truth.webhooks_kept(folder, calm, attacked)
    hold("200" not in answers, f"a stranger was answered 200: {dict(answers)}")
    rounds.add(f"attack: {attack}: unattacked p95", "ms", calm.p95_ms)
    rounds.add(f"attack: {attack}: p95", "ms", attacked.p95_ms)
    rounds.add(f"attack: {attack}: web processes grow by", "MB", peak.growth)
