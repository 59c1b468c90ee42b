"""Killed, unplugged and cut off under load: nothing lost, nothing invented, nothing doubled but on the wire."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from crash import crash, crash_migrating, crash_payments
from crash_run import Disk, Load, after_a_while, burning, disk, hold, quiet, settings_for
from cutting_proxy import cutting
from peers import Upstream, until, upstream
from receiver import receiving

KILLED = (
    "v1_4fc58f6", "v4_bc940cd", "v5_83d53ff_3b4a02d", "v6_f1671d0", "v7_4fc58f6_3b4a02d_f1671d0_ad7f427",
    "v12_4381f10_79e5329_2f19ef1",
)  # fmt: skip
"""Stores with all that an earlier commit may have left; `crash.py` kills the migration of every one at every write."""


def test_a_bridge_killed_at_random_moments_keeps_every_promise(tmp_path: Path) -> None:
    figures = crash(tmp_path, kills=9, seed=1, longest=1.5)
    assert figures["acknowledged"] > 100
    assert figures["purged"] > 0
    assert figures["killed_children"] > 2


def test_a_bridge_killed_at_random_moments_tells_each_payment_and_each_refund_once(tmp_path: Path) -> None:
    figures = crash_payments(tmp_path, kills=6, seed=1, longest=1.5)
    assert figures["payments_told"] > 50
    assert figures["remembered_and_not_told"] > 5
    assert figures["told_with_what_was_remembered"] > 5
    assert figures["told_by_an_alias"] > 5
    assert figures["refunds_that_name_their_sale"] > 10


def test_a_migration_killed_at_any_write_goes_on_and_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    figures = crash_migrating(tmp_path, names=KILLED, size=40, every=27)
    assert figures["migrations"] == len(KILLED)
    assert figures["migrations_killed"] > 15


def test_an_upstream_killed_at_random_moments_gets_every_event(tmp_path: Path) -> None:
    rng, load = random.Random(2), Load()
    with receiving(tmp_path) as peer:
        settings = settings_for(peer.url)
        with burning(tmp_path, settings) as bridge:
            with load.on(bridge.url, workers=2):
                for _ in range(4):
                    after_a_while(rng, 1)
                    peer.kill()
                    after_a_while(rng, 0.5)
                    peer.start()
            bridge.stop()
        quiet(tmp_path, settings)
        hold(tmp_path, load, peer.taken())


def test_a_network_that_cuts_answers_in_the_middle_costs_resends_and_no_event(tmp_path: Path) -> None:
    load = Load()
    with upstream() as peer, cutting(peer.url, seed=3) as cut:
        settings = settings_for(cut.url)
        with burning(tmp_path, settings) as bridge, load.on(bridge.url, workers=2):
            after_a_while(random.Random(3), 4)
            until(lambda: cut.cuts > 0, what="an answer that is cut")
        cut.mended = True
        quiet(tmp_path, settings)
        figures = hold(tmp_path, load, peer.taken())
    assert figures["delivered_again"] > 0


# ------------------------------------------------------------------------------------------------------ the power cut


def unplugged(power: Disk, peer: Upstream, *, more: dict[str, str]) -> Load:
    """Three times: under load, then without power, what was not flushed gone."""
    load, rng = Load(), random.Random(4)
    for _ in range(3):
        with burning(power.folder, settings_for(peer.url) | power.powered | more) as bridge, load.on(bridge.url):
            after_a_while(rng, 1.5)
            bridge.kill()
        power.power_is_back()
    return load


def test_what_was_answered_200_survives_a_power_cut(tmp_path: Path) -> None:
    power = disk(tmp_path)
    with upstream() as peer:
        load = unplugged(power, peer, more={})
        quiet(tmp_path, settings_for(peer.url))
        hold(tmp_path, load, peer.taken())
    assert len(load.acknowledged) > 50


def test_without_flushes_the_same_power_cut_loses_it(tmp_path: Path) -> None:
    power = disk(tmp_path)
    with upstream() as peer:
        load = unplugged(power, peer, more={"FIRE_SYNCHRONOUS": "OFF"})
        quiet(tmp_path, settings_for(peer.url))
        with pytest.raises(AssertionError, match=r"lost|different events"):
            hold(tmp_path, load, peer.taken())
    assert len(load.acknowledged) > 50
