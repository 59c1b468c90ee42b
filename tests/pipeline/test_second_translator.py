"""A backlog is translated on two cores: to the same events as on one, whatever becomes of the second."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from telling import Bridge

from bridge.core.json_text import Json
from bridge.pipeline import second_translator
from bridge.pipeline.second_translator import MODULE, SecondTranslator
from bridge.pipeline.translate import BATCH
from bridge.store.engines import open_store
from bridge.store.protocol import RowFilter

STRIPE = {"stripe": {"purchase": "payment_intent.succeeded"}}
SECONDS = 20.0


def intent(number: int) -> Json:
    paid = {
        "id": f"pi_{number}", "currency": "eur", "metadata": {}, "amount_received": 1000 + number, "status": "succeeded",
        "receipt_email": f"{number}@example.com",
    }  # fmt: skip
    return {
        "id": f"evt_{number}", "object": "event", "created": 1772704800 + number, "livemode": True,
        "type": "payment_intent.succeeded" if number % 3 else "customer.created", "data": {"object": paid},
    }  # fmt: skip


def run_backlog(
    folder: Path, second: SecondTranslator | None, story: Callable[[Bridge], Awaitable[None]], *, count: int = 300
) -> list[Json]:
    """What is told of a backlog, during which the story happens."""

    async def whole() -> list[Json]:
        store = open_store(f"sqlite:///{folder / 'a.db'}")
        bridge = Bridge(store, STRIPE, second=second)
        for number in range(count):
            await bridge.keep(intent(number))
        try:
            await story(bridge)
            await bridge.settle()
            assert not [row for row in await store.webhooks(RowFilter(limit=1000)) if row.state == "received"]
            return await bridge.told()
        finally:
            if second is not None:
                await second.stop()
            await store.close()

    return asyncio.run(whole())


async def start_child(bridge: Bridge, second: SecondTranslator) -> int:
    """Have the child started by a backlog that is looked at, and return its process id."""
    batch = await bridge.store.claim_batch(now=bridge.now, limit=300, lease=timedelta(seconds=10))
    async with asyncio.timeout(SECONDS):
        while not second.is_ready(bridge.sources, batch.webhooks):  # noqa: ASYNC110  it starts by itself
            await asyncio.sleep(0.01)
    assert second.process_id is not None
    return second.process_id


async def nothing(_bridge: Bridge) -> None:
    """Nothing happens."""


def test_two_cores_tell_what_one_tells(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    second = SecondTranslator()
    asked: list[int] = []

    async def with_child(bridge: Bridge) -> None:
        await start_child(bridge, second)
        ask = second.translate

        async def counted(webhooks: object) -> object:
            asked.append(len(webhooks))  # type: ignore[arg-type]
            return await ask(webhooks)  # type: ignore[arg-type]

        second.translate = counted  # type: ignore[method-assign, assignment]

    told = run_backlog(tmp_path / "two", second, with_child)
    assert told == run_backlog(tmp_path / "one", None, nothing)
    assert len(told) == 200
    assert asked == [BATCH]  # the rest is too few for it


def test_a_child_that_is_killed_takes_nothing_with_it(tmp_path: Path) -> None:
    second = SecondTranslator()

    async def killed(bridge: Bridge) -> None:
        os.kill(await start_child(bridge, second), signal.SIGKILL)

    assert len(run_backlog(tmp_path, second, killed)) == 200
    assert second.process_id is None


def test_a_child_that_does_not_answer_is_waited_for_no_longer_than_its_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_translator, "PATIENCE", 0.2)
    second = SecondTranslator()

    async def stopped(bridge: Bridge) -> None:
        os.kill(await start_child(bridge, second), signal.SIGSTOP)

    assert len(run_backlog(tmp_path, second, stopped)) == 200
    assert second.process_id is None


def test_after_a_reload_the_child_has_the_new_mappings_or_no_part(tmp_path: Path) -> None:
    second = SecondTranslator()

    async def reloaded(bridge: Bridge) -> None:
        first = await start_child(bridge, second)
        bridge.sources = dict(bridge.sources)
        assert await start_child(bridge, second) != first

    assert len(run_backlog(tmp_path, second, reloaded)) == 200


def test_it_ends_when_there_was_no_backlog_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_translator, "IDLE", 0.3)
    second = SecondTranslator()

    async def idle(bridge: Bridge) -> None:
        await start_child(bridge, second)
        async with asyncio.timeout(SECONDS):
            while second.process_id is not None:  # noqa: ASYNC110  it ends by itself
                await asyncio.sleep(0.01)

    run_backlog(tmp_path, second, idle)


def test_few_webhooks_start_no_child(tmp_path: Path) -> None:
    second = SecondTranslator()
    run_backlog(tmp_path, second, nothing, count=20)
    assert second.process_id is None


def test_the_child_ends_with_its_parent() -> None:
    command = [sys.executable, "-P", "-m", MODULE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(SECONDS) == 0
