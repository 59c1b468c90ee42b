"""Full, broken and slow disks: refused with 503 and nothing half-kept, seen on /readyz, and over when it is over."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from blaze import API_KEY, Load, burning, disk, hold, order, purchase, quiet, settings_for
from peers import Serving, until, upstream


def asked(bridge: Serving, name: str) -> list[httpx.Response]:
    """A webhook and an event, each once."""
    headers, raw = order(f"w-{name}")
    return [
        httpx.post(f"{bridge.url}/webhooks/shopify", headers=headers, content=raw, trust_env=False, timeout=30),
        httpx.post(
            f"{bridge.url}/v1/track",
            json=purchase(f"t-{name}"),
            headers={"Authorization": f"Bearer {API_KEY}"},
            trust_env=False,
            timeout=30,
        ),
    ]


def readiness(bridge: Serving) -> int:
    return httpx.get(f"{bridge.url}/readyz", trust_env=False, timeout=30).status_code


@pytest.mark.parametrize("fault", ["no-space", "no-write", "no-flush"])
def test_a_disk_that_fails_is_told_and_nothing_of_it_is_kept_and_it_recovers_by_itself(
    tmp_path: Path, fault: str
) -> None:
    broken, load = disk(tmp_path), Load()
    with upstream() as peer:
        settings = settings_for(peer.url)
        with burning(tmp_path, settings | broken.settings) as bridge:
            assert [one.status_code for one in asked(bridge, "before")] == [200, 200]
            with broken.fault(fault):
                for number in range(3):
                    for answer in asked(bridge, f"during-{number}"):
                        assert answer.status_code == 503
                        assert int(answer.headers["retry-after"]) >= 1
                        assert "trackbridge.db" not in answer.text
                until(lambda: readiness(bridge) == 503, what="/readyz to fail")
                with load.on(bridge.url, workers=2):
                    until(lambda: load.answers.get(503, 0) > 20, what="refusals under load")
            until(lambda: readiness(bridge) == 200, what="/readyz to be well again")
            assert [one.status_code for one in asked(bridge, "after")] == [200, 200]
            lines = [line for line in bridge.log.read_text().splitlines() if "receive.unavailable" in line]
            assert 1 <= len(lines) <= 2, "a line a minute"
        quiet(tmp_path, settings)
        load.sent |= {f"{door}-{name}" for door in "wt" for name in ("before", "after")}
        load.acknowledged |= {f"{door}-{name}" for door in "wt" for name in ("before", "after")}
        taken = peer.taken()
        if fault == "no-flush":  # what a failed flush had written may all the same be there: nothing was promised
            load.sent |= {f"{door}-during-{number}" for door in "wt" for number in range(3)}
        hold(tmp_path, load, taken)


def test_a_slow_disk_is_waited_for_and_nothing_is_lost(tmp_path: Path) -> None:
    slow, load = disk(tmp_path), Load()
    with upstream() as peer:
        settings = settings_for(peer.url)
        with (
            burning(tmp_path, settings | slow.settings) as bridge,
            slow.fault("slow"),
            load.on(bridge.url),
        ):
            until(lambda: load.answers.get(200, 0) > 8, what="answers all the same")
        quiet(tmp_path, settings)
        hold(tmp_path, load, peer.taken())
    assert load.answers.keys() == {200}
