"""A write-ahead log that somebody deletes while serve runs: nothing that is answered 200 afterwards is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
from peers import listed, serving, typed, until
from signed_requests import ORDER, SHOPIFY_SECRET, shopify

SETTINGS = {"SHOPIFY_WEBHOOK_SECRET": SHOPIFY_SECRET, "BRIDGE_API_KEYS": "a-made-up-api-key"}


def post(url: str, number: int) -> int:
    headers, raw = shopify(ORDER | {"id": number}, "orders/paid", f"w-{number}")
    return httpx.post(f"{url}/webhooks/shopify", headers=headers, content=raw, trust_env=False).status_code


def test_what_is_answered_after_the_write_ahead_log_was_deleted_survives_a_kill(tmp_path: Path) -> None:
    with serving(tmp_path, SETTINGS) as bridge:
        for number in range(1, 6):
            assert post(bridge.url, number) == 200
        until(lambda: len(listed(tmp_path, "webhooks")) == 5, what="the rows of the first")
        (tmp_path / "trackbridge.db-wal").unlink()
        (tmp_path / "trackbridge.db-shm").unlink()
        answered = [number for number in range(6, 26) if post(bridge.url, number) == 200]
        event = {"event_type": "lead", "event_id": "evt-after"}
        told = httpx.post(
            f"{bridge.url}/v1/track",
            headers={"Authorization": "Bearer a-made-up-api-key"},
            json=event,
            trust_env=False,
        )
        assert told.status_code == 503, "an event cannot be kept without the write-ahead log"
        until(lambda: "by SIGTERM, not by kill -9" in bridge.log.read_text(), what="the words in the log")
        bridge.kill()
    with serving(tmp_path, SETTINGS) as bridge:
        until(lambda: {f"w-{number}" for number in answered} <= webhook_ids(tmp_path), what="all that were answered")
        assert bridge.stop() == 0


def test_a_command_refuses_to_begin_another_write_ahead_log_while_serve_runs(tmp_path: Path) -> None:
    with serving(tmp_path, SETTINGS) as bridge:
        assert post(bridge.url, 1) == 200
        until(lambda: len(listed(tmp_path, "webhooks")) == 1, what="its row")
        (tmp_path / "trackbridge.db-wal").unlink()
        (tmp_path / "trackbridge.db-shm").unlink()
        for words in (("retry", "--all-dead"), ("list", "webhooks"), ("backup", "copy")):
            done = typed(tmp_path, {}, *words)
            assert done.returncode == 1
            assert "trackbridge.db-wal was deleted or replaced while trackbridge runs" in done.stderr
        assert not (tmp_path / "trackbridge.db-wal").exists()
        assert bridge.stop() == 0
    assert typed(tmp_path, {}, "retry", "--all-dead").returncode == 0
    assert webhook_ids(tmp_path) == {"w-1"}


def webhook_ids(folder: Path) -> set[str]:
    """The provider's ids of the webhooks that have a row."""
    with closing(sqlite3.connect(folder / "trackbridge.db", timeout=10)) as db:
        found = [name for (name,) in db.execute("SELECT id FROM webhooks")]
    return {str(name, "utf-8") if isinstance(name, bytes) else name for name in found}
