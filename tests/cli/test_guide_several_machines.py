"""The guide Run it on several machines: its files parse, and name settings, addresses and ports that exist."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bridge.app import SingleProcessApp
from bridge.cli import COMMANDS
from bridge.settings import TABLE, Settings
from bridge.store.engines import open_store

CHECKOUT = Path(__file__).parents[2]
GUIDE = (CHECKOUT / ".github" / "SEVERAL_MACHINES.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
CONTAINERFILE = (CHECKOUT / "bridge" / "deploy" / "Containerfile").read_text()
LIVENESS, READINESS = "/healthz", "/readyz"


def block(language: str, holding: str) -> str:
    [text] = [text for info, text in BLOCKS if info == language and holding in text]
    return str(text)


def manifest(kind: str) -> Any:
    [one] = [one for one in yaml.safe_load_all(block("yaml", "kind: Deployment")) if one["kind"] == kind]
    return one["spec"]


def container_port() -> int:
    found = re.search(r"^EXPOSE (\d+)$", CONTAINERFILE, re.MULTILINE)
    assert found
    assert {row.name: row.default for row in TABLE}["BRIDGE_PORT"] == found[1]
    return int(found[1])


def probed() -> Iterator[str]:
    for probe in ("livenessProbe", "readinessProbe"):
        yield manifest("Deployment")["template"]["spec"]["containers"][0][probe]["httpGet"]["path"]
    yield from re.findall(r"option httpchk GET (\S+)", block("haproxy", "backend"))


def test_every_setting_and_command_that_the_guide_names_is_one() -> None:
    known = {row.name for row in TABLE}
    named = set(re.findall(r"BRIDGE_\w+", GUIDE))
    assert len(named) > 5
    assert named - known == set()
    typed = set(re.findall(r"`trackbridge ([a-z]+)`", GUIDE))
    assert {"status", "doctor"} <= typed
    assert typed <= set(COMMANDS)


def test_a_database_that_is_away_restarts_no_node() -> None:
    assert list(probed()) == [LIVENESS, READINESS, READINESS]


def test_what_is_probed_is_answered(tmp_path: Path) -> None:
    async def statuses() -> list[int]:
        store = open_store(f"sqlite:///{tmp_path}/x.db")
        try:
            http = httpx.ASGITransport(SingleProcessApp(Settings(), {}, store).http)
            async with httpx.AsyncClient(transport=http, base_url="http://bridge") as client:
                return [(await client.get(path)).status_code for path in probed()]
        finally:
            await store.close()

    assert asyncio.run(statuses()) == [200, 200, 200]


def test_ports_and_names_agree() -> None:
    port = container_port()
    compose = yaml.safe_load(block("yaml", "x-node"))["services"]
    servers = re.findall(r"^    server (\w+) (\w+):(\d+) ", block("haproxy", "backend"), re.MULTILINE)
    assert servers == [(name, name, str(port)) for name in ("node1", "node2", "node3")]
    assert {name for name in compose if name.startswith("node")} == {name for name, _, _ in servers}
    bound = re.search(r"bind :(\d+)", block("haproxy", "backend"))
    assert bound
    assert compose["balancer"]["ports"] == [f"127.0.0.1:8000:{bound[1]}"]
    spec = manifest("Deployment")["template"]["spec"]
    assert spec["containers"][0]["ports"] == [{"name": "http", "containerPort": port}]
    assert manifest("Service")["ports"][0]["targetPort"] == "http"
    labels = manifest("Deployment")["template"]["metadata"]["labels"]
    assert manifest("Service")["selector"] == manifest("PodDisruptionBudget")["selector"]["matchLabels"] == labels
    assert f"USER {spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}" in CONTAINERFILE
    mounted = {one["mountPath"] for one in spec["containers"][0]["volumeMounts"]}
    assert re.findall(r"^VOLUME (\S+)$", CONTAINERFILE, re.MULTILINE) == sorted(mounted - {"/tmp"})


def test_haproxy_takes_its_file(tmp_path: Path) -> None:
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/sbin")
    if program is None:
        pytest.skip("haproxy is not installed")
    path = tmp_path / "haproxy.cfg"
    path.write_text(block("haproxy", "backend"))
    done = subprocess.run([program, "-c", "-f", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
