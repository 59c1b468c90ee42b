"""Full, broken and slow disks: refused with 503 and nothing half-kept, seen on /readyz, and over when it is over."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from crash_run import API_KEY, Load, burning, disk, hold, order, purchase, quiet, settings_for, settled
from peers import Serving, until, upstream
from small_disk import MEBIBYTE, filled, small_disk


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
        load.sent |= {f"{origin}-{name}" for origin in "wt" for name in ("before", "after")}
        load.acknowledged |= {f"{origin}-{name}" for origin in "wt" for name in ("before", "after")}
        taken = peer.taken()
        if fault == "no-flush":  # what a failed flush had written may all the same be there: nothing was promised
            load.sent |= {f"{origin}-during-{number}" for origin in "wt" for number in range(3)}
        hold(tmp_path, load, taken)


def test_a_disk_that_is_really_full_under_load_keeps_nothing_half_and_recovers_when_space_is_freed(
    tmp_path: Path,
) -> None:
    load = Load()
    with small_disk(tmp_path / "disk", size=24 * MEBIBYTE) as folder, upstream() as peer:
        settings = settings_for(peer.url)
        with burning(folder, settings) as bridge:
            with load.on(bridge.url):
                until(lambda: load.answers.get(200, 0) > 50, what="answers before")
                with filled(folder):
                    until(lambda: load.answers.get(503, 0) > 50, what="refusals under load")
                    until(lambda: readiness(bridge) == 503, what="/readyz to fail")
                before = load.answers[200]
                until(lambda: load.answers[200] > before + 50, what="answers again, by themselves")
            until(lambda: readiness(bridge) == 200, what="/readyz to be well again")
            assert [one.status_code for one in asked(bridge, "after")] == [200, 200]
        load.sent |= {"w-after", "t-after"}
        load.acknowledged |= {"w-after", "t-after"}
        quiet(folder, settings)
        hold(folder, load, peer.taken())


def test_below_the_free_space_that_was_set_new_requests_are_not_taken_and_deliveries_go_on(tmp_path: Path) -> None:
    load = Load()
    with small_disk(tmp_path / "disk", size=64 * MEBIBYTE) as folder, upstream() as peer:
        settings = settings_for(peer.url) | {"BRIDGE_MIN_FREE": "24MiB"}
        peer.script = [(503, {"Retry-After": "1"}, b"{}")] * 3  # so that something is left to deliver
        with burning(folder, settings) as bridge:
            with load.on(bridge.url, workers=2):
                until(lambda: load.answers.get(200, 0) > 50, what="answers before")
                with filled(folder, leaving=16 * MEBIBYTE):
                    until(lambda: load.answers.get(503, 0) > 50, what="refusals under load")
                    until(lambda: readiness(bridge) == 503, what="/readyz to fail")
                    until(lambda: settled(folder), what="what was kept to be delivered")
                before = load.answers[200]
                until(lambda: load.answers[200] > before + 50, what="answers again, by themselves")
            until(lambda: readiness(bridge) == 200, what="/readyz to be well again")
            told = [line for line in bridge.log.read_text().splitlines() if "BRIDGE_MIN_FREE" in line]
            assert 1 <= len(told) <= 4, "a line a minute for each door"
        quiet(folder, settings)
        hold(folder, load, peer.taken())


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
