"""Wakeups between roles that were started apart: datagrams of one byte to a socket beside the store.

A datagram that nobody receives is lost, and the loops look for work by themselves every second at the latest.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from bridge.runtime.wakeup_pipe import NotifierOncePerRound

_LONGEST = 100
"""Bytes that the address of a socket may have on every system: Linux takes 108, macOS 104."""
_OTHERS = 0o177
_AT_ONCE = 64


class WakeupSocket:
    """A socket at a path; made before the fork. One process's family listens there, any may notify it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder, self._address = _short_address(path)
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._is_bound = False
        for end in (self._sender, self._listener):
            end.settimeout(0)

    def bind_listener(self) -> None:
        """Replace a socket that a killed process has left there. Call it only while nobody else may listen there.

        Where no socket can be there, nothing is woken.
        """
        with suppress(OSError):
            if stat.S_ISSOCK(self._path.lstat().st_mode):
                self._path.unlink()
        before = os.umask(_OTHERS)
        try:
            with suppress(OSError):
                self._listener.bind(self._address)
                self._is_bound = True
        finally:
            os.umask(before)

    def delete_listener(self) -> None:
        """Delete the socket that `bind_listener` has made."""
        if self._is_bound:
            with suppress(OSError):
                self._path.unlink()

    def close(self) -> None:
        """Close this process's ends."""
        self._sender.close()
        self._listener.close()
        if self._folder is not None:
            os.close(self._folder)

    def make_notifier(self, kind: bytes) -> Callable[[], None]:
        """A function that notifies of one kind of work, a byte, from within an event loop."""
        return NotifierOncePerRound(self._send_byte, kind).notify

    def call_on_wakeup(self, wake: Mapping[bytes, Callable[[], None]]) -> None:
        """Call what is to be called for each kind that was notified of, in the running loop."""

        def receive() -> None:
            kinds = set()
            with suppress(BlockingIOError):
                for _ in range(_AT_ONCE):
                    kinds.add(self._listener.recv(1))
            for kind, woken in wake.items():
                if kind in kinds:
                    woken()

        asyncio.get_running_loop().add_reader(self._listener, receive)

    def _send_byte(self, kind: bytes) -> None:
        with suppress(OSError):  # nobody listens, or so many are unread that this one is not missed
            self._sender.sendto(kind, self._address)


def _short_address(path: Path) -> tuple[int | None, str]:
    """The path; where it is too long, on Linux a short one, which leads there by the descriptor of its folder."""
    if len(os.fsencode(path)) <= _LONGEST:
        return None, str(path)
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None, str(path)
    return folder, f"/proc/self/fd/{folder}/{path.name}"
