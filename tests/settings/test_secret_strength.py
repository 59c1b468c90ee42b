"""Secrets and keys that could be guessed: refused by `check` and when they are new, told where they are in use."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from peers import serving, trackbridge, typed

from bridge import mapping
from bridge.core.errors import SettingsError
from bridge.settings import KeySettings, Settings, SourceSettings, secret_strength
from bridge.settings.app_config import AppConfig
from bridge.settings.load import load_configuration

LONG = "sixteen-letters!"
SHORT = "fifteen-letters"
TAIL = "\nevents: [{event: {event_type: lead}}]\n"
HMAC = "{kind: hmac, algorithm: sha256, encoding: hex, from: 'header:X-Sig', signed: '{body}'%s}"


def told(signature: str, *secrets: str) -> int:
    """How many of these secrets are too short for such a signature."""
    text = f"mapping: 1\nprovider: shop\nwebhook:\n  signature: {signature}{TAIL}"
    made = mapping.parse_mapping(text, name="shop.yaml")
    configured = Settings(sources=(SourceSettings("shop", "shop", secrets),))
    return len(secret_strength.strength_problems(configured, {"shop": made}))


def encoded(size: int) -> str:
    return base64.b64encode(b"\xa5" * size).decode()


def test_a_secret_of_fewer_than_16_characters_is_too_short() -> None:
    assert told(HMAC % "", LONG, SHORT) == 1
    assert told("{kind: token, from: 'header:X-Token'}", LONG, SHORT) == 1


def test_an_encoded_secret_is_measured_by_its_bytes_and_a_prefix_does_not_count() -> None:
    block = HMAC % ", secret: {encoding: base64, strip_prefix: whsec_}"
    assert told(block, f"whsec_{encoded(16)}", f"whsec_{encoded(15)}", encoded(15)) == 2
    assert told(HMAC % ", secret: {encoding: hex}", "a5" * 16, "a5" * 15) == 1
    assert told(HMAC % ", secret: {strip_prefix: key_}", f"key_{LONG}", f"key_{SHORT}") == 1


def test_of_user_and_password_the_password_is_measured() -> None:
    assert told("{kind: basic}", f"a:{LONG}", f"a-long-user-name:{SHORT}") == 1


def test_a_public_key_is_no_secret() -> None:
    block = "{kind: ed25519, encoding: hex, from: 'header:X-Sig', signed: '{body}', secret: {encoding: hex}}"
    assert told(block, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a") == 0


def test_an_api_key_is_measured_unless_it_is_set_as_its_sha256() -> None:
    keys = (KeySettings("a", LONG, 0), KeySettings("b", SHORT, 0), KeySettings("c", "sha256:" + "0" * 64, 0))
    [problem] = secret_strength.strength_problems(Settings(keys=keys), {})
    assert "the API key `b` is shorter than 16 characters" in problem.text
    assert SHORT not in problem.text


@pytest.fixture
def weak(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bridge.yaml").write_text(
        f"sources:\n  eu: {{mapping: shopify, secrets: [{LONG}, {SHORT}]}}\n"
        f"api_keys: [{{name: shop, key: {SHORT}}}]\n"
    )  # fmt: skip
    secrets = f"{LONG},{SHORT}"
    return {"BRIDGE_CONFIG": "bridge.yaml", "STRIPE_WEBHOOK_SECRET": secrets, "BRIDGE_API_KEYS": f"{LONG}, short"}


def test_check_refuses_what_is_too_short_where_it_stands(tmp_path: Path, weak: dict[str, str]) -> None:
    found = typed(tmp_path, weak, "check", "--format", "json")
    assert found.returncode == 1
    problems = json.loads(found.stdout)
    assert {(one["path"], one["line"], one["column"]): one["text"].partition(" is shorter")[0] for one in problems} == {
        ("STRIPE_WEBHOOK_SECRET", 1, 18): "source `stripe`: secret 2 of 2",
        ("bridge.yaml", 2, 54): "source `eu`: secret 2 of 2",
        ("BRIDGE_API_KEYS", 1, 19): "the API key `env-2`",
        ("bridge.yaml", 3, 30): "the API key `shop`",
    }
    for form in ("text", "json", "github"):
        found = typed(tmp_path, weak, "check", "--format", form)
        assert SHORT not in found.stdout + found.stderr
        assert LONG not in found.stdout + found.stderr


def test_check_of_named_files_says_nothing_of_secrets(tmp_path: Path, weak: dict[str, str]) -> None:
    (tmp_path / "shop.yaml").write_text(f"mapping: 1\nprovider: shop\nwebhook: {{signature: {{kind: basic}}}}{TAIL}")
    assert typed(tmp_path, weak, "check", "shop.yaml").returncode == 0


def test_check_tells_settings_that_cannot_be_read_beside_the_mappings(tmp_path: Path) -> None:
    found = typed(tmp_path, {"STRIPE_WEBHOOK_SECRET": " , "}, "check")
    assert found.returncode == 1
    assert "error: STRIPE_WEBHOOK_SECRET is set but blank" in found.stdout


def test_serve_starts_with_short_secrets_and_warns_and_status_asks_for_a_person(
    tmp_path: Path, weak: dict[str, str]
) -> None:
    with serving(tmp_path, weak, "--web", "1") as bridge:
        log = bridge.log.read_text()
    assert log.count(" settings.weak ") == 4
    status = trackbridge(tmp_path, weak, "status", "--format", "json")
    assert status.returncode == 1
    needs = [need["text"] for need in json.loads(status.stdout)["needs"] if need["cause"] == "weak_secret"]
    assert [need.partition(" is shorter")[0] for need in needs] == [
        "source `stripe`: secret 2 of 2", "source `eu`: secret 2 of 2", "the API key `env-2`", "the API key `shop`"
    ]  # fmt: skip
    for said in (log, status.stdout, trackbridge(tmp_path, weak, "status").stdout):
        assert SHORT not in said
    (tmp_path / "bridge.yaml").unlink()
    assert "is shorter" not in trackbridge(tmp_path, {}, "status").stdout


def test_status_says_so_where_the_settings_cannot_be_read(tmp_path: Path, weak: dict[str, str]) -> None:
    with serving(tmp_path, weak, "--web", "1"):
        pass
    found = trackbridge(tmp_path, {"BRIDGE_CONFIG": "gone.yaml"}, "status")
    assert found.returncode == 1
    assert "`trackbridge serve` cannot start: " in found.stdout
    assert "gone.yaml" in found.stdout


def test_a_reload_refuses_a_new_short_secret_and_takes_one_that_is_in_use(tmp_path: Path) -> None:
    configured, mappings = load_configuration({"STRIPE_WEBHOOK_SECRET": SHORT}, None, tell=False)
    app_config = AppConfig(configured, mappings)
    app_config.replace(*load_configuration({"STRIPE_WEBHOOK_SECRET": f"{LONG},{SHORT}"}, None, tell=False))
    before = app_config.sources
    with pytest.raises(SettingsError, match=r"STRIPE_WEBHOOK_SECRET:1:18: source `stripe`: secret 2 of 2"):
        app_config.replace(*load_configuration({"STRIPE_WEBHOOK_SECRET": f"{LONG},another-short"}, None, tell=False))
    assert app_config.sources is before
