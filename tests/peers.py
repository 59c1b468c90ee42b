"""The two peers of every end-to-end test: a real upstream on a real socket, and `serve` as its own process."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from processes import process_tree

from bridge.cli import main
from bridge.cli.list_show import plain_value
from bridge.store.engines import open_store
from bridge.store.protocol import RowFilter

PATIENCE = 60.0
KEY = "upstream-key"
METRICS_KEY = "a-made-up-metrics-key"
"""What every tested bridge asks for on /metrics, unless a test sets another."""
MAY_READ_METRICS = {"Authorization": f"Bearer {METRICS_KEY}"}


def until(holds: Callable[[], Any], *, what: str, patience: float = PATIENCE, pause: float = 0.02) -> Any:
    """Wait for something true and return it, looking again after each pause; fail with `what` when it does not come."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(pause)
    raise AssertionError(f"waited {patience} s for {what}")


# ------------------------------------------------------------------------------------------------------- upstream


@dataclass
class Posted:
    """One request the upstream got, and what it answered."""

    at: float
    headers: dict[str, str]
    events: list[dict[str, Any]]
    status: int


class HangUp(Exception):
    """Raised instead of an answer: these first bytes of one, and the end of the connection."""


@dataclass
class Upstream:
    """A /v1/track receiver. `script` is answered first, one (status, headers, body) a request; then 200.

    A batch without events is answered `empty`: 400, as the track API does where the key is right. With a `key`, every
    request with another one is answered 401.
    """

    url: str = ""
    script: list[tuple[int, Mapping[str, str], bytes]] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    empty: int = 400
    key: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        events = json.loads(body)["events"]
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return 401, {}, b'{"success": false, "error": "no such key"}'
        if not events:
            return self.empty, {}, b'{"success": false, "error": "events must hold 1 to 100 events"}'
        with self.lock:
            said = self.script.pop(0) if self.script else None
            if said is None:
                answer = {"success": True, "event_ids": [event["event_id"] for event in events]}
                said = (200, {}, json.dumps(answer).encode())
            self.posted.append(Posted(time.time(), headers, events, said[0]))
        return said

    def taken(self) -> list[dict[str, Any]]:
        """Every event that was answered 200, in order of arrival, doubles too."""
        with self.lock:
            return [event for post in self.posted if post.status == 200 for event in post.events]

    def ids(self) -> list[str]:
        return [event["event_id"] for event in self.taken()]


@contextmanager
def upstream(given: Upstream | None = None) -> Iterator[Upstream]:
    """It, at an address; `given` is one that answers in its own way."""
    peer = given or Upstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, extra, content = peer.answer(headers, body)
            except HangUp as cut:
                self.wfile.write(cut.args[0])
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    peer.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ---------------------------------------------------------------------------------------------------------- serve


@dataclass
class Serving:
    """`trackbridge serve` in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    greeting: str
    log: Path

    def kill(self) -> None:
        """All its processes at once."""
        kill_all(self.process)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def kill_all(process: subprocess.Popen[Any]) -> None:
    """A process and all that came of it; held first, so that none starts another meanwhile."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in process_tree(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
    process.wait()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "bridge", *words]


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"} or "COVERAGE" in name}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[1]), "BRIDGE_METRICS_KEY": METRICS_KEY} | dict(settings)


@contextmanager
def serving(
    folder: Path, settings: Mapping[str, str], *words: str, program: Sequence[str] | None = None
) -> Iterator[Serving]:
    """A bridge that answers, or a `program` that starts one; stopped at the end whatever happened."""
    log = folder / "serve.log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            [*(program or command()), "serve", "--port", "0", *words],
            cwd=folder,
            env=clean_environment(settings),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("track API:"):
                break
        greeting = "".join(lines)
        found = re.search(r"listens on (\S+)", greeting)
        assert found, f"serve did not start: {log.read_text()}"
        yield Serving(process, found[1], greeting, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                kill_all(process)
        process.stdout.close()


def trackbridge(folder: Path, settings: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end, as a process."""
    return subprocess.run(
        command(*words),
        cwd=folder,
        env=clean_environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def typed(folder: Path, settings: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """What `trackbridge` gives, without a process of its own: for what a command says, and its exit status."""
    out, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(clean_environment(settings))
    try:
        with chdir(folder), redirect_stdout(out), redirect_stderr(errors):
            status = main(words)
    finally:
        os.environ.clear()
        os.environ.update(before)
    said = [stream.buffer.getvalue().decode() for stream in (out, errors)]
    return subprocess.CompletedProcess(words, status, *said)


def listed(folder: Path, what: str, *, state: str | None = None) -> Sequence[dict[str, Any]]:
    """What `trackbridge list WHAT --format json` prints in that folder, without a process for each look."""

    async def asked() -> Sequence[dict[str, Any]]:
        store = open_store(f"sqlite:///{folder / 'trackbridge.db'}")
        try:
            rows = await getattr(store, what)(RowFilter(state=state))
        finally:
            await store.close()
        return [plain_value(row) for row in rows]

    return asyncio.run(asked())
