"""`trackbridge connect`: a person agrees in a browser, and the refresh token is kept where it is used."""

from __future__ import annotations

import asyncio
import base64
import json
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from declaring import ACME
from peers import clean_environment, command, typed
from upstreams.platform import serve_on_loopback
from upstreams.tokens import TokenEndpoint

from bridge.cli.redirect_listener import open_listener
from bridge.core.errors import SettingsError
from bridge.core.sealing import SealKeys
from bridge.destinations.engine.authorization import Authorization, NoSuchRedirect, NotAuthorized
from bridge.settings.env_file import read_env_file, write_env_value
from bridge.store.sqlite.store import SqliteStore

KEYS = SealKeys((b"k" * 32,))
OAUTH = """\
  auth:
    kind: oauth2
    authorize_url: https://login.acme.example/oauth/authorize?prompt=consent
    token_url: https://login.acme.example/oauth/token
    client_id: client-1
    client_secret: =secrets.token
    scope: conversions offline_access
"""
FILE = ACME.replace("  auth: {kind: bearer, token: =secrets.token}\n", OAUTH)
SETTINGS = {
    "BRIDGE_SEAL_KEY": base64.b64encode(KEYS.keys[0]).decode(),
    "BRIDGE_DESTINATIONS": "kinds",
    "BRIDGE_STORE": "sqlite:///x.db",
}


@pytest.fixture
def login() -> Iterator[tuple[TokenEndpoint, str]]:
    one = TokenEndpoint(rotates=True, refresh_tokens=())
    with serve_on_loopback(one.app) as url:
        yield one, url


@pytest.fixture
def folder(tmp_path: Path, login: tuple[TokenEndpoint, str]) -> Path:
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "acme.yaml").write_text(FILE)
    (tmp_path / "kinds" / "plain.yaml").write_text(
        FILE.replace("kind: acme", "kind: plain").replace(OAUTH.splitlines()[2] + "\n", "")
    )
    options = {"pixel": "p1", "token": "client-secret-1", "without_consent": "send", "token_url": login[1]}
    named = {"mine": {"kind": "acme", **options}, "plain": {"kind": "plain", **options}}
    (tmp_path / "bridge.yaml").write_text("destinations: " + json.dumps(named))
    (tmp_path / "client.json").write_text(
        json.dumps(
            {
                "installed": {
                    "client_id": "client-1",
                    "client_secret": "client-secret-1",
                    "auth_uri": f"{login[1]}/auth",
                    "token_uri": f"{login[1]}/token",
                }
            }
        )
    )
    return tmp_path


