"""The bridge that the other tests of faults kill is impatient: what is otherwise due in minutes, it does within seconds.

Seen in the store of the running bridge, since the processes that write there are not the one that was made impatient.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from crash_payments import Payment
from crash_payments import settings_for as settings_for_payments
from crash_run import INBOX, STORE, burning, order, settings_for, settled
from migration_kills import Gone, aged, waiting_to_go
from peers import Serving, serving, until, upstream
from replaced_names import replace_name
from signed_requests import stripe

NOW_MS = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
LEASES = f"""
    CREATE TABLE leases (of TEXT, ms INTEGER);
    CREATE TRIGGER claimed AFTER INSERT ON claims BEGIN
        INSERT INTO leases VALUES ('deliveries', new.until - {NOW_MS});
    END;
    CREATE TRIGGER leased AFTER UPDATE OF due ON webhooks WHEN new.due > {NOW_MS} BEGIN
        INSERT INTO leases VALUES ('webhooks', new.due - {NOW_MS});
    END;
"""
"""Notes how long each lease is, in milliseconds."""
MANY = 40
"""Webhooks with more keys than an impatient bridge buffers, and more bytes than its short files of the log hold."""


def query(folder: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(folder / STORE, timeout=10)) as db:
        return db.execute(sql).fetchall()


def send_orders(bridge: Serving, count: int) -> None:
    with httpx.Client(trust_env=False) as client:
        for number in range(count):
            headers, raw = order(f"o-{number}")
            assert client.post(f"{bridge.url}/webhooks/shopify", headers=headers, content=raw).status_code == 200


def test_its_leases_of_deliveries_and_of_webhooks_last_a_second_or_two(tmp_path: Path) -> None:
    with upstream() as peer, burning(tmp_path, settings_for_payments(peer.url)) as bridge:
        with closing(sqlite3.connect(tmp_path / STORE, timeout=10)) as db:
            db.executescript(LEASES)
        headers, raw = stripe(Payment(1, ("intent",)).body("intent"))
        assert httpx.post(f"{bridge.url}/webhooks/stripe", headers=headers, content=raw, trust_env=False).is_success
        until(lambda: len(peer.taken()) == 1 and settled(tmp_path), what="the payment")
        longest = dict(query(tmp_path, "SELECT of, max(ms) FROM leases GROUP BY of"))
    assert longest.keys() == {"deliveries", "webhooks"}
    assert 500 < longest["deliveries"] <= 1_500
    assert 500 < longest["webhooks"] <= 1_000


def test_it_purges_at_once_what_becomes_old(tmp_path: Path) -> None:
    with upstream() as peer, burning(tmp_path, settings_for(peer.url)) as bridge:
        send_orders(bridge, 3)
        until(lambda: len(peer.taken()) == 3 and settled(tmp_path), what="deliveries")
        aged(tmp_path, gone := Gone())
        assert len(gone.events) == 3
        until(lambda: not waiting_to_go(tmp_path), what="the next purge", patience=10)


def test_it_enters_few_keys_into_the_ledger_already(tmp_path: Path) -> None:
    with upstream() as peer, burning(tmp_path, settings_for(peer.url)) as bridge:
        send_orders(bridge, MANY)
        until(lambda: query(tmp_path, "SELECT 1 FROM ledger LIMIT 1"), what="a key in the ledger", patience=10)


def test_its_files_of_the_ingest_log_are_as_short_as_a_test_wants_them(tmp_path: Path) -> None:
    launcher = sys.executable, str(Path(__file__).with_name("launch.py"))
    settings = settings_for("http://127.0.0.1:9") | {"FIRE_LOG_FILE": "2000"}
    with serving(tmp_path, settings, "--role", "web", "--web", "1", program=launcher) as bridge:
        send_orders(bridge, MANY)
        assert len(list((tmp_path / INBOX).iterdir())) > 2


def test_to_replace_a_name_that_a_module_no_longer_has_is_an_error() -> None:
    module = ModuleType("made_up")
    with pytest.raises(AttributeError, match="forwarder"):
        replace_name(module, "forwarder", 1)
    vars(module)["sender"] = 1
    replace_name(module, "sender", 2)
    assert vars(module)["sender"] == 2
