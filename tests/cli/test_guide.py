"""The guide Go live: its commands are typed as they are there, from an empty folder to a delivered webhook."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peers import KEY, PATIENCE, clean_environment, kill_all, until, upstream

from bridge.cli import COMMANDS
from bridge.settings import TABLE

CHECKOUT = Path(__file__).parents[2]
GUIDE = (CHECKOUT / ".github" / "GO_LIVE.md").read_text()
BLOCKS = [
    (info, text) for info, text in re.findall(r"^```([^\n]*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL) if info
]
INSTALL = "python3 -m venv shop/.venv && shop/.venv/bin/pip install -q .\n"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def run(folder: Path, text: str) -> str:
    """A block of the guide in a shell, which ends at the first command that fails."""
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", text],
        cwd=folder, env=shell_environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{text}{done.stdout}{done.stderr}"
    return done.stdout


def shell_environment() -> dict[str, str]:
    return {name: value for name, value in clean_environment({}).items() if not name.startswith("BRIDGE_")}


@contextmanager
def started(folder: Path, text: str) -> Iterator[None]:
    log = folder / "shell.log"
    with log.open("w") as said:
        shell = subprocess.Popen(
            ["/bin/sh", "-e", "-c", text], cwd=folder, env=shell_environment(), stdout=said, stderr=said
        )
    try:
        until(lambda: shell.poll() is not None or "track API:" in log.read_text(), what="serve")
        assert shell.poll() is None, log.read_text()
        yield
    finally:
        kill_all(shell)


def test_from_an_empty_folder_to_a_delivered_webhook_and_a_restored_backup(tmp_path: Path) -> None:
    port = free_port()
    blocks = [(info, text.replace(":8000", f":{port}")) for info, text in BLOCKS if info.startswith("sh")]
    (_, install), (_, init), (_, serve), (_, first), (_, doctor), *rest = blocks
    assert install == INSTALL  # `.ci/run` installs in that way; here is what this test runs on
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / ".venv").symlink_to(sys.prefix)
    assert "made  .env" in run(tmp_path, init)
    with upstream() as peer:
        fill_secrets(tmp_path / "shop" / ".env", url=peer.url, port=port)
        with started(tmp_path, serve):
            said = run(tmp_path / "shop", first)
            assert '200 {"success":true}' in said
            [event] = until(peer.taken, what="the delivery", patience=PATIENCE)
            assert (event["properties"]["order_id"], event["properties"]["value"]) == ("FIRST-1", 19.9)
            run(tmp_path / "shop", doctor)
            for _, text in rest:
                assert "purchase" in run(tmp_path / "shop", text)
    assert not (tmp_path / "shop" / "drill").exists()


def fill_secrets(env: Path, *, url: str, port: int) -> None:
    """What the owner types into the file."""
    text = env.read_text()
    for name, value in {
        "STRIPE_WEBHOOK_SECRET": "whsec_a_made_up_secret_of_stripe",
        "SHOPIFY_WEBHOOK_SECRET": "a_made_up_secret_of_shopify",
        "BRIDGE_TRACK_URL": url,
        "BRIDGE_TRACK_KEY": KEY,
    }.items():
        assert f"{name}=REPLACE_ME" in text
        text = text.replace(f"{name}=REPLACE_ME", f"{name}={value}")
    env.write_text(f"{text}BRIDGE_PORT={port}\n")


def test_every_setting_that_the_guide_names_is_one() -> None:
    known = {row.name for row in TABLE}
    assert {name for name in re.findall(r"BRIDGE_\w+", GUIDE) if name not in known} == set()


@pytest.mark.parametrize(("provider", "heading"), [("stripe", "## 6. At Stripe"), ("shopify", "## 7. At Shopify")])
def test_every_topic_that_the_guide_names_is_one_of_the_mapping(provider: str, heading: str) -> None:
    section = GUIDE.partition(heading)[2].partition("\n## ")[0]
    topics = set(re.findall(r"`([a-z_]+(?:[./][a-z_]+)+)`", section))
    mapping = (CHECKOUT / "mappings" / f"{provider}.yaml").read_text()
    assert len(topics) > 3
    assert {topic for topic in topics if topic not in mapping} == set()


def test_every_command_that_the_guide_types_exists() -> None:
    typed = {name for _, text in BLOCKS for name in re.findall(r"bin/trackbridge ([a-z]+)", text)}
    assert typed
    assert typed <= set(COMMANDS)
