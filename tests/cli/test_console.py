"""`trackbridge console`: whose link it prints, and for which address."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import httpx
import pytest
from peers import MAY_READ_METRICS, serving, typed

from bridge.store.engines import open_store

KEYS = "auditor:look:an-auditors-made-up-key,ines:change:an-owners-made-up-key"


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One with a store."""
    open_store(f"sqlite:///{tmp_path / 'trackbridge.db'}")
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "http://127.0.0.1:8000/ui"),
        ({"BRIDGE_HOST": "0.0.0.0", "BRIDGE_PORT": "9000"}, "http://127.0.0.1:9000/ui"),
        ({"BRIDGE_HOST": "::"}, "http://[::1]:8000/ui"),
        ({"BRIDGE_PREFIX": "/bridge"}, "http://127.0.0.1:8000/bridge/ui"),
        ({"BRIDGE_PREFIX": "/bridge", "BRIDGE_ADMIN": "127.0.0.1:9090"}, "http://127.0.0.1:9090/ui"),
        ({"BRIDGE_CONSOLE_URL": "https://hooks.shop.test"}, "https://hooks.shop.test/ui"),
    ],
)
def test_the_link_leads_to_where_the_console_is(folder: Path, settings: dict[str, str], address: str) -> None:
    said = typed(folder, settings, "console")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(f"{address}/login#code=")
    assert said.stdout.splitlines()[1] == "opens the console as owner (change), once, until 5 minutes from now"


def test_it_logs_in_as_the_key_that_was_named(folder: Path) -> None:
    settings = {"BRIDGE_CONSOLE_KEYS": KEYS}
    assert "as auditor (look)" in typed(folder, settings, "console").stdout
    assert "as ines (change)" in typed(folder, settings, "console", "--key", "ines").stdout
    said = typed(folder, settings, "console", "--key", "eve")
    assert (said.returncode, said.stderr) == (
        1, "trackbridge: --key: there is no such key; known are auditor, ines\n"
    )  # fmt: skip


def test_where_there_is_no_store_it_says_so_and_makes_none(tmp_path: Path) -> None:
    said = typed(tmp_path, {"BRIDGE_CONSOLE_KEYS": KEYS}, "console")
    assert (said.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "there is no store at trackbridge.db; start `trackbridge serve` there" in said.stderr


def test_the_first_serve_makes_a_key_for_its_owner_alone_and_stands_on_the_admin_address(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, {"BRIDGE_ADMIN": f"127.0.0.1:{port}"}) as bridge:
        assert f"console: http://127.0.0.1:{port}/ui/  `trackbridge console`" in bridge.greeting
        file = tmp_path / "trackbridge.db-console-key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text().strip() not in bridge.greeting + bridge.log.read_text()
        with httpx.Client(trust_env=False) as client:
            assert client.get(f"{bridge.url}/ui/").status_code == 404
            assert client.get(f"http://127.0.0.1:{port}/ui/login").status_code == 200
            assert client.get(f"http://127.0.0.1:{port}/metrics", headers=MAY_READ_METRICS).status_code == 200
            key = {"key": file.read_text().strip()}
            login = client.post(f"http://127.0.0.1:{port}/ui/login", data=key, headers={"Sec-Fetch-Site": "none"})
            assert login.status_code == 303
            assert client.get(f"http://127.0.0.1:{port}/ui/").status_code == 200
