"""`BRIDGE_LOG=json` over real sockets: each line that any process of `serve` writes is one object."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
from observed_processes import titled
from peers import Serving, serving, until
from signed_requests import ORDER, SHOPIFY_SECRET, shopify


def lines(bridge: Serving, event: str) -> list[dict[str, Any]]:
    """The lines of that event; all lines must be JSON."""
    return [one for one in map(json.loads, bridge.log.read_text().splitlines()) if one["event"] == event]


def test_every_line_of_a_bridge_that_logs_json_is_an_object_with_the_process_that_wrote_it(tmp_path: Path) -> None:
    with serving(tmp_path, {"SHOPIFY_WEBHOOK_SECRET": SHOPIFY_SECRET, "BRIDGE_LOG": "json"}) as bridge:
        headers, raw = shopify(ORDER, "orders/paid", "w-1")
        address = f"{bridge.url}/webhooks/shopify"
        assert httpx.post(address, headers=headers, content=raw, trust_env=False).status_code == 200
        [kept] = until(lambda: lines(bridge, "webhook.kept"), what="the line of the webhook")
        assert (kept["level"], kept["process"], kept["id"]) == ("info", "worker-translate", "wh_1")
        [worker] = titled(bridge, "trackbridge: worker-deliver")
        os.kill(worker, signal.SIGKILL)
        [ended] = until(lambda: lines(bridge, "process.ended"), what="the line of the process that ended")
        assert (ended["level"], ended["process"]) == ("warning", "worker-deliver")
