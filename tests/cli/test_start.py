"""What a start loads and an idle bridge takes: only what every bridge needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from peers import clean_environment, serving
from processes import memory

from bridge.cli import COMMANDS

SMAPS = Path("/proc/self/smaps_rollup")


def test_serve_loads_nothing_that_only_some_bridges_need(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from bridge.cli import main; main(['serve']); import sys; print(*sys.modules)"],
        cwd=tmp_path,
        env=clean_environment({"STRIPE_WEBHOOK_SECRET": ""}),  # so it ends once it has loaded all of itself
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "STRIPE_WEBHOOK_SECRET is set but blank" in done.stderr
    loaded = set(done.stdout.split())
    assert {"bridge.app", "httpx", "uvicorn"} <= loaded
    assert not loaded & {"cryptography", "jsonschema", "phonenumbers", "rich"}


def _loaded_by(folder: Path, *words: str) -> set[str]:
    """The modules that are loaded when the command has ended."""
    program = (
        "import atexit, sys; from bridge.cli import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        f"sys.exit(main({list(words)}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=clean_environment({"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}),  # they load much
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stderr.split())


def test_the_help_loads_no_command_and_nothing_that_commands_need(tmp_path: Path) -> None:
    loaded = _loaded_by(tmp_path, "--help")
    light = {"argument_parser", "interrupts", "options", "streams", "terminal"}
    assert {name for name in loaded if name.startswith("bridge.cli.")} == {f"bridge.cli.{name}" for name in light}
    assert not loaded & {"bridge.app", "bridge.store", "asyncio", "httpx", "rich", "sqlite3", "starlette", "yaml"}


def test_a_command_loads_no_file_of_a_command_that_it_does_not_use(tmp_path: Path) -> None:
    loaded = _loaded_by(tmp_path, "schema", "event")
    assert "bridge.cli.schema" in loaded
    files = {file for file, _ in COMMANDS.values()} - {"schema"}
    assert not loaded & {f"bridge.cli.{file}" for file in files}
    assert not loaded & {"httpx", "sqlite3", "starlette", "uvicorn"}


@pytest.mark.skipif(not SMAPS.exists(), reason="only Linux tells what a process has for itself")
def test_an_idle_bridge_with_one_worker_takes_less_than_100_mb(tmp_path: Path) -> None:
    unwatched = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}  # what counts lines takes memory, too
    with serving(tmp_path, unwatched, "--web", "1") as bridge:
        assert httpx.get(f"{bridge.url}/readyz", trust_env=False).status_code == 200
        assert memory(bridge.process.pid) < 100
