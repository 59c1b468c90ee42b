"""Webhooks of Stripe and Shopify with made-up content, signed as their providers sign them, and a bridge's settings."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import httpx
from peers import KEY, Upstream

STRIPE_SECRET = "whsec_a_made_up_secret"
SHOPIFY_SECRET = "a made-up secret"
API_KEY = "a-made-up-api-key"

SESSION = {
    "id": "evt_made_up_1",
    "object": "event",
    "type": "checkout.session.completed",
    "created": 1760000000,
    "livemode": True,
    "data": {
        "object": {
            "id": "cs_live_made_up",
            "object": "checkout.session",
            "mode": "payment",
            "payment_status": "paid",
            "status": "complete",
            "amount_total": 5900,
            "currency": "jpy",
            "payment_intent": "pi_made_up",
            "client_reference_id": "sess_made_up",
            "customer_details": {"email": "ada@example.com", "name": "Ada Byron"},
            "metadata": {"order_id": "A-1001"},
        }
    },
}
ORDER = {
    "id": 820982911946154508,
    "created_at": "2026-03-01T10:00:00+01:00",
    "processed_at": "2026-03-01T10:00:01+01:00",
    "currency": "EUR",
    "total_price": "404.90",
    "email": "ada@example.com",
    "financial_status": "paid",
    "source_name": "web",
    "test": False,
    "landing_site": "/shoes?gclid=Cj0made-up",
    "note_attributes": [{"name": "session_id", "value": "sess_made_up"}],
    "line_items": [{"sku": "S-1", "title": "Shoe", "price": "404.90", "quantity": 1}],
}


def stripe(body: dict[str, Any], *, secret: str = STRIPE_SECRET) -> tuple[dict[str, str], bytes]:
    raw = json.dumps(body).encode()
    now = str(int(time.time()))
    signature = hmac.new(secret.encode(), f"{now}.".encode() + raw, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={now},v1={signature}", "Content-Type": "application/json"}, raw


def shopify(
    body: dict[str, Any], topic: str, webhook_id: str, *, secret: str = SHOPIFY_SECRET
) -> tuple[dict[str, str], bytes]:
    raw = json.dumps(body).encode()
    signature = base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()
    headers = {"X-Shopify-Topic": topic, "X-Shopify-Webhook-Id": webhook_id, "X-Shopify-Hmac-Sha256": signature}
    return headers | {"X-Shopify-Shop-Domain": "made-up.myshopify.com"}, raw


def post(url: str, signed: tuple[dict[str, str], bytes]) -> httpx.Response:
    return httpx.post(url, headers=signed[0], content=signed[1], trust_env=False)


def settings_for(peer: Upstream | None) -> dict[str, str]:
    settings = {
        "STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
        "SHOPIFY_WEBHOOK_SECRET": f"an older made-up one,{SHOPIFY_SECRET}",
        "BRIDGE_API_KEYS": API_KEY,
    }
    if peer:
        settings |= {"BRIDGE_TRACK_URL": peer.url, "BRIDGE_TRACK_KEY": KEY, "BRIDGE_TRACK_RATE": "0"}
    return settings
