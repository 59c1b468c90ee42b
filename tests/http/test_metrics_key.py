"""`/metrics` and the details of `/readyz` are for whoever has the metrics key, and for nobody else."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from peers import METRICS_KEY, Serving, serving, trackbridge, typed

from bridge.core.errors import SettingsError
from bridge.http.metrics_key import keep_beside, key_file, read_setting
from bridge.runtime.http_server import bind_socket
from bridge.settings import load_settings

API_KEY = "an-api-key-of-a-shop"
FILE = "trackbridge.db-metrics-key"


def get(url: str, path: str, key: str | None = None, **headers: str) -> httpx.Response:
    shown = {"Authorization": f"Bearer {key}"} if key is not None else {}
    return httpx.get(f"{url}{path}", headers=shown | headers, trust_env=False)


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path, {"BRIDGE_API_KEYS": API_KEY}) as running:
        yield running


# ------------------------------------------------------------------------------------------------- the public port


def test_the_metrics_are_for_whoever_has_the_metrics_key_alone(bridge: Serving) -> None:
    for key in (None, "a-wrong-metrics-key", METRICS_KEY[:-1], API_KEY):
        refused = get(bridge.url, "/metrics", key)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "trackbridge_" not in refused.text
        assert "`trackbridge metrics`" in refused.json()["error"]
    assert get(bridge.url, f"/metrics?api_key={METRICS_KEY}").status_code == 401
    shown = get(bridge.url, "/metrics", METRICS_KEY)
    assert (shown.status_code, "trackbridge_ready 1.0" in shown.text) == (200, True)


def test_the_metrics_key_sends_no_event(bridge: Serving) -> None:
    event = {"event_type": "purchase"}
    headers = {"Authorization": f"Bearer {METRICS_KEY}"}
    assert httpx.post(f"{bridge.url}/v1/track", json=event, headers=headers, trust_env=False).status_code == 401


def test_a_stranger_sees_whether_the_bridge_is_ready_and_no_detail(bridge: Serving) -> None:
    assert get(bridge.url, "/readyz").json() == {"success": True, "state": "ready"}
    assert get(bridge.url, "/readyz", METRICS_KEY).json() == {"success": True, "state": "ready", "details": []}


def test_neither_the_key_nor_its_digest_is_in_the_log_or_the_greeting(tmp_path: Path) -> None:
    with serving(tmp_path, {"BRIDGE_METRICS_KEY": ""}) as bridge:
        key = (tmp_path / FILE).read_text().strip()
        assert get(bridge.url, "/metrics", key).status_code == 200
        assert get(bridge.url, "/metrics", key + "x").status_code == 401
        assert get(bridge.url, "/metrics", key + "x").status_code == 401
    said = bridge.greeting + bridge.log.read_text()
    assert 'metrics.refused mend="have the scraper send the metrics key: see trackbridge metrics"' in said
    assert key not in said
    assert hashlib.sha256(key.encode()).hexdigest() not in said


# -------------------------------------------------------------------------------------------------- where it is kept


def test_without_a_setting_the_key_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        first = keep_beside(tmp_path / "trackbridge.db")
    finally:
        os.umask(before)
    path = tmp_path / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.matches_header(f"Bearer {path.read_text().strip()}")
    assert keep_beside(tmp_path / "trackbridge.db") == first
    assert [one.name for one in tmp_path.iterdir()] == [FILE]


def test_starts_at_the_same_moment_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(keep_beside, [tmp_path / "trackbridge.db"] * 32))
    assert len(keys) == 1


@pytest.mark.parametrize("content", ["", "\n", "short", "with a blank in the middle of it", "\x00" * 40])
def test_a_file_that_holds_no_key_is_refused_with_its_name(tmp_path: Path, content: str) -> None:
    path = key_file(tmp_path / "trackbridge.db")
    path.write_text(content)
    with pytest.raises(SettingsError, match="holds no metrics key; delete the file") as caught:
        keep_beside(tmp_path / "trackbridge.db")
    assert str(path) in str(caught.value)


def test_a_folder_of_that_name_is_refused_with_the_remedy(tmp_path: Path) -> None:
    key_file(tmp_path / "trackbridge.db").mkdir()
    with pytest.raises(SettingsError, match="or set BRIDGE_METRICS_KEY"):
        keep_beside(tmp_path / "trackbridge.db")


@pytest.mark.parametrize("shown", ["Bearer {0}", "bearer {0}", "BEARER  {0} "])
def test_a_key_set_as_itself_or_as_its_digest_is_matched(shown: str) -> None:
    digest = hashlib.sha256(METRICS_KEY.encode()).hexdigest()
    for text in (METRICS_KEY, f"sha256:{digest}", f"sha256:{digest.upper()}"):
        assert read_setting(text).matches_header(shown.format(METRICS_KEY))


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Basic {0}", "{0}", "Bearer {0}x", "Bearer é{0}"])
def test_anything_else_is_not_matched(shown: str | None) -> None:
    assert not read_setting(METRICS_KEY).matches_header(shown and shown.format(METRICS_KEY))


@pytest.mark.parametrize(
    "value", ["fifteen-letters", "sha256:1234567890", "a key with blanks in it", "ключ-из-букв-других"]
)
def test_a_key_that_cannot_hold_is_refused_without_its_value(value: str) -> None:
    with pytest.raises(SettingsError, match="BRIDGE_METRICS_KEY") as caught:
        load_settings({"BRIDGE_METRICS_KEY": value}, providers={})
    assert value not in str(caught.value)


@pytest.mark.parametrize("as_digest", [True, False])
def test_an_api_key_is_refused_as_the_metrics_key(*, as_digest: bool) -> None:
    digest = f"sha256:{hashlib.sha256(API_KEY.encode()).hexdigest()}"
    environment = {"BRIDGE_API_KEYS": digest if as_digest else API_KEY, "BRIDGE_METRICS_KEY": API_KEY}
    with pytest.raises(SettingsError, match="BRIDGE_METRICS_KEY is the API key `env-1`, too"):
        load_settings(environment, providers={})


# ------------------------------------------------------------------------------------------------ the admin listener


def free_port() -> int:
    with bind_socket("127.0.0.1", 0) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[tuple[Serving, str]]:
    port = free_port()
    with serving(tmp_path, {"BRIDGE_ADMIN": f"127.0.0.1:{port}", "BRIDGE_API_KEYS": API_KEY}) as running:
        yield running, f"http://127.0.0.1:{port}"


def test_with_an_admin_listener_the_public_port_has_neither_metrics_nor_details(admin: tuple[Serving, str]) -> None:
    bridge, _ = admin
    for key in (None, METRICS_KEY):
        assert get(bridge.url, "/metrics", key).status_code == 404
        assert get(bridge.url, "/readyz", key).json() == {"success": True, "state": "ready"}


def test_the_admin_listener_takes_no_webhook_and_no_event(admin: tuple[Serving, str]) -> None:
    _, url = admin
    for path in ("/webhooks/stripe", "/v1/track", "/v1/track/batch", "/openapi.json"):
        assert httpx.post(f"{url}{path}", content=b"{}", trust_env=False).status_code == 404


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:9090", "127.8.0.1"])
def test_the_machine_itself_needs_no_key_there(admin: tuple[Serving, str], host: str) -> None:
    _, url = admin
    assert get(url, "/metrics", Host=host).status_code == 200
    assert get(url, "/readyz", Host=host).json() == {"success": True, "state": "ready", "details": []}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "10.0.0.1:9090"},
        {"Host": "127.0.0.1", "X-Forwarded-For": "127.0.0.1"},
        {"Host": "127.0.0.1", "Forwarded": "for=192.0.2.1"},
        {"Host": "localhost", "Via": "1.1 proxy"},
    ],
)
def test_a_name_from_elsewhere_or_a_proxy_needs_the_key_there(
    admin: tuple[Serving, str], headers: Mapping[str, str]
) -> None:
    _, url = admin
    assert get(url, "/metrics", **headers).status_code == 401
    assert "details" not in get(url, "/readyz", **headers).json()
    assert get(url, "/metrics", METRICS_KEY, **headers).status_code == 200
    assert get(url, "/readyz", METRICS_KEY, **headers).json()["details"] == []


def test_both_web_processes_answer_on_the_admin_listener_until_the_end(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, {"BRIDGE_ADMIN": f"localhost:{port}"}, "--web", "2") as bridge:
        assert {get(f"http://127.0.0.1:{port}", "/healthz").status_code for _ in range(20)} == {200}
        assert bridge.stop() == 0


def test_an_admin_address_that_is_taken_is_told_with_its_setting(tmp_path: Path) -> None:
    with bind_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        done = trackbridge(tmp_path, {"BRIDGE_ADMIN": f"127.0.0.1:{port}"}, "serve", "--port", "0")
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another BRIDGE_ADMIN" in done.stderr


@pytest.mark.parametrize(
    ("environment", "words", "setting"),
    [
        ({"BRIDGE_ADMIN": "bücher.example:9090"}, (), "BRIDGE_ADMIN"),
        ({}, ("--host", "bücher.example"), "--port or --host"),
    ],
)
def test_a_host_name_that_is_not_ascii_is_refused_with_the_form_that_is_taken(
    tmp_path: Path, environment: dict[str, str], words: tuple[str, ...], setting: str
) -> None:
    done = trackbridge(tmp_path, environment, "serve", "--port", "0", *words)
    told = f"a host name to listen on must be ASCII: write its xn-- form; choose another {setting}"
    assert (done.returncode, done.stderr) == (1, f"trackbridge: {told}\n")


@pytest.mark.parametrize("value", ["9090", ":9090", "localhost", "localhost:0", "localhost:65536", "localhost:http"])
def test_an_admin_address_without_host_or_port_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="BRIDGE_ADMIN must be an address to listen on"):
        load_settings({"BRIDGE_ADMIN": value}, providers={})


@pytest.mark.parametrize(("value", "read"), [("[::1]:9090", ("::1", 9090)), ("::1:9090", ("::1", 9090))])
def test_an_admin_address_may_be_ipv6(value: str, read: tuple[str, int]) -> None:
    assert load_settings({"BRIDGE_ADMIN": value}, providers={}).admin == read


# ------------------------------------------------------------------------------------------- what Prometheus is given


def scrape(folder: Path, settings: Mapping[str, str], *words: str) -> tuple[dict[str, Any], str]:
    done = typed(folder, settings, "metrics", *words)
    assert done.returncode == 0
    return yaml.safe_load(done.stdout)["scrape_configs"][0], done.stderr


def test_the_printed_configuration_reads_the_metrics(tmp_path: Path) -> None:
    with serving(tmp_path, {"BRIDGE_METRICS_KEY": ""}) as bridge:
        job, said = scrape(tmp_path, {"BRIDGE_METRICS_KEY": ""}, "--target", bridge.url.removeprefix("http://"))
        file = Path(job["authorization"]["credentials_file"])
        assert file == tmp_path / FILE
        assert "Prometheus must be able to read" in said
        [target] = job["static_configs"][0]["targets"]
        assert get(f"http://{target}", "/metrics", file.read_text().strip()).status_code == 200


def test_the_printed_configuration_asks_an_admin_listener_on_this_machine_without_a_key(tmp_path: Path) -> None:
    job, said = scrape(tmp_path, {"BRIDGE_ADMIN": "127.0.0.1:9090"})
    assert (job["static_configs"], "authorization" in job, said) == ([{"targets": ["127.0.0.1:9090"]}], False, "")


def test_a_key_from_the_environment_is_not_printed(tmp_path: Path) -> None:
    job, said = scrape(tmp_path, {"BRIDGE_ADMIN": "10.0.0.1:9090"})
    assert job["static_configs"] == [{"targets": ["10.0.0.1:9090"]}]
    assert METRICS_KEY not in str(job) + said
    assert f"write the key of BRIDGE_METRICS_KEY itself to {job['authorization']['credentials_file']}" in said


def test_before_the_first_start_the_missing_file_is_told(tmp_path: Path) -> None:
    _, said = scrape(tmp_path, {"BRIDGE_METRICS_KEY": ""})
    assert "is made by the first `trackbridge serve`" in said
    assert not (tmp_path / FILE).exists()
