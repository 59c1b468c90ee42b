"""A TCP port that leads to a PostgreSQL server and counts the round trips over it."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict, make_conninfo

AT_ONCE = 65536


@dataclass
class CountingRelay:
    """Where it listens, and how often a client has said something after its server had."""

    url: str = ""
    round_trips: int = 0


@contextmanager
def counted_server(url: str) -> Iterator[CountingRelay]:
    """A relay to the server of a URL, whose host is the folder of its socket."""
    parts = conninfo_to_dict(url)
    server = f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = CountingRelay(make_conninfo(url, host="127.0.0.1", port=listener.getsockname()[1]))
        threading.Thread(target=_accept, args=(relay, listener, server), daemon=True).start()
        try:
            yield relay
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(relay: CountingRelay, listener: socket.socket, server: str) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_pass_on, args=(relay, client, server), daemon=True).start()


def _pass_on(relay: CountingRelay, client: socket.socket, path: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
        server.connect(path)
        other, last = {client: server, server: client}, server
        while True:
            for one in select.select([client, server], [], [])[0]:
                data = one.recv(AT_ONCE)
                if not data:
                    return
                relay.round_trips += one is client and last is server
                last = one
                other[one].sendall(data)
