"""Named keys of the settings file, as serve uses them: their names are seen everywhere, they themselves nowhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from peers import MAY_READ_METRICS, Serving, Upstream, listed, serving, trackbridge, until, upstream

WEB, TILL = "a-made-up-web-key", "a-made-up-till-key"
SETTINGS = """\
destinations:
  first: {{kind: track, url: "{url}", api_key: k}}
  second: {{kind: track, url: "{url}", api_key: k}}
api_keys:
  - {{name: web, key: "sha256:{web}", rate: 2, scope: shop-eu, to: [first]}}
  - {{name: till, key: "{till}", rate: 0, scope: shop-eu}}
"""
PURCHASE = {"event_type": "purchase", "properties": {"order_id": "A-1", "value": 1}}


@pytest.fixture
def peer() -> Iterator[Upstream]:
    with upstream() as one:
        yield one


@pytest.fixture
def bridge(tmp_path: Path, peer: Upstream) -> Iterator[Serving]:
    digest = hashlib.sha256(WEB.encode()).hexdigest()
    (tmp_path / "bridge.yaml").write_text(SETTINGS.format(url=peer.url, web=digest, till=TILL))
    with serving(tmp_path, {}, "--config", "bridge.yaml") as one:
        yield one


def tracked(bridge: Serving, event: object, key: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{bridge.url}/v1/track", json=event, headers=headers, trust_env=False)


def test_a_key_is_limited_to_its_rate_its_scope_and_its_destinations(
    bridge: Serving, peer: Upstream, tmp_path: Path
) -> None:
    first = tracked(bridge, PURCHASE, WEB).json()["event_id"]
    assert tracked(bridge, PURCHASE, TILL).json()["duplicate_of"] == first  # one scope: one shop
    assert tracked(bridge, {"event_type": "lead"}, TILL).status_code == 200
    assert tracked(bridge, {"event_type": "lead"}, WEB).status_code == 200
    refused = tracked(bridge, {"event_type": "lead"}, WEB)
    assert (refused.status_code, 1 <= int(refused.headers["retry-after"]) <= 60) == (429, True)
    until(lambda: len(peer.taken()) == 4, what="the deliveries")
    assert [row["destination"] for row in listed(tmp_path, "deliveries") if row["event"] == first] == ["first"]
    assert [row["destination"] for row in listed(tmp_path, "deliveries")].count("second") == 1


def test_a_keys_name_stands_in_lists_log_and_metrics_and_the_key_nowhere(bridge: Serving, tmp_path: Path) -> None:
    tracked(bridge, PURCHASE, WEB)
    tracked(bridge, {}, TILL)
    tracked(bridge, PURCHASE, "another-key")
    counted = (
        'trackbridge_track_requests_total{endpoint="/v1/track",key="web",status="200"} 1.0',
        'trackbridge_track_requests_total{endpoint="/v1/track",key="till",status="400"} 1.0',
        'trackbridge_track_requests_total{endpoint="/v1/track",key="",status="401"} 1.0',
        'trackbridge_track_events_total{key="web"} 1.0',
    )

    def page() -> str:
        return httpx.get(f"{bridge.url}/metrics", headers=MAY_READ_METRICS, trust_env=False).text

    until(lambda: set(counted) <= set(page().splitlines()), what="the counts of all workers")
    metrics = page()
    [event] = listed(tmp_path, "events")
    assert event["origin"] == "key:web"
    assert "key:web" in trackbridge(tmp_path, {}, "show", event["id"]).stdout
    log = bridge.log.read_text()
    assert "event.taken" in log
    assert "key=web" in log
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("trackbridge.db*") if path.is_file())
    for key in (WEB, TILL, "another-key"):
        assert key not in metrics + log + bridge.greeting
        assert key.encode() not in kept
