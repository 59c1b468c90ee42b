"""`trackbridge release`: orders that a constant dedupe key made duplicates are told, each once."""

from __future__ import annotations

import json
from pathlib import Path

from peers import listed, serving, trackbridge, typed, until, upstream
from signed_requests import ORDER, post, settings_for, shopify

ORDERS = 20
MANY = 100
MISTAKEN = """
mapping: 1
provider: shopify
webhook:
  signature: {kind: hmac, algorithm: sha256, encoding: base64, from: "header:X-Shopify-Hmac-Sha256", signed: "{body}"}
  id: ["header:X-Shopify-Webhook-Id"]
  topic: ["header:X-Shopify-Topic"]
events:
  - topic: orders/paid
    dedupe: =body.currency
    event:
      event_type: purchase
      properties: {order_id: =body.id, value: =decimal(body.total_price), currency: =body.currency}
"""


def test_orders_that_a_mistaken_key_made_duplicates_are_told_once_each_when_they_are_released(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "shopify.yaml").write_text(MISTAKEN)
    with upstream() as peer:
        settings = settings_for(peer) | {"BRIDGE_MAPPINGS": "mine"}
        with serving(tmp_path, settings) as bridge:
            for number in range(ORDERS):
                post(f"{bridge.url}/webhooks/shopify", shopify(ORDER | {"id": number}, "orders/paid", f"w-{number}"))
            until(lambda: len(listed(tmp_path, "events")) == ORDERS, what="all events")
            until(peer.taken, what="the first order")
            wrong = [event["id"] for event in listed(tmp_path, "events") if event["duplicate_of"]]
            assert len(wrong) == ORDERS - 1
            dry = trackbridge(tmp_path, settings, "release", *wrong, "--dry-run")
            assert dry.returncode == 0, dry.stderr
            assert f"would tell {ORDERS - 1} events" in dry.stdout
            assert dry.stdout.count("goes to track") == dry.stdout.count("was a duplicate of") == ORDERS - 1
            assert len(peer.taken()) == 1
            done = trackbridge(tmp_path, settings, "release", *wrong[:3], wrong[0], "wh_1")
            assert (done.returncode, "wh_1 is no event" in done.stderr) == (1, True)
            assert len([one for one in listed(tmp_path, "events") if one["duplicate_of"]]) == ORDERS - 1
            some = trackbridge(tmp_path, settings, "release", *wrong[:3])
            assert "3 events told now" in some.stdout, some.stderr
            done = trackbridge(tmp_path, settings, "release", *wrong, "--format", "json")
            assert [one["event"]["id"] for one in json.loads(done.stdout)] == wrong[3:]
            until(lambda: len(peer.taken()) == ORDERS, what="each order")
            again = trackbridge(tmp_path, settings, "release", wrong[0])
            assert (again.returncode, "is no duplicate: it was told, and is left" in again.stdout) == (0, True)
        told = sorted(int(event["properties"]["order_id"]) for event in peer.taken())
    assert told == list(range(ORDERS))


def test_release_asks_for_ids(tmp_path: Path) -> None:
    done = typed(tmp_path, {}, "release")
    assert done.returncode == 1
    assert "name the duplicates: `trackbridge list events --state duplicate`" in done.stderr


def test_orders_that_a_mistaken_key_made_duplicates_are_told_once_each_when_the_mended_mapping_is_replayed(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine").mkdir()
    mapping = tmp_path / "mine" / "shopify.yaml"
    mapping.write_text(MISTAKEN)
    with upstream() as peer:
        settings = settings_for(peer) | {"BRIDGE_MAPPINGS": "mine"}
        with serving(tmp_path, settings) as bridge:
            for number in range(MANY):
                post(f"{bridge.url}/webhooks/shopify", shopify(ORDER | {"id": number}, "orders/paid", f"w-{number}"))
            until(lambda: len(listed(tmp_path, "events")) == MANY, what="all events")
            until(peer.taken, what="the first order")
            mapping.write_text(MISTAKEN.replace("=body.currency\n    event", "=body.id\n    event"))
            done = trackbridge(tmp_path, settings, "replay", "--state", "translated")
            assert done.returncode == 0, done.stderr
            assert done.stdout.count("is no duplicate any more, and is told now") == MANY - 1
            until(lambda: len(peer.taken()) >= MANY, what="each order")
            again = trackbridge(tmp_path, settings, "replay", "--state", "translated")
            assert "told now" not in again.stdout
            until(lambda: not listed(tmp_path, "deliveries", state="pending"), what="every delivery")
        told = sorted(int(event["properties"]["order_id"]) for event in peer.taken())
    assert told == list(range(MANY))


def test_duplicates_outside_a_replay_are_decided_anew_when_their_original_moves_to_other_keys(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    mapping = tmp_path / "mine" / "shopify.yaml"
    mapping.write_text(MISTAKEN)
    with upstream() as peer:
        settings = settings_for(peer) | {"BRIDGE_MAPPINGS": "mine"}
        with serving(tmp_path, settings) as bridge:
            for number in range(3):
                post(f"{bridge.url}/webhooks/shopify", shopify(ORDER | {"id": number}, "orders/paid", f"w-{number}"))
            until(lambda: len(listed(tmp_path, "events")) == 3, what="all events")
            until(peer.taken, what="the first order")
            mapping.write_text(MISTAKEN.replace("=body.currency\n    event", "=body.id\n    event"))
            [first] = [event for event in listed(tmp_path, "events") if not event["duplicate_of"]]
            done = trackbridge(tmp_path, settings, "replay", first["webhook"])
            assert done.returncode == 0, done.stderr
            assert done.stdout.count("is no duplicate any more, and is told now") == 2
            until(lambda: len(peer.taken()) == 3, what="each order")
