"""Who is measured, each in a process of its own on loopback: the floor, the sink, and a bridge as it is installed.

Not concerned with loads.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from processes import process_tree

SECRET = "a made-up secret"
API_KEY = "a-made-up-api-key"
METRICS_KEY = "a-made-up-metrics-key"
PATIENCE = 60.0
TRACKBRIDGE = Path(sysconfig.get_path("scripts")) / "trackbridge"


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens."""

    process: subprocess.Popen[str]
    port: int

    def stop(self) -> None:
        """End it gracefully; raises TimeoutExpired when it does not."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it at once with all its children; held first, so that none starts another meanwhile."""
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in process_tree(self.process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        self.process.wait(PATIENCE)

    def get(self, path: str) -> str:
        """The body of a GET."""
        address, headers = f"http://127.0.0.1:{self.port}{path}", {"Authorization": f"Bearer {METRICS_KEY}"}
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=PATIENCE) as answer:
            return str(answer.read().decode())


@dataclass(frozen=True, slots=True)
class Sink(Server):
    """The upstream."""

    file: Path

    def count(self) -> int:
        """How many events came, doubles too."""
        return int(re.sub(r"\D", "", self.get("/count")))

    def orders(self) -> list[str]:
        """The order_id of every event that came, in order, doubles too."""
        self.count()
        return [line[1:] for line in self.file.read_text().splitlines() if line.startswith("o")]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Nothing of this process's but what any needs, and the settings."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | dict(settings)


def settings(sink: Sink | None) -> dict[str, str]:
    """A bridge for Shopify and the track API without limits, which delivers to the sink."""
    made = {"SHOPIFY_WEBHOOK_SECRET": SECRET, "BRIDGE_API_KEYS": API_KEY, "BRIDGE_API_RATE": "0"}
    made["BRIDGE_METRICS_KEY"] = METRICS_KEY
    if sink:
        upstream = f"http://127.0.0.1:{sink.port}"
        made |= {"BRIDGE_TRACK_URL": upstream, "BRIDGE_TRACK_KEY": "upstream-key", "BRIDGE_TRACK_RATE": "0"}
    return made


@contextmanager
def floor() -> Iterator[Server]:
    """The bare POST."""
    with running([sys.executable, str(Path(__file__).with_name("floor.py"))], env=environment({})) as process:
        yield Server(process, int(_line(process)))


@contextmanager
def sink(program: Path, file: Path) -> Iterator[Sink]:
    """An upstream that writes what it takes to the file."""
    with running([str(program), str(file)], env=environment({})) as process:
        yield Sink(process, int(_line(process)), file)


@contextmanager
def bridge(folder: Path, settings: Mapping[str, str], *, workers: int | None = None) -> Iterator[Server]:
    """`trackbridge serve` on the folder's store, with so many workers or as many as it has unless told.

    Its log goes to `serve.log` there.
    """
    with (folder / "serve.log").open("a") as log:
        words = [str(TRACKBRIDGE), "serve", "--port", "0", *(["--web", str(workers)] if workers else [])]
        with running(words, env=environment(settings), folder=folder, log=log.fileno()) as process:
            yield Server(process, _bridge_port(process, folder / "serve.log"))


def _bridge_port(process: subprocess.Popen[str], log: Path) -> int:
    assert process.stdout
    port = None
    for line in process.stdout:
        if found := re.search(r"listens on \S+:(\d+)", line):
            port = int(found[1])
        if line.startswith("track API:"):
            break
    if port is None:
        raise RuntimeError(f"serve did not start: {log.read_text()[-2000:]}")
    return port


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


@contextmanager
def running(
    words: Sequence[str], *, env: Mapping[str, str], folder: Path | None = None, log: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process whose output is read, ended at the end whatever happened."""
    process = subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()
