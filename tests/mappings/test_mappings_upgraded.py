"""A store of a version that told a sale by one topic alone: upgraded, and all that it ignored is replayed."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
from old_stores import put_back_money
from telling import NOW, Bridge, brief

from bridge.core.json_text import Json
from bridge.store.engines import open_store
from bridge.store.in_steps import replay_all
from bridge.store.moving.move_store import move_rows
from bridge.store.postgres.store import PostgresStore
from bridge.store.protocol import RowFilter, Store

BEFORE = [("purchase", "cs_1", 90.0), ("refund", "pi_1", 10.0), ("refund", "pi_1", 10.0)]


def replayed(store: Store, *, after: list[Json]) -> list[Json]:
    """What is told once all that was ignored is replayed, and these webhooks have come after it."""

    async def whole() -> list[Json]:
        bridge = Bridge(store, {"stripe": {}})
        bridge.now = NOW + timedelta(days=1)
        assert [brief(one) for one in await bridge.told()] == BEFORE
        await replay_all(store, RowFilter(state="ignored"), now=bridge.now)
        await bridge.wait(hours=3)
        for body in after:
            await bridge.take(body)
        await bridge.wait(hours=3)
        assert not [row for row in await bridge.webhooks() if row.state == "received"]
        told = await bridge.told()
        await store.close()
        return told

    return asyncio.run(whole())


def test_nothing_that_was_told_is_told_again_and_what_was_never_told_is_told_once(tmp_path: Path) -> None:
    told = replayed(open_store(f"sqlite:///{put_back_money(tmp_path / 'old.db')}"), after=[])
    assert [brief(one) for one in told[:3]] == BEFORE
    assert sorted(brief(one) for one in told[3:]) == [("purchase", "in_3", 40.0), ("purchase", "pi_2", 25.0)]


def test_nothing_is_told_again_either_once_the_store_was_moved_to_postgresql(
    tmp_path: Path, empty_database: str
) -> None:
    path = str(put_back_money(tmp_path / "old.db"))
    moved = move_rows(path, empty_database, history=None, now=lambda: NOW, tell=lambda _: None, durable=False)
    assert moved.differences == ()
    told = replayed(cast("Store", PostgresStore(empty_database, by_caller=True, durable=False)), after=[])
    assert [brief(one) for one in told[:3]] == BEFORE
    assert sorted(brief(one) for one in told[3:]) == [("purchase", "in_3", 40.0), ("purchase", "pi_2", 25.0)]


def test_a_refund_that_comes_after_the_upgrade_is_told_though_one_like_it_was_before(tmp_path: Path) -> None:
    refund = {
        "id": "re_9", "amount": 1000, "charge": "ch_1", "payment_intent": "pi_1", "status": "succeeded",
        "currency": "eur", "metadata": {},
    }  # fmt: skip
    body: Json = {
        "id": "evt_new", "object": "event", "created": 1772704800 + 31 * 60, "livemode": True,
        "type": "refund.created", "data": {"object": refund},
    }  # fmt: skip
    told = replayed(open_store(f"sqlite:///{put_back_money(tmp_path / 'old.db')}"), after=[body])
    assert [brief(one)[2] for one in told if one["event_type"] == "refund"] == [10.0, 10.0, 10.0]
