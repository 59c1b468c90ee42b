"""`trackbridge doctor`: what it says of a machine, and when it asks for a person."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from peers import METRICS_KEY, Serving, clean_environment, command, serving, typed, upstream

from bridge.cli.network_checks import clock_skew
from bridge.store.sqlite.schema import STEPS

SECRET = "a made-up signing secret"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[dict[str, str]]:
    tmp_path.chmod(0o700)
    with upstream() as peer:
        yield {"STRIPE_WEBHOOK_SECRET": SECRET, "BRIDGE_TRACK_URL": peer.url, "BRIDGE_TRACK_KEY": "upstream-key"}


def looked(folder: Path, settings: dict[str, str]) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """The exit status, and what was said by name: each a state and a text."""
    done = typed(folder, settings, "doctor", "--format", "json")
    assert done.stderr == ""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(done.stdout):
        found.setdefault(one["name"], []).append((one["state"], one["text"]))
    return done.returncode, found


def wrong(folder: Path, settings: dict[str, str]) -> list[str]:
    """What needs a person. The exit status is 1 exactly where something does."""
    status, found = looked(folder, settings)
    texts = [f"{name}: {text}" for name, said in found.items() for state, text in said if state == "wrong"]
    assert status == (1 if texts else 0)
    return texts


@contextmanager
def proxied(bridge: Serving, *, header: bool) -> Iterator[str]:
    """A proxy in front of a bridge, which says who calls or does not."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {"X-Forwarded-For": "192.0.2.7"} if header else {}
            headers["Authorization"] = self.headers["Authorization"]
            answer = httpx.get(f"{bridge.url}{self.path}", headers=headers, trust_env=False)
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_where_all_is_well_nobody_is_needed_and_every_part_was_looked_at(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with serving(tmp_path, settings):
        pass
    status, found = looked(tmp_path, settings)
    assert status == 0, found
    assert set(found) == {
        "python",
        "limits",
        "mappings",
        "settings",
        "store",
        "disk",
        "destinations",
        "clock",
        "proxy",
        "alerts",
    }
    text = typed(tmp_path, settings, "doctor").stdout
    assert f"of version {len(STEPS)}" in text
    assert text.endswith("\nnothing needs you\n")


def test_no_line_holds_a_secret_or_a_key(tmp_path: Path, settings: dict[str, str]) -> None:
    said = typed(tmp_path, settings | {"BRIDGE_API_KEYS": "short"}, "doctor").stdout
    assert "the API key `env-1` is shorter" in said
    assert SECRET not in said
    assert "upstream-key" not in said


def test_a_destination_that_gives_no_answer_is_wrong(tmp_path: Path, settings: dict[str, str]) -> None:
    [text] = wrong(tmp_path, settings | {"BRIDGE_TRACK_URL": "http://127.0.0.1:9"})
    assert text.startswith(
        "destinations: track: http://127.0.0.1:9/v1/track/batch gives no answer (no connection: refused); check"
    )


def test_a_key_that_a_destination_does_not_take_is_wrong(tmp_path: Path) -> None:
    with upstream() as peer:
        peer.key = "the-right-key"
        told = {"BRIDGE_TRACK_URL": peer.url, "BRIDGE_TRACK_KEY": "a-mistyped-key", "SHOPIFY_WEBHOOK_SECRET": SECRET}
        [text] = wrong(tmp_path, told)
    assert text.startswith(f"destinations: track: {peer.url}/v1/track/batch answers 401")
    assert text.endswith("check its address and its key")
    assert "a-mistyped-key" not in text


def test_no_destination_no_secret_and_a_placeholder_are_wrong(tmp_path: Path) -> None:
    first, second = wrong(tmp_path, {})
    assert first.startswith("settings: no source has a secret, so no webhook is taken; set one")
    assert second.startswith("destinations: there is none, so events are only kept; set BRIDGE_TRACK_URL")
    assert wrong(tmp_path, {"BRIDGE_TRACK_KEY": "REPLACE_ME"})[0].startswith("settings: BRIDGE_TRACK_KEY still holds")


def test_a_mapping_with_a_mistake_is_wrong_at_its_line(tmp_path: Path, settings: dict[str, str]) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "acme.yaml").write_text("mapping: 1\nprovidr: acme\n")
    found = wrong(tmp_path, settings | {"BRIDGE_MAPPINGS": "mappings"})
    assert "mappings: acme.yaml:2:1: error: unknown key 'providr'; did you mean 'provider'?" in found


