"""A TCP line between a bridge and its upstream that cuts some answers in the middle.

The upstream has taken what was sent by then. Not concerned with HTTP.
"""

from __future__ import annotations

import random
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

AT_ONCE = 65536


@dataclass
class Line:
    url: str = ""
    cuts: int = 0
    mended: bool = False


@contextmanager
def cutting(url: str, *, seed: int, share: float = 0.3, listen: str = "127.0.0.1") -> Iterator[Line]:
    """A line to `url` that cuts this share of answers after a few bytes, until it is mended.

    It listens on the address `listen`; its own URL is the one on this machine.
    """
    line, rng = Line(), random.Random(seed)
    there = (urlsplit(url).hostname or "", urlsplit(url).port or 0)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(there) as far:
                threading.Thread(target=_pumped, args=(self.request, far), daemon=True).start()
                while answer := far.recv(AT_ONCE):
                    if not line.mended and rng.random() < share:
                        line.cuts += 1
                        self.request.sendall(answer[: rng.randrange(len(answer))])
                        return
                    self.request.sendall(answer)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: object, client_address: object) -> None:
            return

    with Server((listen, 0), Handler) as server:
        line.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield line
        server.shutdown()
        thread.join()


def _pumped(near: socket.socket, far: socket.socket) -> None:
    with suppress(OSError):
        while asked := near.recv(AT_ONCE):
            far.sendall(asked)
        far.shutdown(socket.SHUT_WR)
