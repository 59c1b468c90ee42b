"""A mapping with errors stops its own source only: its webhooks are kept, and translated when it is mended."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import httpx
import pytest
from peers import MAY_READ_METRICS, Serving, listed, serving, trackbridge, until

SECRET = "a-made-up-secret"
MAPPING = """\
mapping: 1
provider: {provider}
webhook:
  signature: {{kind: token, from: "header:x-token"}}
  id: ["json:/id"]
  topic: ["json:/type"]
events:
  - topic: done
    event:
      event_type: {event_type}
      properties: {{number: =body.id}}
"""
ERROR = "the mapping has errors: acme.yaml:10:20: unknown name 'bdy'; did you mean 'body'?"
NAMES = ("acme", "other", "third")
SETTINGS = {"BRIDGE_MAPPINGS": "mappings"} | {f"{name.upper()}_WEBHOOK_SECRET": SECRET for name in NAMES}


def write(folder: Path, provider: str, event_type: str, *, old: str = "", new: str = "") -> None:
    """Put a mapping in place at once, as an editor does."""
    (folder / "mappings").mkdir(exist_ok=True)
    fresh = folder / "mappings" / f"{provider}.new"
    fresh.write_text(MAPPING.format(provider=provider, event_type=event_type).replace(old, new))
    fresh.replace(folder / "mappings" / f"{provider}.yaml")


def break_webhook(folder: Path, provider: str) -> None:
    write(folder, provider, "told", old="kind: token", new="kind: tokn")


def post(bridge: Serving, source: str, number: int, *, token: str = SECRET) -> httpx.Response:
    body = json.dumps({"id": f"{source}-{number}", "type": "done"})
    headers = {"x-token": token}
    return httpx.post(f"{bridge.url}/webhooks/{source}", content=body, headers=headers, trust_env=False, timeout=30)


def readiness(bridge: Serving) -> httpx.Response:
    return httpx.get(f"{bridge.url}/readyz", headers=MAY_READ_METRICS, trust_env=False)


def reload(bridge: Serving, *, times: int) -> None:
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: bridge.log.read_text().count(" reload.taken") >= times, what="reload.taken")


def types(folder: Path) -> list[str]:
    return [row["event_type"] for row in reversed(listed(folder, "events"))]


def needs(folder: Path) -> list[str]:
    """What `status` asks a person for because of mappings; it ends with 1 where it asks for anything."""
    found = trackbridge(folder, SETTINGS, "status", "--format", "json")
    said = json.loads(found.stdout)["needs"]
    assert found.returncode == (1 if said else 0)
    return [one["sentence"] for one in said if one["cause"] in {"broken_mapping", "set_aside"}]


def wait_for_set_aside(folder: Path, count: int) -> list[str]:
    until(lambda: len(listed(folder, "webhooks", state="set_aside")) == count, what=f"{count} webhooks set aside")
    return [row["reason"] for row in listed(folder, "webhooks", state="set_aside")]


def test_at_the_start_it_stops_only_its_own_source_and_its_webhooks_are_translated_when_it_is_mended(
    tmp_path: Path,
) -> None:
    write(tmp_path, "acme", "=bdy.x")
    write(tmp_path, "other", "told")
    break_webhook(tmp_path, "third")
    with serving(tmp_path, SETTINGS) as bridge:
        for name, words in (
            ("acme", "MAPPING BROKEN: secret set; sets aside until its mapping is mended"),
            ("other", "secret set"),
            ("third", "MAPPING BROKEN: answers 503 until its mapping is mended"),
        ):
            assert f"/webhooks/{name}  {words}" in bridge.greeting
        assert [post(bridge, name, 1).status_code for name in NAMES] == [200, 200, 503]
        assert post(bridge, "acme", 2, token="another-token-of-16").status_code == 401
        assert post(bridge, "third", 1).headers["retry-after"] == "60"
        assert wait_for_set_aside(tmp_path, 1) == [ERROR]
        until(lambda: types(tmp_path) == ["told"], what="the event of the other source")

        ready = readiness(bridge)
        assert (ready.status_code, ready.json()["state"]) == (200, "degraded")
        first, second = ready.json()["details"]
        assert first.startswith(f"acme: {ERROR}; its webhooks are kept and set aside")
        assert second.startswith("third: the mapping has errors: third.yaml:4:21: ")
        assert second.endswith("get 503, and the provider sends them again later")
        said = needs(tmp_path)
        assert any(one.startswith(f"acme: {ERROR}; its webhooks are kept and set aside") for one in said)
        assert any(one.startswith("third: the mapping has errors: third.yaml:4:21: ") for one in said)
        assert any(
            one.startswith("acme: 1 set aside; once its mapping has no errors, serve translates") for one in said
        )
        check = trackbridge(tmp_path, SETTINGS, "check")
        assert (check.returncode, "acme.yaml:10:20" in check.stdout) == (1, True)

        write(tmp_path, "acme", "mended")
        write(tmp_path, "third", "told")
        reload(bridge, times=1)
        until(lambda: types(tmp_path) == ["told", "mended"], what="the event of the webhook that was set aside")
        assert post(bridge, "third", 1).status_code == 200
        assert (readiness(bridge).json()["state"], needs(tmp_path)) == ("ready", [])
        assert bridge.stop() == 0


def test_a_restart_translates_them_too_and_leaves_what_was_set_aside_for_other_reasons(tmp_path: Path) -> None:
    write(tmp_path, "acme", "told", old="properties: {number: =body.id}", new="properties: {value: =decimal(body.id)}")
    with serving(tmp_path, SETTINGS) as bridge:
        assert post(bridge, "acme", 1).status_code == 200
        [other] = wait_for_set_aside(tmp_path, 1)
        assert "the mapping has errors" not in other
        assert bridge.stop() == 0
    write(tmp_path, "acme", "=bdy.x")
    with serving(tmp_path, SETTINGS) as bridge:
        assert post(bridge, "acme", 2).status_code == 200
        assert set(wait_for_set_aside(tmp_path, 2)) == {other, ERROR}
        bridge.kill()
    write(tmp_path, "acme", "mended")
    with serving(tmp_path, SETTINGS) as bridge:
        until(lambda: types(tmp_path) == ["mended"], what="the event of the second webhook")
        assert wait_for_set_aside(tmp_path, 1) == [other]
        assert post(bridge, "acme", 2).status_code == 200
        assert post(bridge, "acme", 3).status_code == 200
        until(lambda: types(tmp_path) == ["mended", "mended"], what="one event of the third, none of the redelivery")


def test_on_a_reload_the_last_good_mapping_stays_in_use_others_are_taken_and_status_says_so(tmp_path: Path) -> None:
    for name in NAMES:
        write(tmp_path, name, f"old_{name}")
    with serving(tmp_path, SETTINGS) as bridge:
        write(tmp_path, "acme", "=bdy.x")
        break_webhook(tmp_path, "third")
        write(tmp_path, "other", "new_other")
        [first, second] = needs(tmp_path)
        assert first.startswith(f"acme: {ERROR}; `serve` has not loaded this file")
        assert second.startswith("third: the mapping has errors: third.yaml:4:21: ")
        reload(bridge, times=1)
        assert [post(bridge, name, 1).status_code for name in NAMES] == [200, 200, 200]
        until(lambda: sorted(types(tmp_path)) == ["new_other", "old_acme", "old_third"], what="an event of each")
        [first, second] = needs(tmp_path)
        assert first.startswith(f"acme: {ERROR}; the mapping from before stays in use; mend it")
        assert "third.yaml:4:21" in second
        assert readiness(bridge).json()["state"] == "degraded"
        assert "reload.refused mapping=acme.yaml problems=1 " in bridge.log.read_text()


@pytest.mark.parametrize(
    "content", ["provider: stripe\nevents: [", MAPPING.format(provider="stripe", event_type="=b.x")]
)
def test_a_broken_mapping_that_overrides_a_shipped_one_does_not_bring_the_shipped_one_back(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "ours.yaml").write_text(content)
    with serving(tmp_path, SETTINGS | {"STRIPE_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}) as bridge:
        assert "MAPPING BROKEN" in next(line for line in bridge.greeting.splitlines() if "/webhooks/stripe" in line)
        assert any("ours.yaml:" in detail for detail in readiness(bridge).json()["details"])


def test_a_source_of_the_settings_file_whose_mapping_lost_its_provider_is_stopped_alone(tmp_path: Path) -> None:
    write(tmp_path, "acme", "told", old="provider: acme", new="provder: acme")
    (tmp_path / "mappings" / "acme.yaml").rename(tmp_path / "mappings" / "pay.yaml")
    write(tmp_path, "other", "told")
    (tmp_path / "bridge.yaml").write_text("sources:\n  shop: {mapping: acme, secrets: [a-made-up-secret]}\n")
    with serving(tmp_path, SETTINGS, "--config", "bridge.yaml") as bridge:
        assert [post(bridge, "shop", 1).status_code, post(bridge, "other", 1).status_code] == [503, 200]


def test_settings_mistakes_still_refuse_the_start(tmp_path: Path) -> None:
    write(tmp_path, "acme", "=bdy.x")
    refused = trackbridge(tmp_path, SETTINGS | {"BRIDGE_LOG": "yaml"}, "serve", "--port", "0")
    assert (refused.returncode, "BRIDGE_LOG must be text or json" in refused.stderr) == (1, True)
