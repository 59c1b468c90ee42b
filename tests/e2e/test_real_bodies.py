"""Bodies as providers really send them, signed and posted to a running bridge: none is lost, none breaks it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers import Serving, Upstream, listed, serving, until, upstream
from signed_requests import SHOPIFY_SECRET, STRIPE_SECRET, settings_for

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads"

RECALLING = {
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.refund.updated",
    "disputes/create",
    "refund.created",
    "refund.failed",
    "refunds/create",
}
"""The topics that take who bought from an earlier purchase."""

pytestmark = pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the collected bodies are not beside this checkout")


@pytest.fixture
def peer() -> Iterator[Upstream]:
    with upstream() as one:
        yield one


@pytest.fixture
def bridge(tmp_path: Path, peer: Upstream) -> Iterator[Serving]:
    with serving(tmp_path, settings_for(peer)) as one:
        yield one


def stripe_headers(raw: bytes) -> dict[str, str]:
    now = str(int(time.time()))
    signature = hmac.new(STRIPE_SECRET.encode(), now.encode() + b"." + raw, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={now},v1={signature}"}


def shopify_headers(raw: bytes, topic: str, name: str) -> dict[str, str]:
    signature = base64.b64encode(hmac.new(SHOPIFY_SECRET.encode(), raw, hashlib.sha256).digest()).decode()
    return {"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Topic": topic, "X-Shopify-Webhook-Id": name}


def with_its_own_id(raw: bytes, entry: dict[str, Any]) -> bytes:
    """Collected Stripe bodies share made-up ids, and would be the same webhook again."""
    return raw if entry["provider"] != "stripe" else json.dumps(json.loads(raw) | {"id": entry["file"]}).encode()


def test_every_real_body_of_stripe_and_shopify_is_kept_and_comes_to_an_end_with_a_reason(
    bridge: Serving, peer: Upstream, tmp_path: Path
) -> None:
    index = json.loads((PAYLOADS / "index.json").read_text())
    ours = [entry for entry in index if entry["provider"] in {"stripe", "shopify"}]
    with httpx.Client(trust_env=False) as client:
        for entry in ours:
            raw = with_its_own_id((PAYLOADS / entry["file"]).read_bytes(), entry)
            topic = entry["topic"].split(" ")[0]
            headers = (
                stripe_headers(raw) if entry["provider"] == "stripe" else shopify_headers(raw, topic, entry["file"])
            )
            answer = client.post(f"{bridge.url}/webhooks/{entry['provider']}", content=raw, headers=headers)
            assert (answer.status_code, answer.json()) == (200, {"success": True}), entry["file"]
    until(lambda: len(listed(tmp_path, "webhooks")) == len(ours), what="a row for each")
    until(
        lambda: all(one["reason"] for one in listed(tmp_path, "webhooks", state="received")),
        what="every webhook translated, or known to wait for another",
    )
    webhooks = listed(tmp_path, "webhooks")
    waiting = [webhook for webhook in webhooks if webhook["state"] == "received"]
    for webhook in waiting:
        assert webhook["reason"].startswith(("waits for purchase", "waits whether a richer webhook tells it")), webhook
    for_events = {webhook["topic"] for webhook in waiting if webhook["reason"].startswith("waits for purchase until")}
    assert for_events <= RECALLING
    assert len(webhooks) == len(ours)
    for webhook in webhooks:
        assert webhook["state"] == "translated" or webhook["reason"], webhook
        assert "fault of trackbridge" not in (webhook["reason"] or ""), webhook
    until(lambda: not listed(tmp_path, "deliveries", state="pending"), what="every delivery made")
    live = [event for event in listed(tmp_path, "events") if not event["test"] and not event["duplicate_of"]]
    assert sorted(peer.ids()) == sorted(event["id"] for event in live)
