"""A log that nobody reads holds up no process: webhooks are kept, children are restarted, SIGTERM ends serve."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from observed_processes import titled
from peers import Serving, clean_environment, command, until
from signed_requests import ORDER, SHOPIFY_SECRET, shopify

SETTINGS = {"SHOPIFY_WEBHOOK_SECRET": SHOPIFY_SECRET}


@pytest.fixture
def unread(tmp_path: Path) -> Iterator[tuple[Serving, int]]:
    """A bridge whose standard error is a full pipe, and the end of it that nobody reads."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writable, b"x" * 4096)
    os.set_blocking(writable, True)
    process = subprocess.Popen(
        [*command(), "serve", "--port", "0"],
        cwd=tmp_path,
        env=clean_environment(SETTINGS),
        stdout=subprocess.PIPE,
        stderr=writable,
        text=True,
    )
    os.close(writable)
    assert process.stdout
    try:
        line = process.stdout.readline()
        url = line.split(" on ")[1].split()[0]
        yield Serving(process, url, line, tmp_path / "no.log"), readable
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(readable)


def test_a_bridge_whose_log_nobody_reads_keeps_webhooks_and_replaces_a_process_and_ends(
    unread: tuple[Serving, int],
) -> None:
    bridge, readable = unread
    for number in range(200):  # each makes lines of the log
        headers, raw = shopify(ORDER | {"id": number + 1}, "orders/paid", f"w-{number}")
        assert (
            httpx.post(f"{bridge.url}/webhooks/shopify", headers=headers, content=raw, trust_env=False).status_code
            == 200
        )
    [before] = titled(bridge, "trackbridge: worker-translate")
    os.kill(before, signal.SIGKILL)
    until(lambda: [pid for pid in titled(bridge, "trackbridge: worker-translate") if pid != before], what="another one")
    while b"log.dropped" not in os.read(readable, 1 << 16):
        headers, raw = shopify(ORDER | {"id": 9_000}, "orders/paid", "w-last")
        httpx.post(f"{bridge.url}/webhooks/shopify", headers=headers, content=raw, trust_env=False)
    bridge.process.terminate()
    assert bridge.process.wait(60) == 0
