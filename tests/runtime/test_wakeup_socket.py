"""Wakeups between roles that were started apart: a socket beside the store, and no harm where there is none."""

from __future__ import annotations

import asyncio
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from bridge.runtime.wakeup_socket import WakeupSocket

EVERYTHING = 5000


async def wakes(listener: WakeupSocket, notifier: WakeupSocket) -> None:
    """A notification of one kind arrives, and is taken for no other."""
    woken, other = asyncio.Event(), asyncio.Event()
    listener.call_on_wakeup({b"w": woken.set, b"e": other.set})
    notifier.make_notifier(b"w")()
    await asyncio.wait_for(woken.wait(), 60)
    assert not other.is_set()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".x.db.webhooks.sock"


def opened(path: Path, *, listens: bool = False) -> WakeupSocket:
    one = WakeupSocket(path)
    if listens:
        one.bind_listener()
    return one


def test_a_notification_wakes_the_listener_at_the_path(path: Path) -> None:
    with closing(opened(path, listens=True)) as listener, closing(opened(path)) as notifier:
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        asyncio.run(wakes(listener, notifier))
        listener.delete_listener()
    assert not path.exists()


def test_a_socket_that_a_killed_process_left_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(str(path))
    with closing(opened(path)) as notifier:
        asyncio.run(notified(notifier, times=1))  # nobody listens there
        with closing(opened(path, listens=True)) as listener:
            asyncio.run(wakes(listener, notifier))


async def notified(notifier: WakeupSocket, *, times: int) -> None:
    notify = notifier.make_notifier(b"w")
    for _ in range(times):
        notify()
        await asyncio.sleep(0)


def test_notifying_where_nobody_listens_or_reads_neither_fails_nor_waits(path: Path) -> None:
    with closing(opened(path)) as notifier:
        asyncio.run(notified(notifier, times=3))
        with closing(opened(path, listens=True)) as listener:
            asyncio.run(notified(notifier, times=EVERYTHING))
            asyncio.run(wakes(listener, notifier))


def test_what_is_no_socket_is_left_and_nothing_is_woken(path: Path) -> None:
    path.write_text("somebody's")
    with closing(opened(path, listens=True)) as listener, closing(opened(path)) as notifier:
        asyncio.run(notified(notifier, times=3))
        listener.delete_listener()
    assert path.read_text() == "somebody's"


def test_a_path_longer_than_a_sockets_address_is_reached_by_its_folder(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a-long-name-of-a-folder"] * 8)
    folder.mkdir(parents=True)
    path = folder / ".x.db.webhooks.sock"
    with closing(opened(path, listens=True)) as listener, closing(opened(path)) as notifier:
        asyncio.run(wakes(listener, notifier))


def test_a_name_longer_than_a_sockets_address_leaves_the_loops_to_look_by_themselves(tmp_path: Path) -> None:
    path = tmp_path / f".{'x' * 200}.db.sock"
    with closing(opened(path, listens=True)) as listener, closing(opened(path)) as notifier:
        asyncio.run(notified(notifier, times=3))
        listener.delete_listener()
    assert list(tmp_path.iterdir()) == []
