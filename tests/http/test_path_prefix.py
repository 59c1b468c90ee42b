"""BRIDGE_PREFIX and BRIDGE_PUBLIC_URL: where everything is served, and the addresses that providers are given."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import httpx
import pytest
from peers import MAY_READ_METRICS, serving, trackbridge, typed

from bridge.core.errors import SettingsError
from bridge.settings.addresses import Addresses, read_addresses

SECRET = "a made-up signing secret"
KEY = "a-made-up-api-key"


def test_everything_is_below_the_prefix_and_nothing_beside_it(tmp_path: Path) -> None:
    settings = {"BRIDGE_PREFIX": "/bridge", "STRIPE_WEBHOOK_SECRET": SECRET, "BRIDGE_API_KEYS": KEY}
    (tmp_path / "body.json").write_text('{"id": "evt_1", "object": "event", "type": "x"}')
    with serving(tmp_path, settings) as bridge, httpx.Client(base_url=bridge.url, trust_env=False) as client:
        assert f"{bridge.url}/bridge/webhooks/stripe" in bridge.greeting
        assert f"{bridge.url}/bridge/v1/track" in bridge.greeting
        assert client.get("/bridge/readyz").status_code == 200
        assert client.get("/bridge/metrics", headers=MAY_READ_METRICS).status_code == 200
        assert client.get("/bridge/openapi.json").json()["servers"][0]["url"] == "/bridge"
        event = {"event_type": "lead"}
        track = client.post("/bridge/v1/track", json=event, headers={"Authorization": f"Bearer {KEY}"})
        assert track.status_code == 200
        for to in (bridge.url, f"{bridge.url}/bridge"):
            sent = trackbridge(tmp_path, settings, "send", "stripe", "body.json", "--to", to)
            assert (sent.returncode, json.loads(sent.stdout[4:])) == (0, {"success": True})
        for path in ("/webhooks/stripe", "/readyz", "/v1/track", "/bridge", "/bridgewebhooks/stripe", "/bridge/bridge"):
            answer = client.post(path, content=b"{}")
            assert (answer.status_code, answer.json()["success"]) == (404, False)


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"BRIDGE_PREFIX": "/bridge/"}, "http://127.0.0.1:8000/bridge"),
        ({"BRIDGE_PUBLIC_URL": "https://shop.example/"}, "https://shop.example"),
        ({"BRIDGE_PUBLIC_URL": "https://shop.example", "BRIDGE_PREFIX": "/a/b"}, "https://shop.example/a/b"),
        ({"BRIDGE_PUBLIC_URL": "https://shop.example/a", "BRIDGE_PREFIX": "/a"}, "https://shop.example/a"),
        ({"BRIDGE_PUBLIC_URL": "https://shop.example/stripped"}, "https://shop.example/stripped"),
    ],
)
def test_the_public_base_is_the_public_address_with_the_prefix(settings: dict[str, str], base: str) -> None:
    assert read_addresses(settings).public_base("http://127.0.0.1:8000") == base


@pytest.mark.parametrize(
    "settings",
    [
        {"BRIDGE_PORT": "65536"},
        {"BRIDGE_PORT": "http"},
        {"BRIDGE_PREFIX": "bridge"},
        {"BRIDGE_PREFIX": "/a/../b"},
        {"BRIDGE_PREFIX": "/a b"},
        {"BRIDGE_PREFIX": "/a//b"},
        {"BRIDGE_PUBLIC_URL": "shop.example"},
        {"BRIDGE_PUBLIC_URL": "ftp://shop.example"},
        {"BRIDGE_PUBLIC_URL": "https://user:word@shop.example"},
        {"BRIDGE_PUBLIC_URL": "https://shop.example?key=1"},
        {"BRIDGE_PUBLIC_URL": "https://[shop.example"},
    ],
)
def test_an_address_that_cannot_be_used_is_refused_and_not_repeated(settings: dict[str, str]) -> None:
    [(name, value)] = settings.items()
    with pytest.raises(SettingsError, match=f"^{name} must be") as caught:
        read_addresses(settings)
    assert f" {value}" not in str(caught.value)


def test_a_source_has_the_public_address_only_where_one_is_set() -> None:
    assert Addresses().source_url("stripe") is None
    assert (
        Addresses(prefix="/a", public_url="https://b.example").source_url("shop") == "https://b.example/a/webhooks/shop"
    )


def test_host_and_port_of_the_settings_are_listened_on(tmp_path: Path) -> None:
    done = trackbridge(tmp_path, {"BRIDGE_HOST": "192.0.2.1", "BRIDGE_PORT": "8001"}, "serve")
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1:8001" in done.stderr


def test_a_signature_that_covers_the_address_is_checked_against_the_public_one(tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "acme.yaml").write_text(
        """
mapping: 1
provider: acme
webhook:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:X-Sign", signed: "{url}{body}"}
  id: ["json:/id"]
  topic: ["json:/type"]
events:
  - topic: done
    event: {event_type: paid, properties: {order_id: =body.id}}
"""
    )
    settings = {
        "BRIDGE_MAPPINGS": "mappings", "ACME_WEBHOOK_SECRET": SECRET,
        "BRIDGE_PUBLIC_URL": "https://shop.example", "BRIDGE_PREFIX": "/bridge",
    }  # fmt: skip
    body = b'{"id": "1", "type": "done"}'
    with serving(tmp_path, settings) as bridge:
        for url, status in (("https://shop.example/bridge/webhooks/acme", 200), (f"{bridge.url}/webhooks/acme", 401)):
            sign = hmac.new(SECRET.encode(), url.encode() + body, hashlib.sha256).hexdigest()
            to = f"{bridge.url}/bridge/webhooks/acme"
            assert httpx.post(to, content=body, headers={"X-Sign": sign}, trust_env=False).status_code == status


def test_the_scrape_configuration_has_port_and_prefix_of_the_settings(tmp_path: Path) -> None:
    said = typed(tmp_path, {"BRIDGE_PORT": "8123", "BRIDGE_PREFIX": "/bridge"}, "metrics").stdout
    assert "metrics_path: /bridge/metrics" in said
    assert 'targets: ["127.0.0.1:8123"]' in said
    said = typed(tmp_path, {"BRIDGE_ADMIN": "127.0.0.1:9090", "BRIDGE_PREFIX": "/bridge"}, "metrics").stdout
    assert "metrics_path" not in said
