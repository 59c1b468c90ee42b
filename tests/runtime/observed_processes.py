"""A running `serve` looked at from outside: who its children are, and what they answer one by one."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest
from peers import MAY_READ_METRICS, Serving, until
from processes import process_tree

LAUNCH = (sys.executable, str(Path(__file__).with_name("launch_processes.py")))
KEY = "a-made-up-api-key"
CLIENT = httpx.Client(trust_env=False, verify=False, timeout=30, headers={"Connection": "close"})
"""A connection for each request, so that any worker may get it."""
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells who came of whom")


def children(bridge: Serving) -> list[int]:
    return process_tree(bridge.process.pid)[1:]


def translate_process(bridge: Serving, title: str = "trackbridge: worker-translate") -> int:
    """The worker, once there is one that is at work."""
    return int(until(lambda: titled(bridge, title), what=title)[0])


def workers(bridge: Serving) -> list[int]:
    """All the web processes, once there are as many as before."""
    translate_process(bridge)
    return titled(bridge, "trackbridge: web-")


def titled(bridge: Serving, title: str) -> list[int]:
    """The processes whose title, as `ps` shows it, begins so."""
    return [pid for pid in children(bridge) if _title(pid).startswith(title)]


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether it runs: one that ended and was not asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def told(bridge: Serving, what: str) -> list[str]:
    """The log's lines that say it."""
    return [line for line in bridge.log.read_text().splitlines() if f" {what}" in line]


def get(bridge: Serving, path: str) -> httpx.Response:
    """The answer of whichever worker takes it."""
    return CLIENT.get(f"{bridge.url}{path}", headers=MAY_READ_METRICS)


def track(bridge: Serving, order: str) -> httpx.Response:
    event = {"event_type": "purchase", "properties": {"order_id": order, "value": 1}}
    headers = {"Authorization": f"Bearer {KEY}"}
    return CLIENT.post(f"{bridge.url}/v1/track", json=event, headers=headers)


def post(bridge: Serving, name: str) -> int:
    """A webhook of the provider `acme`."""
    body = json.dumps({"id": name, "type": "done"})
    return CLIENT.post(f"{bridge.url}/webhooks/acme", content=body).status_code


def counted(bridge: Serving, sample: str) -> float:
    """The sum of all samples of /metrics that begin so."""
    lines = get(bridge, "/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample))


def ready(bridge: Serving) -> None:
    """Wait until all goes as it should."""
    until(lambda: get(bridge, "/readyz").json()["state"] == "ready", what="a bridge that is ready")
