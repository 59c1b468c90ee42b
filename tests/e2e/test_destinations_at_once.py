"""A signed order and a paid session go to every destination at once, and one that is down holds up no other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from peers import KEY, Serving, Upstream, serving, trackbridge, until, upstream
from signed_requests import ORDER, SESSION, post, settings_for, shopify, stripe
from upstreams.ga4 import Ga4Upstream
from upstreams.meta import MetaUpstream
from upstreams.platform import FakePlatform, serve_on_loopback
from upstreams.segment import SegmentUpstream
from upstreams.tiktok import TiktokUpstream
from upstreams.webhook import SECRET, WebhookUpstream

JANE = "jane.doe@mail.example"
WORDS = {
    "meta": ("pixel_id", "access_token"),
    "ga4": ("measurement_id", "api_secret"),
    "tiktok": ("pixel_code", "access_token"),
    "segment": ("write_key",),
}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Everywhere:
    """A bridge and all that it delivers to."""

    bridge: Serving
    track: Upstream
    fakes: dict[str, FakePlatform]
    folder: Path
    settings: dict[str, str]

    def taken(self, kind: str) -> list[Any]:
        return self.fakes[kind].taken

    def wait_for(self, kind: str, *, what: str) -> None:
        until(lambda: self.taken(kind), what=what)

    def command(self, *words: str) -> str:
        return trackbridge(self.folder, self.settings, *words).stdout


def write_config(folder: Path, fakes: dict[str, FakePlatform], track: Upstream) -> Path:
    lines = ["destinations:", f'  track: {{kind: track, url: "{track.url}", api_key: {KEY}}}']
    for kind, fake in fakes.items():
        if kind == "webhook":
            lines.append(f'  erp: {{kind: webhook, url: "{fake.url}{fake.path}", secret: "{SECRET}"}}')
        else:
            options = ", ".join(f'{name}: "{fake.settings[name]}"' for name in WORDS[kind])
            lines.append(f'  {kind}: {{kind: {kind}, url: "{fake.url}", without_consent: send, {options}}}')
    path = folder / "bridge.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def everywhere(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Everywhere]:
    scripts: dict[str, list[Any]] = getattr(request, "param", {})
    with ExitStack() as stack:
        track = stack.enter_context(upstream())
        fakes: dict[str, FakePlatform] = {}
        for made in (MetaUpstream, Ga4Upstream, TiktokUpstream, SegmentUpstream, WebhookUpstream):
            fake = made(scripts.get(made.kind, ()))
            fake.url = stack.enter_context(serve_on_loopback(fake.app))
            fakes[fake.kind] = fake
        settings = {name: text for name, text in settings_for(track).items() if not name.startswith("BRIDGE_TRACK")}
        settings["BRIDGE_CONFIG"] = str(write_config(tmp_path, fakes, track))
        bridge = stack.enter_context(serving(tmp_path, settings))
        yield Everywhere(bridge, track, fakes, tmp_path, settings)


def order(**more: Any) -> dict[str, Any]:
    """An order that was paid five minutes ago, by somebody whom platforms can find."""
    now = (datetime.now(UTC) - timedelta(minutes=5)).isoformat(timespec="seconds")
    return (
        ORDER
        | {
            "id": 1001,
            "email": f" {JANE.upper()} ",
            "processed_at": now,
            "created_at": now,
            "client_details": {"browser_ip": "203.0.113.9", "user_agent": "Mozilla/5.0"},
            "landing_site": "/?fbclid=F1&utm_source=news&secret=abc",
        }
        | more
    )


def test_a_signed_order_is_told_to_all_of_them_and_hashed_right(everywhere: Everywhere) -> None:
    signed = shopify(order(), "orders/paid", "w-1001")
    assert post(f"{everywhere.bridge.url}/webhooks/shopify", signed).status_code == 200
    for kind in everywhere.fakes:
        everywhere.wait_for(kind, what=f"the order at {kind}")
    until(everywhere.track.taken, what="the order at track")
    [meta] = everywhere.taken("meta")
    assert (meta["event_name"], meta["event_id"], meta["user_data"]["em"]) == ("Purchase", "1001", sha256(JANE))
    assert "secret" not in json.dumps(meta)
    [tiktok] = everywhere.taken("tiktok")
    assert (tiktok["event"], tiktok["user"]["email"]) == ("Purchase", sha256(JANE))
    [ga4] = everywhere.taken("ga4")
    assert ga4["events"][0]["name"] == "purchase"
    assert ga4["user_data"]["sha256_email_address"] == [sha256(JANE)]
    [segment] = everywhere.taken("segment")
    assert (segment["event"], "traits" in segment["context"]) == ("Order Completed", False)
    [hook] = everywhere.taken("webhook")
    assert hook["data"]["properties"]["order_id"] == "1001"
    assert [event["properties"]["order_id"] for event in everywhere.track.taken()] == ["1001"]
    assert [fault for fake in everywhere.fakes.values() for fault in fake.faults] == []


def test_a_paid_session_is_told_to_all_of_them_and_a_second_payment_of_its_order_under_an_id_of_its_own(
    everywhere: Everywhere,
) -> None:
    session: Any = json.loads(json.dumps(SESSION))
    session["created"] = session["data"]["object"]["created"] = int(datetime.now(UTC).timestamp()) - 60
    session["data"]["object"]["customer_details"] = {"email": JANE, "phone": "+16505551212"}
    assert post(f"{everywhere.bridge.url}/webhooks/stripe", stripe(session)).status_code == 200
    for kind in everywhere.fakes:
        everywhere.wait_for(kind, what=f"the session at {kind}")
    [meta] = everywhere.taken("meta")
    assert meta["user_data"]["ph"] == "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"
    [tiktok] = everywhere.taken("tiktok")
    assert tiktok["user"]["phone"] == "1e231c66011e7a2d867a9cfae267a6aff103cf4913640b6e71a99850fc0ffbc8"

    balance = json.loads(json.dumps(session))
    balance["id"] = "evt_made_up_2"
    balance["data"]["object"] |= {"id": "cs_live_made_up_2", "payment_intent": "pi_made_up_2"}
    for _ in range(2):  # redelivered, it is the same payment
        assert post(f"{everywhere.bridge.url}/webhooks/stripe", stripe(balance)).status_code == 200
    numbered = ("meta", "tiktok", "ga4")
    until(lambda: all(len(everywhere.taken(kind)) == 2 for kind in numbered), what="both payments at each")
    for kind in ("meta", "tiktok"):
        assert [one["event_id"] for one in everywhere.taken(kind)] == ["A-1001", "A-1001.2"]
    transactions = [one["events"][0]["params"]["transaction_id"] for one in everywhere.taken("ga4")]
    assert transactions == ["A-1001", "A-1001.2"]


@pytest.mark.parametrize("everywhere", [{"meta": [503] * 1000, "tiktok": ["token"] * 1000}], indirect=True)
def test_one_that_is_down_and_one_with_a_dead_token_hold_up_no_other(everywhere: Everywhere) -> None:
    signed = shopify(order(), "orders/paid", "w-1001")
    assert post(f"{everywhere.bridge.url}/webhooks/shopify", signed).status_code == 200
    for kind in ("ga4", "segment", "webhook"):
        everywhere.wait_for(kind, what=f"the order at {kind}")
    until(everywhere.track.taken, what="the order at track")
    until(
        lambda: everywhere.fakes["tiktok"].received and everywhere.fakes["meta"].received, what="the others' attempts"
    )
    until(lambda: "paused" in everywhere.command("status"), what="a status that says so")
    shown = everywhere.command("list", "deliveries", "--format", "json") + everywhere.command("status")
    log = everywhere.bridge.log.read_text()
    for fake in everywhere.fakes.values():
        for name, text in fake.settings.items():
            if "secret" in name or "token" in name or "key" in name:
                assert text not in shown
                assert text not in log
    assert JANE not in log.lower()
