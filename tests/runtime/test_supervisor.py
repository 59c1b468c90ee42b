"""`serve` as real processes: one that dies is restarted, and all end together."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from observed_processes import (
    KEY,
    LAUNCH,
    children,
    get,
    is_alive,
    kill,
    needs_proc,
    ready,
    told,
    track,
    translate_process,
    workers,
)
from peers import KEY as UPSTREAM_KEY
from peers import Serving, Upstream, command, serving, trackbridge, until, upstream

pytestmark = needs_proc
SETTINGS = {"BRIDGE_API_KEYS": KEY}
OWN_SESSION = "import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"


@pytest.fixture
def peer() -> Iterator[Upstream]:
    with upstream() as one:
        yield one


@pytest.fixture
def bridge(tmp_path: Path, peer: Upstream) -> Iterator[Serving]:
    settings = SETTINGS | {"BRIDGE_TRACK_URL": peer.url, "BRIDGE_TRACK_KEY": UPSTREAM_KEY}
    with serving(tmp_path, settings, "--web", "2") as one:
        yield one


def begun(bridge: Serving, body: bytes) -> socket.socket:
    """A request to the track API whose body is still to come."""
    host, port = bridge.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = f"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body[:1])
    return connection


def gone(pids: Sequence[int]) -> None:
    until(lambda: not any(map(is_alive, pids)), what="the end of every process")


def test_a_worker_and_as_many_web_processes_as_asked_for_are_forked(bridge: Serving) -> None:
    assert len(workers(bridge)) == 2
    assert {
        *workers(bridge),
        translate_process(bridge),
        translate_process(bridge, "trackbridge: worker-deliver"),
    } == set(children(bridge))
    assert "with 2 web processes" in bridge.greeting


def test_a_graceful_stop_answers_what_was_begun_and_leaves_nobody(bridge: Serving) -> None:
    body = b'{"event_type": "lead"}'
    begun_ones = [begun(bridge, body) for _ in range(4)]
    everybody = children(bridge)
    ready(bridge)  # so that those before were accepted, too
    bridge.process.send_signal(signal.SIGTERM)
    until(lambda: not listens(bridge), what="the end of listening")
    for one in begun_ones:
        one.sendall(body[1:])
        assert one.recv(65536).startswith(b"HTTP/1.1 200 ")
        one.close()
    assert bridge.process.wait(60) == 0
    assert not any(map(is_alive, everybody))
    assert not told(bridge, "process.")


def listens(bridge: Serving) -> bool:
    host, port = bridge.url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=30).close()
    except ConnectionError:
        return False
    return True


def test_a_worker_that_is_killed_is_told_and_started_again(bridge: Serving) -> None:
    killed, other = workers(bridge)
    kill(killed)
    [line] = until(lambda: told(bridge, "process.ended"), what="the word of it")
    assert "process=web-" in line
    assert 'why="killed by SIGKILL" then="started again"' in line
    until(lambda: len(workers(bridge)) == 2, what="another worker")
    assert other in workers(bridge)
    assert killed not in children(bridge)  # not as a zombie either
    assert track(bridge, "A-1").status_code == 200
    assert bridge.stop() == 0


def test_a_worker_that_is_killed_is_restarted_and_goes_on_with_what_waits(bridge: Serving, peer: Upstream) -> None:
    first = translate_process(bridge)
    kill(first)
    assert track(bridge, "A-1").status_code == 200
    until(lambda: len(peer.taken()) == 1, what="the delivery")
    assert translate_process(bridge) != first
    ready(bridge)
    assert bridge.stop() == 0


def test_one_that_dies_again_and_again_is_started_after_a_growing_pause(bridge: Serving) -> None:
    for death in range(1, 4):
        ready(bridge)
        kill(translate_process(bridge))
        until(lambda: len(told(bridge, "process.ended process=worker-translate")) == death, what="its end")  # noqa: B023  asked before the next turn
    ends = [line.partition("then=")[2] for line in told(bridge, "process.ended")]
    assert ends == ['"started again"', '"started again in 1 s"', '"started again in 2 s"']
    found = get(bridge, "/readyz")
    assert (found.status_code, found.json()["state"]) == (200, "degraded"), "a webhook is kept all the same"
    assert "translate: does not run; it is being started again" in found.json()["details"]
    ready(bridge)


def test_when_the_parent_is_killed_all_end_and_another_can_listen_there(
    bridge: Serving, tmp_path: Path, peer: Upstream
) -> None:
    everybody = children(bridge)
    assert track(bridge, "A-1").status_code == 200
    kill(bridge.process.pid)
    bridge.process.wait()
    until(lambda: not listens(bridge), what="the end of listening")
    port = bridge.url.rpartition(":")[2]
    with serving(tmp_path, SETTINGS, "--port", port) as another:
        assert another.url == bridge.url
        assert track(another, "A-2").status_code == 200
    gone(everybody)
    assert len(told(bridge, "process.orphaned")) == len(everybody)


def test_a_ctrl_c_at_the_terminal_reaches_all_and_ends_them_once(tmp_path: Path) -> None:
    program = [sys.executable, "-c", OWN_SESSION, *command()]
    with serving(tmp_path, SETTINGS, "--web", "2", program=program) as bridge:
        everybody = children(bridge)
        os.killpg(bridge.process.pid, signal.SIGINT)
        assert bridge.process.wait(60) == 0
    gone(everybody)
    assert bridge.log.read_text() == ""


def test_a_signal_to_stop_that_reaches_every_process_at_once_ends_them_gracefully(tmp_path: Path) -> None:
    program = [sys.executable, "-c", OWN_SESSION, *command()]
    with serving(tmp_path, SETTINGS, "--web", "2", program=program) as bridge:
        everybody = children(bridge)
        os.killpg(bridge.process.pid, signal.SIGTERM)
        assert bridge.process.wait(60) == 0
    gone(everybody)


def test_one_that_does_not_end_is_killed_and_the_exit_status_tells(tmp_path: Path) -> None:
    with serving(tmp_path, SETTINGS | {"SERVE_TEST_FAREWELL": "4"}, "--web", "1", program=LAUNCH) as bridge:
        [hung] = workers(bridge)
        everybody = children(bridge)
        os.kill(hung, signal.SIGSTOP)
        assert bridge.stop() == 1
    assert not any(map(is_alive, everybody))
    killed = told(bridge, "process.killed")  # on a busy machine another one may need more than the four seconds, too
    assert any("process=web-1" in line for line in killed)


def test_a_child_that_cannot_start_ends_serve_with_its_reason_in_one_line(tmp_path: Path) -> None:
    broken = serving(tmp_path, SETTINGS | {"SERVE_TEST_BROKEN": "no room for more"}, program=LAUNCH)
    with pytest.raises(AssertionError, match="serve did not start") as stopped, broken:
        pass
    assert str(stopped.value) == "serve did not start: trackbridge: no room for more\n"


def test_a_number_of_workers_that_nobody_could_mean_is_refused(tmp_path: Path) -> None:
    for number in ("0", "65", "many"):
        assert trackbridge(tmp_path, {}, "serve", "--web", number).returncode == 2