def test_secrets_and_a_store_that_others_may_read_are_wrong_until_mended_as_told(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with serving(tmp_path, settings):
        pass
    (tmp_path / "bridge.yaml").touch()
    (tmp_path / ".env").touch(0o644)
    (tmp_path / "trackbridge.db").chmod(0o644)
    found = wrong(tmp_path, settings)
    assert len(found) == 2
    for text in found:
        assert text.startswith("permissions: other users of this machine may read")
        subprocess.run(["/bin/sh", "-c", text.split("`")[1]], cwd=tmp_path, check=True)
    assert wrong(tmp_path, settings) == []


def test_a_folder_in_which_others_may_exchange_the_store_is_wrong(tmp_path: Path, settings: dict[str, str]) -> None:
    tmp_path.chmod(0o777)
    [text] = wrong(tmp_path, settings)
    assert f"`chmod o-w {tmp_path}`" in text


@pytest.mark.parametrize(("step", "state"), [(-1, "note"), (1, "wrong")])
def test_a_store_of_another_version_is_named_and_stays_as_it_is(
    tmp_path: Path, settings: dict[str, str], step: int, state: str
) -> None:
    with serving(tmp_path, settings):
        pass
    with closing(sqlite3.connect(tmp_path / "trackbridge.db")) as db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + step}")
    [(found, text)] = looked(tmp_path, settings)[1]["store"]
    assert (found, f"of version {len(STEPS) + step}" in text) == (state, True)
    with closing(sqlite3.connect(tmp_path / "trackbridge.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(STEPS) + step,)


def test_a_file_that_is_no_store_is_wrong(tmp_path: Path, settings: dict[str, str]) -> None:
    (tmp_path / "trackbridge.db").write_text("this is a text, and no store of trackbridge at all\n" * 100)
    [text] = wrong(tmp_path, settings)
    assert text.startswith("store: trackbridge.db is no trackbridge store")


def test_a_disk_with_too_little_room_is_wrong(tmp_path: Path, settings: dict[str, str]) -> None:
    [text] = wrong(tmp_path, settings | {"BRIDGE_MIN_FREE": "900TiB"})
    assert "less than the 943718400 MiB of BRIDGE_MIN_FREE: requests get 503" in text


def test_few_open_files_are_a_note_with_the_remedy(tmp_path: Path, settings: dict[str, str]) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    done = subprocess.run(
        command("doctor"),
        cwd=tmp_path, env=clean_environment(settings), preexec_fn=limit, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "note   limits        a process may have 256 files open, too few for" in done.stdout


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sun, 01 Mar 2026 12:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 3600),
        ("Sun, 01 Mar 2026 12:00:05 GMT", -5),
        ("Sun, 01 Mar 2026 12:00:00", None),
        ("no date", None),
        (None, None),
    ],
)
def test_the_clock_is_compared_with_the_date_of_an_answer(date: str | None, seconds: int | None) -> None:
    skew = clock_skew(date, datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert (skew.total_seconds() if skew is not None else None) == seconds


# ------------------------------------------------------------------------------------------------------- the proxy


def test_a_public_address_that_nobody_answers_is_wrong(tmp_path: Path, settings: dict[str, str]) -> None:
    [text] = wrong(tmp_path, settings | {"BRIDGE_PUBLIC_URL": "http://127.0.0.1:9"})
    assert text.startswith("proxy: http://127.0.0.1:9/readyz gives no answer (ConnectError); is serve running")


def test_a_public_address_that_something_else_answers_is_wrong(tmp_path: Path, settings: dict[str, str]) -> None:
    [text] = wrong(tmp_path, settings | {"BRIDGE_PUBLIC_URL": settings["BRIDGE_TRACK_URL"]})
    assert "is answered 501 by something else; compare the proxy's file and BRIDGE_PREFIX" in text


@pytest.mark.parametrize(
    ("header", "trusted", "said"),
    [
        (True, True, None),
        (True, False, "set BRIDGE_TRUSTED_PROXIES=127.0.0.1"),
        (False, True, "the proxy passes on no X-Forwarded-For"),
    ],
)
def test_a_proxy_must_pass_on_who_calls_and_be_trusted(
    tmp_path: Path, settings: dict[str, str], *, header: bool, trusted: bool, said: str | None
) -> None:
    if trusted:
        settings["BRIDGE_TRUSTED_PROXIES"] = "127.0.0.1"
    with (
        serving(tmp_path, settings | {"BRIDGE_METRICS_KEY": METRICS_KEY}) as bridge,
        proxied(bridge, header=header) as url,
    ):
        found = wrong(tmp_path, settings | {"BRIDGE_PUBLIC_URL": url})
    assert [said in text for text in found if said] == ([True] if said else [])
    assert bool(found) == (said is not None)


def test_who_calls_is_told_to_the_metrics_key_alone(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as bridge:
        assert "peer" not in httpx.get(f"{bridge.url}/readyz?peer", trust_env=False).json()
        key = {"Authorization": f"Bearer {METRICS_KEY}", "X-Forwarded-For": "192.0.2.7"}
        told = httpx.get(f"{bridge.url}/readyz?peer", headers=key, trust_env=False).json()["peer"]
    assert told == {"connection": "127.0.0.1", "forwarded": True, "trusted": False}


def test_the_look_leaves_nothing_behind(tmp_path: Path, settings: dict[str, str]) -> None:
    typed(tmp_path, settings, "doctor")
    assert list(tmp_path.iterdir()) == []
