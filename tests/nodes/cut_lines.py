"""TCP lines that can be frozen and reset, and a network namespace whose link can be cut.

Not concerned with what goes through them: `cutting_proxy.py` of the other faults is about answers in HTTP.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

AT_ONCE = 65536
RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER that makes a close a reset: on, for no time."""


@dataclass
class Line:
    """One listening port that leads to another."""

    target: int
    port: int = 0
    _flows: threading.Event = field(default_factory=threading.Event)
    _open: set[socket.socket] = field(default_factory=set)
    _listener: socket.socket = field(default_factory=socket.socket)

    def start(self) -> None:
        self._flows.set()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """No byte goes through, either way, and no connection ends: as where a cable is out."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def reset(self) -> None:
        """All its connections end at once."""
        for one in list(self._open):
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.thaw()
        self.reset()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as far:
            self._open |= {near, far}
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            self._pump(near, far)
            back.join()
            self._open -= {near, far}

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(AT_ONCE):
                self._flows.wait()
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Namespace:
    """A network namespace, linked with this machine: its name, and the addresses of both ends."""

    name: str
    here: str
    there: str

    @property
    def program(self) -> tuple[str, ...]:
        """The words that run a program in it."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Packets are lost from now on, both ways; nobody is told."""
        _ip("link", "set", self.name, "down")

    def mend(self) -> None:
        _ip("link", "set", self.name, "up")


@contextmanager
def namespace() -> Iterator[Namespace | None]:
    """One of this run's own; None where this user may not make any."""
    number = os.getpid() % 65536
    one = Namespace(f"tb{number}", f"10.231.{number % 250}.1", f"10.231.{number % 250}.2")
    if shutil.which("ip") is None or os.geteuid() != 0 or not _ip("netns", "add", one.name, check=False):
        yield None
        return
    try:
        _ip("link", "add", one.name, "type", "veth", "peer", "name", "eth0", "netns", one.name)
        _ip("addr", "add", f"{one.here}/24", "dev", one.name)
        _ip("-n", one.name, "addr", "add", f"{one.there}/24", "dev", "eth0")
        for words in (("link", "set", one.name, "up"), ("-n", one.name, "link", "set", "eth0", "up"),
                      ("-n", one.name, "link", "set", "lo", "up")):  # fmt: skip
            _ip(*words)
        yield one
    finally:
        _ip("link", "del", one.name, check=False)
        _ip("netns", "del", one.name, check=False)


def _ip(*words: str, check: bool = True) -> bool:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0 or not check, f"ip {' '.join(words)}: {done.stderr}"
    return done.returncode == 0