@contextmanager
def connecting(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command while it waits, and the address that it prints."""
    with subprocess.Popen(
        command("connect", *words),
        cwd=folder,
        env=clean_environment(SETTINGS),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        head = [process.stdout.readline() for _ in range(3)]
        assert head[:2] == ["Open this address in a browser, and agree:\n", "\n"]
        address = head[2].strip()
        try:
            yield process, address
        finally:
            process.kill()


def agree(address: str, url: str) -> str:
    """What the platform leads to from an address, asked for at the fake that stands in for the platform."""
    parts = urlsplit(address)
    return httpx.get(f"{url}{parts.path}?{parts.query}").headers["location"]


def kept_token(folder: Path) -> str:
    """The refresh token that the store has."""

    async def look() -> str:
        store = SqliteStore(str(folder / "x.db"))
        now = datetime.now(UTC)
        held = await store.hold_refresh_token("mine", holder="test", now=now, lease=timedelta(seconds=20))
        await store.close()
        assert held is not None
        assert held.sealed is not None
        return KEYS.open_sealed(held.sealed, purpose="refresh token of mine") or ""

    return asyncio.run(look())


def test_the_redirect_to_this_machine_brings_the_code_and_the_token_is_kept_sealed(
    folder: Path, login: tuple[TokenEndpoint, str]
) -> None:
    fake, url = login
    with connecting(folder, "mine") as (process, address):
        assert address.startswith("https://login.acme.example/oauth/authorize?prompt=consent&response_type=code&")
        asked = parse_qs(urlsplit(address).query)
        assert (asked["scope"], asked["code_challenge_method"]) == (["conversions offline_access"], ["S256"])
        back = agree(address, url)
        redirect = asked["redirect_uri"][0]
        assert back.startswith(redirect)
        assert httpx.get(f"{redirect}favicon.ico").status_code == 404
        assert httpx.get(f"{redirect}?code=forged&state=other").status_code == 404
        page = httpx.get(back)
        assert page.status_code == 200
        assert "Close this page, and go back to the terminal" in page.text
        out, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert "mine is connected: its refresh token is in the store, sealed with BRIDGE_SEAL_KEY" in out
    [token] = fake.refresh_tokens
    assert json.loads(kept_token(folder))["refresh_token"] == token
    for secret in (token, "client-secret-1", *fake.living):
        assert secret not in out
        assert secret.encode() not in b"".join(path.read_bytes() for path in folder.glob("x.db*") if path.is_file())


def test_where_the_browser_is_elsewhere_the_address_is_pasted(folder: Path, login: tuple[TokenEndpoint, str]) -> None:
    fake, url = login
    with connecting(folder, "mine", "--redirect", "https://shop.example/back") as (process, address):
        back = agree(address, url)
        assert back.startswith("https://shop.example/back?code=")
        out, errors = process.communicate(f"{back.partition('&')[0]}\n{back}\n", timeout=30)
    assert process.returncode == 0
    assert "this is no address with `code=` and `state=`; copy all of the address bar" in errors
    assert "mine is connected" in out
    assert json.loads(kept_token(folder))["refresh_token"] in fake.refresh_tokens


def test_google_becomes_a_setting_that_only_its_owner_may_read(folder: Path, login: tuple[TokenEndpoint, str]) -> None:
    fake, url = login
    (folder / ".env").write_text("# ours\nBRIDGE_LOG=json\nGOOGLE_OAUTH='old'\nBRIDGE_PORT=8001\n")
    (folder / ".env").chmod(0o640)
    with connecting(folder, "google", "--client", "client.json") as (process, address):
        asked = parse_qs(urlsplit(address).query)
        assert (asked["access_type"], asked["prompt"]) == (["offline"], ["consent"])
        assert asked["scope"] == ["https://www.googleapis.com/auth/datamanager"]
        httpx.get(agree(address, url))
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert 'use it as `oauth: "${GOOGLE_OAUTH}"` in the destination of kind google_ads' in errors
    found = read_env_file(folder / ".env")
    assert found is not None
    [token] = fake.refresh_tokens
    assert json.loads(found.pop("GOOGLE_OAUTH")[0]) == {
        "client_id": "client-1",
        "client_secret": "client-secret-1",
        "refresh_token": token,
    }
    assert {name: value for name, (value, _) in found.items()} == {"BRIDGE_LOG": "json", "BRIDGE_PORT": "8001"}
    assert (folder / ".env").read_text().startswith("# ours\n")
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert token not in out + errors


def test_a_platform_that_says_no_ends_it_with_the_reason(login: tuple[TokenEndpoint, str]) -> None:
    fake, url = login
    fake.denies = True

    async def story() -> str:
        async with open_listener(None) as (listener, address):
            asked = Authorization(f"{url}/o", "client-1", None, address, "state", "verifier")
            listener.expect(asked)
            _, idle = await asyncio.open_connection("127.0.0.1", listener.port)  # as browsers open some in advance
            page = await asyncio.to_thread(lambda: httpx.get(asked.address, follow_redirects=True))
            with pytest.raises(SettingsError, match="the platform gave no code: access_denied The user said no"):
                await listener.code
        idle.close()
        return page.text

    assert "The platform did not authorise trackbridge" in asyncio.run(story())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("google",), "Google needs an OAuth client: in Google Cloud"),
        (("mein",), "there is no destination `mein`; did you mean `mine`?"),
        (("plain",), "the file of `plain` has no `authorize_url`"),
        (("mine", "--redirect", "shop.example"), "--redirect is the address that is registered at the platform"),
        (("mine", "--client", "client.json"), "--client is for `trackbridge connect google` alone"),
        (("google", "--client", "bridge.yaml"), "bridge.yaml is no OAuth client of Google"),
    ],
)
def test_what_cannot_be_connected_says_what_to_do(folder: Path, words: tuple[str, ...], told: str) -> None:
    done = typed(folder, SETTINGS, "connect", *words)
    assert done.returncode == 1
    assert told in done.stderr


def test_a_destination_that_fetches_no_token_needs_no_connecting(folder: Path) -> None:
    (folder / "bridge.yaml").write_text(
        "destinations: {t: {kind: track, url: 'https://x.example', api_key: a-made-up-key}}"
    )
    assert "`t` needs no refresh token" in typed(folder, SETTINGS, "connect", "t").stderr


@pytest.mark.parametrize("text", ["", "code-1", "https://[", "?code=c&state=", "?code=c&state=sta", "?state=é&code=c"])
def test_an_address_without_this_attempts_state_is_not_taken(text: str) -> None:
    one = Authorization("https://a.example/o", "client-1", None, "http://127.0.0.1:1/", "state", "verifier")
    with pytest.raises(NoSuchRedirect):
        one.read_redirect(text)
    assert one.read_redirect(" http://127.0.0.1:1/?state=state&code=c%2F1\n") == "c/1"
    with pytest.raises(NotAuthorized, match="it does not say why"):
        one.read_redirect("?state=state")
    assert "verifier" not in repr(one) + one.address


def test_a_value_of_the_env_file_is_added_to_what_is_there_and_a_bad_file_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    write_env_value(path, "ONE", "1")
    write_env_value(path, "TWO", '{"a": 2}')
    write_env_value(path, "ONE", "3")
    assert path.read_text() == "ONE='3'\nTWO='{\"a\": 2}'\n"
    path.write_text("no line\n")
    with pytest.raises(SettingsError, match="is no NAME=VALUE"):
        write_env_value(path, "ONE", "1")
    assert path.read_text() == "no line\n"
