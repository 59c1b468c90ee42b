"""The main job on real processes, sockets and disks: in over HTTP, on disk, translated, delivered."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from peers import KEY, MAY_READ_METRICS, Serving, Upstream, listed, serving, trackbridge, until, upstream
from signed_requests import API_KEY, ORDER, SESSION, SHOPIFY_SECRET, STRIPE_SECRET, post, settings_for, shopify, stripe


@pytest.fixture
def peer() -> Iterator[Upstream]:
    with upstream() as one:
        yield one


@pytest.fixture
def bridge(tmp_path: Path, peer: Upstream) -> Iterator[Serving]:
    with serving(tmp_path, settings_for(peer)) as one:
        yield one


# ----------------------------------------------------------------------------------------------------- the main job


def test_a_signed_stripe_session_becomes_the_right_purchase_upstream(bridge: Serving, peer: Upstream) -> None:
    answer = post(f"{bridge.url}/webhooks/stripe", stripe(SESSION))
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    [event] = until(peer.taken, what="the event")
    assert event["event_type"] == "purchase"
    assert event["properties"]["order_id"] == "A-1001"
    assert event["properties"]["value"] == 5900  # yen have no minor unit
    assert event["properties"]["currency"] == "JPY"
    assert event["session_id"] == "sess_made_up"
    assert event["user_data"] == {"email": "ada@example.com", "first_name": "Ada", "last_name": "Byron"}
    assert event["timestamp"].startswith("2025-10-09T08:53:20")
    assert peer.posted[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_signed_shopify_order_becomes_the_right_purchase_upstream(bridge: Serving, peer: Upstream) -> None:
    assert post(f"{bridge.url}/webhooks/shopify", shopify(ORDER, "orders/paid", "w-1")).status_code == 200
    [event] = until(peer.taken, what="the event")
    assert event["event_type"] == "purchase"
    assert event["properties"]["order_id"] == "820982911946154508"
    assert event["properties"]["value"] == 404.9
    assert event["properties"]["items"] == [{"sku": "S-1", "name": "Shoe", "price": 404.9, "quantity": 1}]
    assert event["context"]["gclid"] == "Cj0made-up"
    assert event["session_id"] == "sess_made_up"


def test_the_same_webhook_again_is_answered_200_and_makes_nothing_new(
    bridge: Serving, peer: Upstream, tmp_path: Path
) -> None:
    again = SESSION | {"pending_webhooks": 7}
    for body in (SESSION, SESSION, again):
        assert post(f"{bridge.url}/webhooks/stripe", stripe(body)).status_code == 200
    until(peer.taken, what="the event")
    assert len(listed(tmp_path, "webhooks")) == 1
    assert len(listed(tmp_path, "events")) == 1


def test_two_topics_that_tell_one_conversion_make_one_delivery_and_a_duplicate(
    bridge: Serving, peer: Upstream, tmp_path: Path
) -> None:
    other = SESSION | {"id": "evt_made_up_2", "type": "checkout.session.async_payment_succeeded"}
    for body in (SESSION, other):
        assert post(f"{bridge.url}/webhooks/stripe", stripe(body)).status_code == 200
    events = until(lambda: len(found := listed(tmp_path, "events")) == 2 and found, what="both events")
    assert events[0]["duplicate_of"] == events[1]["id"]
    until(peer.taken, what="the delivery")
    assert len(listed(tmp_path, "deliveries")) == 1


# --------------------------------------------------------------------------------------------------- what is refused


def test_a_wrong_secret_gets_401_without_detail_and_nothing_is_kept(bridge: Serving, tmp_path: Path) -> None:
    for answer in (
        post(f"{bridge.url}/webhooks/stripe", stripe(SESSION, secret="whsec_another")),
        post(f"{bridge.url}/webhooks/shopify", shopify(ORDER, "orders/paid", "w-1", secret="another")),
        httpx.post(f"{bridge.url}/webhooks/stripe", content=b"{}", trust_env=False),
    ):
        assert (answer.status_code, answer.json()) == (401, {"success": False, "error": "not genuine"})
    assert listed(tmp_path, "webhooks") == []


def test_an_unknown_source_gets_404_a_wrong_method_405_and_a_huge_body_413(bridge: Serving) -> None:
    assert httpx.post(f"{bridge.url}/webhooks/nobody", trust_env=False).status_code == 404
    answer = httpx.get(f"{bridge.url}/webhooks/stripe", trust_env=False)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    huge = httpx.post(
        f"{bridge.url}/webhooks/stripe",
        content=b" " * (5 * 1024 * 1024 + 1),
        headers={"Stripe-Signature": "t=1,v1=00"},
        trust_env=False,
    )
    assert (huge.status_code, huge.json()["success"]) == (413, False)


def test_a_source_without_a_secret_answers_503_and_the_start_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as bridge:
        assert "NO SECRET: answers 503 until STRIPE_WEBHOOK_SECRET is set" in bridge.greeting
        assert "NO API KEY" in bridge.greeting
        answer = post(f"{bridge.url}/webhooks/stripe", stripe(SESSION))
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert httpx.post(f"{bridge.url}/v1/track", json={"event_type": "lead"}, trust_env=False).status_code == 401


def test_a_genuine_webhook_that_cannot_be_mapped_is_kept_answered_200_and_set_aside(
    bridge: Serving, tmp_path: Path
) -> None:
    raw = b"this is no JSON"
    signature = base64.b64encode(hmac.new(SHOPIFY_SECRET.encode(), raw, hashlib.sha256).digest()).decode()
    headers = {"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Webhook-Id": "w-9", "X-Shopify-Topic": "orders/paid"}
    assert (
        httpx.post(f"{bridge.url}/webhooks/shopify", content=raw, headers=headers, trust_env=False).status_code == 200
    )
    [webhook] = until(lambda: listed(tmp_path, "webhooks", state="set_aside"), what="the webhook set aside")
    assert "JSON" in webhook["reason"]


# ------------------------------------------------------------------------------------------------------ start and stop


def test_a_blank_secret_keeps_serve_from_starting(tmp_path: Path) -> None:
    done = trackbridge(tmp_path, {"STRIPE_WEBHOOK_SECRET": ""}, "serve", "--port", "0")
    assert done.returncode == 1
    assert done.stderr == (
        "trackbridge: STRIPE_WEBHOOK_SECRET is set but blank, or has a blank between commas; "
        "give it a value or unset it\n"
    )


def test_sigterm_ends_serve_with_status_0_and_everything_kept(bridge: Serving, peer: Upstream, tmp_path: Path) -> None:
    assert post(f"{bridge.url}/webhooks/stripe", stripe(SESSION)).status_code == 200
    assert bridge.stop() == 0
    assert "Traceback" not in bridge.log.read_text()
    with serving(tmp_path, settings_for(peer)) as again:
        until(lambda: len(listed(tmp_path, "webhooks")) == 1, what="the webhook")
        assert again.stop() == 0


def test_the_stores_files_are_their_owners_alone(bridge: Serving, tmp_path: Path) -> None:
    post(f"{bridge.url}/webhooks/stripe", stripe(SESSION))
    files = list(tmp_path.glob("trackbridge.db*"))
    assert len(files) >= 3
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600", "0o700"}
    assert [path.name for path in files if path.stat().st_mode & 0o100] == ["trackbridge.db-inbox"]


def test_health_readiness_and_metrics_are_answered(bridge: Serving, peer: Upstream) -> None:
    post(f"{bridge.url}/webhooks/stripe", stripe(SESSION))
    until(peer.taken, what="the event")
    assert httpx.get(f"{bridge.url}/healthz", trust_env=False).json() == {"success": True}
    well = {"success": True, "state": "ready", "details": []}
    assert httpx.get(f"{bridge.url}/readyz", headers=MAY_READ_METRICS, trust_env=False).json() == well

    counted = {
        'trackbridge_deliveries{destination="track",state="delivered"} 1.0',
        'trackbridge_webhooks{source="stripe",state="translated"} 1.0',
        'trackbridge_webhook_requests_total{outcome="kept",source="stripe"} 1.0',
        "trackbridge_overdue_webhooks 0.0",
        'trackbridge_overdue_deliveries{destination="track"} 0.0',
        'trackbridge_loop_up{loop="translate"} 1.0',
        'trackbridge_loop_up{loop="deliver:track"} 1.0',
        'trackbridge_loop_up{loop="purge"} 1.0',
    }

    def page() -> set[str]:
        return set(httpx.get(f"{bridge.url}/metrics", headers=MAY_READ_METRICS, trust_env=False).text.splitlines())

    until(lambda: counted <= page(), what="the delivery in the metrics")


def test_no_secret_key_or_person_stands_in_the_log(bridge: Serving, peer: Upstream) -> None:
    post(f"{bridge.url}/webhooks/stripe", stripe(SESSION))
    post(f"{bridge.url}/webhooks/stripe", stripe(SESSION, secret="whsec_another"))
    httpx.post(f"{bridge.url}/v1/track?api_key={API_KEY}", json={"event_type": "lead"}, trust_env=False)
    until(lambda: len(peer.taken()) == 2, what="both events")
    bridge.stop()
    log = bridge.log.read_text()
    assert "webhook.kept" in log
    for secret in (STRIPE_SECRET, "whsec_another", API_KEY, KEY, "ada@example.com", "Byron"):
        assert secret not in log


# ------------------------------------------------------------------------------------------------ an upstream's moods


def test_an_upstream_that_stumbles_gets_it_later_and_never_earlier_than_it_says(
    bridge: Serving, peer: Upstream, tmp_path: Path
) -> None:
    peer.script += [(500, {}, b"{}"), (429, {"Retry-After": "2"}, b"{}")]
    post(f"{bridge.url}/webhooks/stripe", stripe(SESSION))
    until(peer.taken, what="the event")
    assert [one.status for one in peer.posted] == [500, 429, 200]
    assert peer.posted[1].at - peer.posted[0].at <= 1.0 + 1.5  # full jitter below 1 s, and a round of the loop
    assert peer.posted[2].at - peer.posted[1].at >= 2.0
    [delivery] = until(lambda: listed(tmp_path, "deliveries", state="delivered"), what="the record")
    assert (delivery["attempts"], delivery["last_status"]) == (3, 200)


def test_an_upstream_that_refuses_the_key_pauses_the_destination_and_nothing_dies(
    bridge: Serving, peer: Upstream, tmp_path: Path
) -> None:
    peer.script += [(401, {}, b'{"success": false, "error": "Invalid API key"}')] * 20
    post(f"{bridge.url}/webhooks/stripe", stripe(SESSION))
    [delivery] = until(lambda: [d for d in listed(tmp_path, "deliveries") if d["last_status"]], what="its record")
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("pending", 0, 401)
    peer.script.clear()
    until(peer.taken, what="the probe that finds it mended")


def test_events_kept_without_a_destination_are_given_to_a_later_one(tmp_path: Path, peer: Upstream) -> None:
    with serving(tmp_path, settings_for(None)) as bridge:
        assert "destinations:\n  none" in bridge.greeting
        post(f"{bridge.url}/webhooks/stripe", stripe(SESSION))
        until(lambda: listed(tmp_path, "events"), what="the event")
    with serving(tmp_path, settings_for(peer)):
        done = trackbridge(tmp_path, settings_for(peer), "deliver", "track")
        assert done.stdout == "1 event given to track; a running serve delivers them\n"
        until(peer.taken, what="the event")


# ------------------------------------------------------------------------------------------------------------- kill -9


def test_what_was_answered_200_survives_kill_9_and_arrives(tmp_path: Path, peer: Upstream) -> None:
    acknowledged: set[str] = set()
    lock = threading.Lock()

    def load(url: str, worker: int, stop: threading.Event) -> None:
        with httpx.Client(trust_env=False, timeout=5) as client:
            for number in range(10_000):
                if stop.is_set():
                    return
                order = f"{worker}-{len(acknowledged)}-{number}-{time.monotonic_ns()}"
                body = ORDER | {"id": order}
                headers, raw = shopify(body, "orders/paid", f"w-{order}")
                try:
                    answer = client.post(f"{url}/webhooks/shopify", headers=headers, content=raw)
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    with lock:
                        acknowledged.add(order)

    for round_number in range(4):
        with serving(tmp_path, settings_for(peer)) as bridge:
            before = len(acknowledged)
            stop = threading.Event()
            workers = [threading.Thread(target=load, args=(bridge.url, n, stop)) for n in range(8)]
            for worker in workers:
                worker.start()
            until(lambda: len(acknowledged) >= before + 150 + 70 * round_number, what="load")  # noqa: B023
            bridge.kill()
            stop.set()
            for worker in workers:
                worker.join()
    with serving(tmp_path, settings_for(peer)):
        until(
            lambda: {event["properties"]["order_id"] for event in peer.taken()} >= acknowledged,
            what="every acknowledged order upstream, its lease over",
            patience=60,
        )
        until(lambda: not listed(tmp_path, "deliveries", state="pending"), what="the rest to settle")
    once = {event["event_id"]: event["properties"]["order_id"] for event in peer.taken()}
    assert len(set(once.values())) == len(once), "one event_id for each order, however often it was sent"
    assert len(acknowledged) >= 600
    store = sqlite3.connect(tmp_path / "trackbridge.db")
    assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()
