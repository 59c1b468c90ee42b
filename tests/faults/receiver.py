"""An upstream in a process of its own, which can be killed: what it takes is in a file before it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Receiver:
    kept: Path
    port: int = 0
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, on the same port as before."""
        command = [sys.executable, __file__, str(self.kept), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        assert self.process
        assert self.process.stdout
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def taken(self) -> list[dict[str, Any]]:
        """Every event that was taken; a line cut short by a kill was not answered."""
        lines = self.kept.read_text().split("\n")[:-1]
        return [event for line in lines for event in json.loads(line)]


@contextmanager
def receiving(folder: Path) -> Iterator[Receiver]:
    receiver = Receiver(folder / "taken.jsonl")
    receiver.kept.touch()
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.kill()


def main(kept: str, port: str) -> None:
    """Receive until killed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["events"]
            line = json.dumps(events).encode() + b"\n"
            file = os.open(kept, os.O_WRONLY | os.O_APPEND)
            os.write(file, line)
            os.close(file)
            answer = json.dumps({"success": True, "event_ids": [event["event_id"] for event in events]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            return

    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201  how it speaks
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
